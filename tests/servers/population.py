"""Very many people in OpenLDAP: written as LDIF in seconds, the same at every time, with groups in groups."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import ldap3

from demo.people import BASE_DN, GROUPS_DN, PEOPLE_DN
from tests.servers.process import LOOPBACK
from tests.servers.slapd import Slapd

GIVEN = ("Anna", "Bertil", "Cécile", "Dmitri", "Eva", "Farid", "Göran", "Hanna", "Ivan", "José")
SURNAMES = ("Andersson", "Bauer", "Ångström", "Dubois", "Ek", "Fischer", "García", "Holm", "Ivanov", "Jensen")
LONG_AGO = "20260101000000Z"
"""When everybody was made: else whoever reads what changed lately would find all of them."""

# The service account must page: more than 500 entries at once, or on a page, are refused.
LIMITS = "sizelimit size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited"
INDEXES = "index entryUUID,modifyTimestamp eq"
ROOT_DN, ROOT_PASSWORD = f"cn=root,{BASE_DN}", "root-secret"


def account(number: int) -> str:
    """The user name of a person."""
    return f"p{number:06}"


def person_dn(number: int) -> str:
    """The place of a person in the directory."""
    return f"uid={account(number)},{PEOPLE_DN}"


def lasting_id(number: int) -> str:
    """The entryUUID of a person."""
    return f"{number:08x}-0000-4000-8000-0123456789ab"


def group_dn(name: str) -> str:
    """The place of a group in the directory."""
    return f"cn={name},{GROUPS_DN}"


def groups_of(number: int, groups: int) -> list[str]:
    """The names of the three (sometimes two) groups that a person is in directly."""
    return [f"g{each:03}" for each in sorted({number % groups, (number * 7 + 1) % groups, (number // 500) % groups})]


def effective_groups_of(number: int, groups: int) -> tuple[str, ...]:
    """The names of all groups of a person: g000 is in employees, those in all, all in circle, circle in employees."""
    direct = groups_of(number, groups)
    return tuple(sorted(direct + (["employees", "all", "circle"] if "g000" in direct else [])))


def population_ldif(people: int, groups: int) -> str:
    """Return so many people, each in about three of so many groups, and the groups around those."""
    return "".join(_people(people)) + "".join(_groups(people, groups))


def _people(people: int) -> Iterator[str]:
    for number in range(people):
        given, surname = GIVEN[number % 10], SURNAMES[number // 10 % 10]
        yield (
            f"dn: {person_dn(number)}\nobjectClass: inetOrgPerson\nuid: {account(number)}\n"
            f"{_line('cn', f'{given} {surname} {number}')}{_line('sn', surname)}{_line('givenName', given)}"
            f"mail: {account(number)}@northfield.example\nemployeeNumber: {10_000_000 + number}\n"
            f"departmentNumber: D{number % 50}\nentryUUID: {lasting_id(number)}\n{_DATES}\n"
        )


def _groups(people: int, groups: int) -> Iterator[str]:
    members: dict[str, list[str]] = {}
    for number in range(people):
        for name in groups_of(number, groups):
            members.setdefault(name, []).append(person_dn(number))
    members |= {
        "employees": [group_dn("g000"), group_dn("circle")],
        "all": [group_dn("employees")],
        "circle": [group_dn("all")],
    }
    for name, dns in members.items():
        lines = "".join(f"member: {dn}\n" for dn in dns)
        yield f"dn: {group_dn(name)}\nobjectClass: groupOfNames\ncn: {name}\n{lines}{_DATES}\n"


_DATES = f"createTimestamp: {LONG_AGO}\nmodifyTimestamp: {LONG_AGO}\n"


def _line(name: str, value: str) -> str:
    if value.isascii():
        return f"{name}: {value}\n"
    return f"{name}:: {base64.b64encode(value.encode('utf-8')).decode('ascii')}\n"


def populated(
    people: int, groups: int, *, more_ldif: str = "", limits: str = LIMITS, database_settings: str = ""
) -> Slapd:
    """Return an OpenLDAP, not started, with the demo's people and so many others; it forces the service to page.

    Groups and people know each other both ways (the memberof overlay), as on many real servers.
    """
    return Slapd(
        more_ldif=population_ldif(people, groups) + more_ldif,
        more_settings=limits,
        database_settings=f"rootdn {ROOT_DN}\nrootpw {ROOT_PASSWORD}\n{INDEXES}\n{database_settings}",
        overlays="overlay memberof",
        megabytes=64 + people // 100,
    )


@contextmanager
def changing(port: int) -> Iterator[ldap3.Connection]:
    """Give a connection that may change everything in such a directory; its operations raise when they fail."""
    where = ldap3.Server(LOOPBACK, port=port, get_info=ldap3.NONE, connect_timeout=5)
    connection = ldap3.Connection(where, ROOT_DN, ROOT_PASSWORD, raise_exceptions=True, check_names=False)
    connection.open(read_server_info=False)
    connection.bind(read_server_info=False)
    try:
        yield connection
    finally:
        connection.unbind()
