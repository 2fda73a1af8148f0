"""The groups of one person as they count: direct ones, those around them however deep, and the primary one."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ldap3.utils.conv import escape_filter_chars

from directory.connection import Entry, LdapConnection
from directory.names import own_name
from directory.settings import IN_CHAIN, DirectorySettings
from directory.states import whole_number

log = logging.getLogger(__name__)

GROUPS_MAX = 10_000
"""More groups than that around one person are a mistake in the directory; the search for more ends there."""

_CHUNK = 50
_PLACEHOLDER = re.compile(r"\{(username|dn)\}")


def group_attributes(settings: DirectorySettings) -> tuple[str, ...]:
    """Return what an entry of a person must be read with, so that its primary group can be found."""
    return ("primaryGroupID", "objectSid") if settings.is_active_directory else ()


def effective_groups(
    connection: LdapConnection, settings: DirectorySettings, entry: Entry, username: str
) -> tuple[str, ...]:
    """Return the names of a person's groups, sorted. `entry` was read with `group_attributes`.

    Groups that lie outside group_base_dn do not count. Around a group that is a member of itself, over however many
    others, the search ends. Raises DirectoryUnavailableError, and DirectoryConfigError when group_base_dn is not there.
    """
    direct = _search(connection, settings, filled(settings.group_filter, username=username, dn=entry.dn))
    primary = primary_group_filter(entry) if settings.is_active_directory else ""
    if primary:
        found = _search(connection, settings, primary)
        if IN_CHAIN in settings.group_filter:
            direct += [group for one in found for group in _around(connection, settings, [one.dn])]
        direct += found
    groups = {group.dn.casefold(): group for group in direct}
    if settings.nested_groups and IN_CHAIN not in settings.group_filter and "{dn}" in settings.group_filter:
        _add_all_around(connection, settings, groups)
    names = (own_name(group.dn, group.texts(settings.group_name_attribute)) for group in groups.values())
    return tuple(sorted({name for name in names if name}))


def primary_group_filter(entry: Entry) -> str:
    """Return the filter for the primary group, whose members Active Directory does not list; "" where it is not told.

    A group's SID is that of the person with the last part, 32 bits in little-endian order, replaced (MS-DTYP section
    2.4.2.2; MS-ADA3 section 2.120, primaryGroupID).
    """
    sids, rid = entry.values.get("objectsid", []), whole_number(entry, "primaryGroupID")
    if len(sids) != 1 or len(sids[0]) < 12 or rid is None or not 0 < rid < 2**32:
        return ""
    sid = sids[0][:-4] + rid.to_bytes(4, "little")
    return "(objectSid=" + "".join(f"\\{byte:02x}" for byte in sid) + ")"


def filled(template: str, *, username: str, dn: str) -> str:
    """Fill a search filter in one pass, each value escaped (RFC 4515 section 3)."""
    values = {"username": escape_filter_chars(username), "dn": escape_filter_chars(dn)}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _add_all_around(connection: LdapConnection, settings: DirectorySettings, groups: dict[str, Entry]) -> None:
    """Add the groups around `groups`, level by level, each looked at once."""
    level = [group.dn for group in groups.values()]
    while level:
        if len(groups) > GROUPS_MAX:
            log.warning("a person has more than %d groups around them: the others do not count", GROUPS_MAX)
            return
        around = {group.dn.casefold(): group for group in _around(connection, settings, level)}
        fresh = {key: group for key, group in around.items() if key not in groups}
        groups |= fresh
        level = [group.dn for group in fresh.values()]


def _around(connection: LdapConnection, settings: DirectorySettings, dns: Sequence[str]) -> list[Entry]:
    """The groups that have one of these as a member, asked for in chunks."""
    nobody = secrets.token_hex(16)  # a group has no user name: one that nobody can have finds nothing
    found: list[Entry] = []
    for chunk in _chunks(dns):
        either = "".join(filled(settings.group_filter, username=nobody, dn=dn) for dn in chunk)
        found += _search(connection, settings, f"(|{either})")
    return found


def _chunks(dns: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(dns)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _search(connection: LdapConnection, settings: DirectorySettings, search_filter: str) -> list[Entry]:
    return connection.search(settings.groups_below, search_filter, [settings.group_name_attribute])
