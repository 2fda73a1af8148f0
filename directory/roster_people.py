"""From entries as the server sent them to the people of the roster, with as little work for each as can be."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from directory.accounts import name_key
from directory.answers import RawEntry
from directory.connection import Entry
from directory.groups import group_attributes
from directory.names import own_name
from directory.settings import DirectorySettings
from directory.states import state_attributes, why_unusable

log = logging.getLogger(__name__)


class Listed(NamedTuple):
    """One person of the roster; the fields are those of directory.interface.Person."""

    directory_id: str
    username: str
    display_name: str
    email: str
    disabled: bool
    groups: tuple[str, ...]


GroupsOf = Callable[[RawEntry, str], tuple[str, ...]]
"""The groups of an entry with this account name."""


class PeopleReader:
    """Reads people out of entries; `skipped` counts those without a readable id or name, who are left out."""

    def __init__(self, settings: DirectorySettings) -> None:
        self.skipped = 0
        self.attributes = [
            settings.username_attribute,
            settings.name_attribute,
            settings.email_attribute,
            settings.id_attribute,
            *state_attributes(settings),
            *group_attributes(settings),
        ]
        self._settings = settings
        self._username = settings.username_attribute.lower()
        self._name = settings.name_attribute.lower()
        self._email = settings.email_attribute.lower()
        self._id = settings.id_attribute.lower()
        self._states = tuple(name.lower() for name in state_attributes(settings))
        self._now = datetime.now(UTC)
        self._known_states: dict[tuple[tuple[str, tuple[bytes, ...]], ...], bool] = {}

    def listed(self, entry: RawEntry, groups_of: GroupsOf) -> Listed | None:
        """Return the person, None (counted, and named in the log) for one who has no single id or no name."""
        dn, values = entry
        identifier = self._identifier(values.get(self._id, ()))
        accounts = _texts(values.get(self._username, ()))
        account = accounts[0] if len(accounts) == 1 else own_name(dn.decode("utf-8", "replace"), accounts)
        if not identifier or not account:
            self.skipped += 1
            log.warning("left out, for want of a single id or a name: %s", dn.decode("utf-8", "replace"))
            return None
        names, emails = _texts(values.get(self._name, ())), _texts(values.get(self._email, ()))
        return Listed(
            identifier,
            account.lower() if account.isascii() else name_key(account),
            names[0] if names else account,
            emails[0] if emails else "",
            self._is_disabled(values),
            groups_of(entry, account),
        )

    def _identifier(self, raw: list[bytes] | tuple[()]) -> str:
        """As directory.ldap.lasting_id, with "" for none."""
        if len(raw) == 1 and self._id == "objectguid" and len(raw[0]) == 16:
            return str(uuid.UUID(bytes_le=raw[0]))
        texts = _texts(raw)
        return texts[0].casefold() if len(texts) == 1 else ""

    def _is_disabled(self, values: dict[str, list[bytes]]) -> bool:
        """Most people share their state with thousands, so each state is looked at once."""
        key = tuple((name, tuple(values[name])) for name in self._states if name in values)
        if not key:
            return False
        known = self._known_states.get(key)
        if known is None:
            known = bool(why_unusable(Entry("", values), self._settings, self._now))
            if len(self._known_states) < 10_000:
                self._known_states[key] = known
        return known


def _texts(raw: list[bytes] | tuple[()]) -> list[str]:
    """As Entry.texts: what can be read, sorted, each once."""
    if len(raw) == 1:
        try:
            text = raw[0].decode("utf-8").strip()
        except UnicodeDecodeError:
            return []
        return [text] if text else []
    return Entry("", {"": list(raw)}).texts("")
