"""Every group of the directory with who is in it: the groups of all people without a question for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from directory.answers import RawEntry
from directory.connection import LdapConnection
from directory.dn_keys import dn_key, dn_keys, is_below
from directory.interface import DirectoryConfigError, DirectoryUnavailableError
from directory.names import domain_of, own_name
from directory.settings import IN_CHAIN, DirectorySettings

_COMPARISON = re.compile(r"\(([A-Za-z][A-Za-z0-9-]*)(:[0-9.]+:)?=\{(dn|username)\}\)")
_RANGE = re.compile(r"(.+);range=(\d+)-(\d+|\*)")  # MS-ADTS section 3.1.1.3.1.3.3
_RANGES_MAX = 100_000
_DOMAIN_SID_BYTES = 28  # S-1-5-21, three numbers of the domain, and the relative id: MS-DTYP section 2.4.2.2
_REMEMBERED_MAX = 50_000


@dataclass(frozen=True)
class GroupSearch:
    """How all groups are found: group_filter, asked about nobody in particular."""

    base: str
    filter: str
    counted_filter: str
    in_chain: bool
    dn_attributes: tuple[str, ...]
    account_attributes: tuple[str, ...]


def group_search(settings: DirectorySettings) -> GroupSearch:
    """Read group_filter as a question about all groups.

    With the matching rule that follows a link through all groups between, groups of the whole domain lie between, and
    those that group_filter could find count. Raises DirectoryConfigError for a filter that can only be asked about one
    person.
    """
    template = settings.group_filter
    compared = _COMPARISON.findall(template)
    anybody = _COMPARISON.sub(r"(\1=*)", template)
    if "{" in anybody:
        raise DirectoryConfigError(
            "group_filter must compare attributes with {dn} or {username} alone, as in (member={dn})"
        )
    in_chain = any(rule == IN_CHAIN for _, rule, _ in compared)
    counted = "" if _COMPARISON.fullmatch(template) else _COMPARISON.sub("(objectClass=*)", template)
    wide = in_chain or settings.is_active_directory
    return GroupSearch(
        base=(domain_of(settings.groups_below) if in_chain else "") or settings.groups_below,
        filter="(objectClass=group)" if wide else anybody,
        counted_filter=counted if wide else "",
        in_chain=in_chain,
        dn_attributes=tuple(dict.fromkeys(name.lower() for name, _, what in compared if what == "dn")),
        account_attributes=tuple(dict.fromkeys(name.lower() for name, _, what in compared if what == "username")),
    )


class Groups:
    """All groups. Fill it with add(), then ask `of` about as many people as there are."""

    def __init__(self, *, nested: bool, through_all: bool) -> None:
        """`nested`: who is in a group is also in the groups that it is in; `through_all`: over any group between."""
        self._nested = nested
        self._through_all = through_all
        self._names: list[str] = []
        self._keys: list[bytes] = []
        self._counts: list[bool] = []
        self._by_dn: defaultdict[bytes, list[int]] = defaultdict(list)
        self._by_account: defaultdict[str, list[int]] = defaultdict(list)
        self._by_rid: dict[int, int] = {}
        self._above: dict[int, frozenset[str]] = {}
        self._remembered: dict[tuple[int, ...], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._names)

    def add(
        self,
        key: bytes,
        name: str,
        *,
        members: Sequence[bytes],
        accounts: Sequence[str] = (),
        rid: int | None = None,
        counts: bool = True,
    ) -> None:
        """Add a group: `members` are DNs, `accounts` account names, `rid` is by what it may be a primary group.

        One that does not count, or has no name, is only what lies between.
        """
        number = len(self._names)
        self._names.append(name)
        self._keys.append(key)
        self._counts.append(counts)
        for member in dn_keys(members) if members else ():
            self._by_dn[member].append(number)
        for account in accounts:
            self._by_account[account].append(number)
        if rid is not None:
            self._by_rid[rid] = number

    def of(self, person: RawEntry, account: str) -> tuple[str, ...]:
        """Return the names of a person's groups, sorted. `account` is the account name as the directory writes it."""
        dn, values = person
        direct = tuple(self._by_dn.get(dn_key(dn), ()))
        if account in self._by_account:
            direct += tuple(self._by_account[account])
        primary = values.get("primarygroupid")
        if primary and int(primary[0]) in self._by_rid:
            direct += (-1, self._by_rid[int(primary[0])])  # -1 tells it from the same group among the others
        names = self._remembered.get(direct)
        if names is None:
            names = self._names_of(direct)
            if len(self._remembered) < _REMEMBERED_MAX:
                self._remembered[direct] = names
        return names

    def _names_of(self, direct: tuple[int, ...]) -> tuple[str, ...]:
        """The names of groups and of those above them; a primary group always counts."""
        names: set[str] = set()
        if -1 in direct:
            names = names | {self._names[direct[-1]]} | self._with_those_above(direct[-1])
            direct = direct[:-2]
        for number in direct:
            if self._may_pass(number):
                names |= self._with_those_above(number)
        names.discard("")
        return tuple(sorted(names))

    def _may_pass(self, number: int) -> bool:
        return self._through_all or self._counts[number]

    def _with_those_above(self, first: int) -> frozenset[str]:
        """The names of the group and of all that it is in, breadth first; a circle ends where it has been before."""
        found = self._above.get(first)
        if found is None:
            seen, layer = {first}, [first] if self._nested else []
            while layer:
                above = {number for one in layer for number in self._by_dn.get(self._keys[one], ())}
                layer = [number for number in above - seen if self._may_pass(number)]
                seen.update(layer)
            found = self._above[first] = frozenset(self._names[number] for number in seen if self._counts[number])
        return found


def read_groups(
    connection: LdapConnection, settings: DirectorySettings, alive: Callable[[], None] = lambda: None
) -> Groups:
    """Read all groups with their members; `alive` is called after each page.

    Raises DirectoryUnavailableError or DirectoryConfigError; never leaves a part out in silence.
    """
    search = group_search(settings)
    counted = counted_keys(connection, settings, search)
    base_key = dn_key(settings.groups_below.encode("utf-8"))
    groups = Groups(nested=settings.nested_groups or search.in_chain, through_all=search.in_chain)
    attributes = [settings.group_name_attribute, *search.dn_attributes, *search.account_attributes]
    attributes += ["objectSid"] if settings.is_active_directory else []
    name_attribute = settings.group_name_attribute.lower()
    cut_short: list[RawEntry] = []

    def add(dn: bytes, values: dict[str, list[bytes]]) -> None:
        key = dn_key(dn)
        groups.add(
            key,
            group_name(dn, values.get(name_attribute, [])) if is_below(key, base_key) else "",
            members=all_values(values, search.dn_attributes),
            accounts=[raw.decode("utf-8", "replace") for raw in all_values(values, search.account_attributes)],
            rid=relative_id(values.get("objectsid", [])),
            counts=counted is None or key in counted,
        )

    for page in connection.pages(search.base, search.filter, attributes):
        alive()
        for dn, values in page:
            if any(";" in name for name in values):
                cut_short.append((dn, values))
            else:
                add(dn, values)
    for dn, values in cut_short:
        add(dn, whole(connection, dn, values))
    return groups


def counted_keys(connection: LdapConnection, settings: DirectorySettings, search: GroupSearch) -> set[bytes] | None:
    """Return the keys of the groups that count; None for all."""
    if not search.counted_filter:
        return None
    pages = connection.pages(settings.groups_below, search.counted_filter, [settings.group_name_attribute])
    return {dn_key(dn) for page in pages for dn, _ in page}


def whole(connection: LdapConnection, dn: bytes, values: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Put together an attribute that the server gives in parts, "member;range=0-1499" and so on."""
    complete = {name: found for name, found in values.items() if ";" not in name}
    for name, found in values.items():
        match = _RANGE.fullmatch(name)
        if match is None:
            continue
        attribute, last, all_of_it = match[1], match[3], list(found)
        for _ in range(_RANGES_MAX):
            if last == "*":
                break
            wanted = f"{attribute};range={int(last) + 1}-*"
            pages = connection.pages(dn.decode("utf-8"), "(objectClass=*)", [wanted], only_base=True)
            parts = [
                (part, more)
                for page in pages
                for _, more_values in page
                for part, more in more_values.items()
                if part.startswith(f"{attribute};range=")
            ]
            match = _RANGE.fullmatch(parts[0][0]) if len(parts) == 1 else None
            if match is None or int(match[2]) != int(last) + 1 or not parts[0][1]:
                raise DirectoryUnavailableError(f"the server does not give all of {attribute} of one group")
            all_of_it += parts[0][1]
            last = match[3]
        complete[attribute] = all_of_it
    return complete


def all_values(values: dict[str, list[bytes]], attributes: tuple[str, ...]) -> list[bytes]:
    """Return the values of several attributes, each once."""
    found = [values[name] for name in attributes if name in values]
    if len(found) == 1:
        return found[0]
    return list(dict.fromkeys(value for some in found for value in some))


def group_name(dn: bytes, raw: list[bytes]) -> str:
    """Return the name of a group as directory.groups gives it, "" for none."""
    texts = sorted({value.decode("utf-8", "replace").strip() for value in raw} - {""})
    return own_name(dn.decode("utf-8", "replace"), texts)


def relative_id(raw: list[bytes]) -> int | None:
    """Return the last number of a domain's SID; None for none, and for a SID of no domain (a built-in group)."""
    if len(raw) != 1 or len(raw[0]) != _DOMAIN_SID_BYTES:
        return None
    return int.from_bytes(raw[0][-4:], "little")
