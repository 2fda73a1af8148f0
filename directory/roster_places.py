"""Places in a directory's stream of changes: what a server offers to say who changed since, and when it cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from directory.connection import Entry, LdapConnection
from directory.interface import DirectoryConfigError, DirectoryError
from directory.settings import DirectorySettings
from directory.states import generalized_time, whole_number

OVERLAP = timedelta(minutes=5)
"""Clocks that differ, and replicas that are behind, by less than this hide no change."""

_ANY = "(objectClass=*)"
_TIME = "%Y%m%d%H%M%SZ"
_FORM = 1


class PlaceLostError(DirectoryError):
    """Who changed since a place cannot be told, or not with less work than reading everybody: read everybody."""


@dataclass(frozen=True)
class Place:
    """Changes after `since` are not read yet. `groups` stands for the groups that were there, `asked` for settings."""

    server: str
    since: str
    groups: str
    asked: str
    form: int = _FORM

    def to_text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Place:
        """Raises PlaceLostError for what is not a place, or one that another version wrote."""
        try:
            place = cls(**json.loads(text))
        except (ValueError, TypeError):
            raise PlaceLostError("the place cannot be read") from None
        if place.form != _FORM:
            raise PlaceLostError("the place was written by another version")
        return place


@dataclass(frozen=True)
class Clock:
    """By what a server dates changes: attributes with the date of the last change, and of when an entry was made."""

    changed: str
    created: str
    counts: bool

    def from_then(self, since: str) -> str:
        """Return the date after which everything counts as a change since then: somewhat before, for times."""
        if self.counts:
            return since
        moment = generalized_time(since)
        if moment is None:
            raise PlaceLostError("the place has no time")
        return (moment - OVERLAP).strftime(_TIME)

    def filter(self, since: str) -> str:
        """Return the filter for what changed since then."""
        bound = self.from_then(since)
        return f"({self.changed}>={int(bound) + 1 if self.counts else bound})"

    def is_newer(self, date: bytes, since: str) -> bool:
        """True when the date of an entry is after `since`; what has no date is old."""
        if not date:
            return False
        return int(date) > int(since) if self.counts else date[:14] > since[:14].encode("ascii")


def clock_of(settings: DirectorySettings) -> Clock:
    """Active Directory counts (uSNChanged), every other server writes times (modifyTimestamp, RFC 4512)."""
    if settings.is_active_directory:
        return Clock("uSNChanged", "uSNCreated", counts=True)
    return Clock("modifyTimestamp", "createTimestamp", counts=False)


def now_of(connection: LdapConnection, settings: DirectorySettings) -> tuple[str, str] | None:
    """Return (server, since) for changes from now on; None when this server does not offer it.

    Active Directory: the server's database (invocationId, new after a restore) and its highest number; elsewhere our
    own clock. Raises DirectoryUnavailableError.
    """
    if settings.is_active_directory:
        return _count_of(connection)
    dated = f"(&{settings.everybody_filter}(modifyTimestamp>=19700101000000Z))"
    found = connection.search(settings.base_dn, dated, ["modifyTimestamp"], size_limit=1)
    if not found or not any(generalized_time(text) for text in found[0].texts("modifyTimestamp")):
        return None
    return "", datetime.now(UTC).strftime(_TIME)


def _count_of(connection: LdapConnection) -> tuple[str, str] | None:
    root = _base(connection, "", ["highestCommittedUSN", "dsServiceName"])
    if root is None:
        return None
    highest, service = whole_number(root, "highestCommittedUSN"), root.texts("dsServiceName")
    if highest is None or len(service) != 1:
        return None
    database = _base(connection, service[0], ["invocationId"])
    raw = database.values.get("invocationid", []) if database else []
    return (raw[0].hex(), str(highest)) if len(raw) == 1 else None


def _base(connection: LdapConnection, dn: str, attributes: list[str]) -> Entry | None:
    try:
        found = connection.search(dn, _ANY, attributes, only_base=True, size_limit=1)
    except DirectoryConfigError:  # this account may not read it
        return None
    return found[0] if found else None


def asked_of(settings: DirectorySettings) -> str:
    """Return a fingerprint of the settings that say who is read and how: a place serves only the same question."""
    parts = settings.model_dump(exclude={"servers", "ca_file", "connect_timeout_s", "receive_timeout_s"})
    return _fingerprint([json.dumps(parts, sort_keys=True, default=str).encode("utf-8")])


def fingerprint_of_groups(names: Iterable[tuple[bytes, str]]) -> str:
    """Return a fingerprint of groups, each given by its key and its name: it tells that one left or was renamed."""
    return _fingerprint(sorted(key + b"\0" + name.encode("utf-8") for key, name in names))


def _fingerprint(parts: list[bytes]) -> str:
    return hashlib.sha256(b"\1".join(parts)).hexdigest()[:32]
