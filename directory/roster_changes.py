"""Who changed since a place: people whose entries changed, and the members of groups that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ldap3.utils.conv import escape_filter_chars

from directory.answers import RawEntry
from directory.connection import LdapConnection
from directory.dn_keys import dn_key, dn_keys, is_below
from directory.groups import filled
from directory.roster_groups import GroupSearch, all_values, counted_keys, group_name, group_search, relative_id, whole
from directory.roster_places import Clock, Place, PlaceLostError, asked_of, clock_of, fingerprint_of_groups, now_of
from directory.settings import DirectorySettings

CHANGED_PEOPLE_MAX = 10_000
CHANGED_GROUPS_MAX = 200
MEMBERS_MAX = 5_000
"""Beyond these, reading everybody is not much more work."""

MISSING_MAX = 200
"""So many members that no entry has as its name are looked for one by one: some are of people who left."""

_CHUNK = 100
_ANY = "(objectClass=*)"


@dataclass(frozen=True)
class _Group:
    """A group without its members; `changed` and `created` are the server's dates."""

    dn: bytes
    name: str
    counts: bool
    changed: bytes
    created: bytes
    rid: int | None


_Groups = dict[bytes, _Group]


def place_now(connection: LdapConnection, settings: DirectorySettings) -> Place | None:
    """Return the place from where on changes are not read yet; None when this server does not offer changes.

    Raises DirectoryUnavailableError or DirectoryConfigError.
    """
    now = now_of(connection, settings)
    if now is None:
        return None
    clock = clock_of(settings)
    groups = _overview(connection, settings, clock)
    if not all(group.changed for group in groups.values()):
        return None
    return Place(*now, groups=_fingerprint(groups, clock, now[1]), asked=asked_of(settings))


def changed_since(
    connection: LdapConnection, settings: DirectorySettings, place: Place, attributes: list[str]
) -> tuple[list[RawEntry], tuple[str, ...], Place]:
    """Return the entries of people who changed or whose groups did, names of changed groups, and the next place.

    Raises PlaceLostError when it cannot be told, or when there are very many; else as `place_now`.
    """
    now = now_of(connection, settings)
    if now is None or place.asked != asked_of(settings):
        raise PlaceLostError("other settings, or a server that does not tell changes")
    if now[0] != place.server:
        raise PlaceLostError("another server, or one that was restored")
    clock = clock_of(settings)
    if clock.is_newer(place.since.encode("ascii"), now[1]):
        raise PlaceLostError("the server has fewer changes than before")
    groups = _overview(connection, settings, clock)
    if _fingerprint(groups, clock, place.since) != place.groups:
        raise PlaceLostError("a group was removed, moved or renamed")
    people = {entry[0]: entry for entry in _changed_people(connection, settings, clock.filter(place.since), attributes)}
    changed = [key for key, group in groups.items() if clock.is_newer(group.changed, clock.from_then(place.since))]
    if len(changed) > CHANGED_GROUPS_MAX:
        raise PlaceLostError("very many groups changed")
    names: tuple[str, ...] = ()
    if changed:
        regrouped = _Regrouped(connection, settings, groups)
        people |= {entry[0]: entry for entry in regrouped.people(changed, attributes)}
        names = regrouped.names(changed)
    following = replace(place, since=now[1], groups=_fingerprint(groups, clock, now[1]))
    return list(people.values()), names, following


def _changed_people(
    connection: LdapConnection, settings: DirectorySettings, newer: str, attributes: list[str]
) -> list[RawEntry]:
    found: list[RawEntry] = []
    for page in connection.pages(settings.base_dn, f"(&{newer}{settings.everybody_filter})", attributes):
        found += page
        if len(found) > CHANGED_PEOPLE_MAX:
            raise PlaceLostError("very many people changed")
    return found


def _overview(connection: LdapConnection, settings: DirectorySettings, clock: Clock) -> _Groups:
    """All groups, without their members."""
    search = group_search(settings)
    counted = counted_keys(connection, settings, search)
    base_key = dn_key(settings.groups_below.encode("utf-8"))
    name_attribute, changed, created = settings.group_name_attribute, clock.changed, clock.created
    attributes = [name_attribute, changed, created, *(["objectSid"] if settings.is_active_directory else [])]
    groups: _Groups = {}
    for page in connection.pages(search.base, search.filter, attributes):
        for dn, values in page:
            key = dn_key(dn)
            groups[key] = _Group(
                dn,
                group_name(dn, values.get(name_attribute.lower(), [])),
                is_below(key, base_key) and (counted is None or key in counted),
                _single(values, changed),
                _single(values, created),
                relative_id(values.get("objectsid", [])),
            )
    return groups


def _single(values: dict[str, list[bytes]], attribute: str) -> bytes:
    found = values.get(attribute.lower(), [])
    return found[0] if len(found) == 1 else b""


def _fingerprint(groups: _Groups, clock: Clock, since: str) -> str:
    """Of the groups that were surely there at that time."""
    then = clock.from_then(since)
    return fingerprint_of_groups(
        (key, group.name) for key, group in groups.items() if not clock.is_newer(group.created, then)
    )


class _Regrouped:
    """Finds the people whose groups may have changed because groups did."""

    def __init__(self, connection: LdapConnection, settings: DirectorySettings, groups: _Groups) -> None:
        self._connection = connection
        self._settings = settings
        self._groups = groups
        self._search: GroupSearch = group_search(settings)
        self._nested = settings.nested_groups or self._search.in_chain

    def names(self, changed: Sequence[bytes]) -> tuple[str, ...]:
        """The names that people have had who are in them no more: of these groups, or of those around them."""
        found = {self._groups[key].name for key in changed if self._groups[key].counts}
        if self._search.in_chain:
            name_attribute, template = self._settings.group_name_attribute, self._settings.group_filter
            for key in changed:
                if not self._groups[key].counts:
                    around = filled(template, username="", dn=self._groups[key].dn.decode("utf-8"))
                    pages = self._connection.pages(self._settings.groups_below, around, [name_attribute])
                    found |= {
                        group_name(dn, values.get(name_attribute.lower(), [])) for page in pages for dn, values in page
                    }
        return tuple(sorted(found - {""}))

    def people(self, changed: Sequence[bytes], attributes: list[str]) -> Iterator[RawEntry]:
        """Yield the entries of all who are in these groups now, however deep."""
        dns, accounts, primary = self._members(changed)
        base_key = dn_key(self._settings.base_dn.encode("utf-8"))
        own_dn = "distinguishedName" if self._settings.is_active_directory else "entryDN"  # RFC 5020
        missing = {key: dn.decode("utf-8") for key, dn in dns.items() if is_below(key, base_key)}
        for entry in self._either(own_dn, list(missing.values()), attributes):
            missing.pop(dn_key(entry[0]), None)
            yield entry
        if len(missing) > MISSING_MAX:
            raise PlaceLostError("very many members of groups cannot be found by their names")
        for dn in missing.values():
            for page in self._connection.pages(
                dn, self._settings.everybody_filter, attributes, only_base=True, missing_is_empty=True
            ):
                yield from page
        yield from self._either(self._settings.username_attribute, sorted(accounts), attributes)
        yield from self._either("primaryGroupID", [str(rid) for rid in sorted(primary)], attributes)

    def _either(self, attribute: str, values: Sequence[str], attributes: list[str]) -> Iterator[RawEntry]:
        """Yield the entries of people in whom the attribute has one of these values."""
        count = 0
        for start in range(0, len(values), _CHUNK):
            either = "".join(f"({attribute}={escape_filter_chars(value)})" for value in values[start : start + _CHUNK])
            search_filter = f"(&(|{either}){self._settings.everybody_filter})"
            for page in self._connection.pages(self._settings.base_dn, search_filter, attributes):
                count += len(page)
                if count > MEMBERS_MAX:
                    raise PlaceLostError("groups with very many members changed")
                yield from page

    def _members(self, changed: Sequence[bytes]) -> tuple[dict[bytes, bytes], set[str], set[int]]:
        """All members that are not groups: their DNs by key, account names, and primary groups, who list no members."""
        waiting, seen = list(changed), set(changed)
        dns: dict[bytes, bytes] = {}
        accounts: set[str] = set()
        primary: set[int] = set()
        while waiting:
            group = self._groups[waiting.pop()]
            primary |= {group.rid} if group.rid is not None else set()
            values = self._read(group)
            members = all_values(values, self._search.dn_attributes)
            for key, dn in zip(dn_keys(members) if members else (), members, strict=True):
                if key not in self._groups:
                    dns[key] = dn
                elif self._nested and key not in seen:
                    seen.add(key)
                    waiting.append(key)
            accounts |= {raw.decode("utf-8", "replace") for raw in all_values(values, self._search.account_attributes)}
            if len(dns) + len(accounts) > MEMBERS_MAX:
                raise PlaceLostError("groups with very many members changed")
        return dns, accounts, primary

    def _read(self, group: _Group) -> dict[str, list[bytes]]:
        attributes = [*self._search.dn_attributes, *self._search.account_attributes]
        dn = group.dn.decode("utf-8")
        pages = list(self._connection.pages(dn, _ANY, attributes, only_base=True, missing_is_empty=True))
        entries = [entry for page in pages for entry in page]
        return whole(self._connection, *entries[0]) if entries else {}
