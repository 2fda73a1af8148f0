"""Everybody and who changed, from a real Active Directory (Samba)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ldap3
import pytest

from directory.ldap import LdapDirectory
from directory.roster import Changes, LdapRoster, Listed, PlaceLostError
from directory.roster_groups import read_groups, whole
from directory.settings import DirectorySettings
from tests.servers.samba import Samba

CROWD = 2000
PRIVATE = ("krbtgt", "guest", "administrator", "dns-dc1")

List = Callable[..., LdapRoster]
Ask = Callable[..., LdapDirectory]


def settings_of(server: Samba, **changes: Any) -> DirectorySettings:
    values: dict[str, Any] = {
        "kind": "active-directory",
        "servers": [server.ldaps_url],
        "ca_file": str(server.ca_file),
        "bind_dn": server.bind_dn,
        "base_dn": server.base_dn,
        **changes,
    }
    return DirectorySettings(**values)


def roster_of(server: Samba, **changes: Any) -> LdapRoster:
    return LdapRoster(settings_of(server, **changes), server.bind_password)


def everybody(roster: LdapRoster) -> dict[str, Listed]:
    return {one.username: one for page in roster.everyone() for one in page}


def same_as_found(listed: Listed, directory: LdapDirectory) -> bool:
    found = directory.find(listed.username)
    return found is not None and listed == Listed(
        found.directory_id, found.username, found.display_name, found.email, found.disabled, found.groups
    )


@pytest.fixture(scope="module")
def people(samba: Samba) -> dict[str, Listed]:
    """Everybody, read once."""
    return everybody(roster_of(samba))


def test_everybody_with_nested_and_primary_groups(people: dict[str, Listed], samba: Samba, ask_samba: Ask) -> None:
    assert {name for name in people if not name.startswith("crowd")} >= {"alice", "carol", "comma", "josé", *PRIVATE}
    assert people["alice"].groups == ("Choir", "Domain Users", "School", "Students", "Users")
    assert people["carol"].groups == ("Domain Users", "Employees", "Staff", "Users")
    assert {name for name, one in people.items() if one.disabled and not name.startswith("crowd")} == {
        "disabled",
        "expired",
        "krbtgt",
        "guest",
    }
    directory = ask_samba(samba)
    assert all(same_as_found(people[name], directory) for name in ("carol",))


def test_a_group_of_two_thousand(people: dict[str, Listed]) -> None:
    inside = [name for name, one in people.items() if "Everybody" in one.groups]
    assert sorted(inside) == [f"crowd{number:04}" for number in range(CROWD)]


@pytest.mark.parametrize(
    "changes",
    [
        {"nested_groups": False},
        {"group_filter": "(member={dn})"},
        {"group_filter": "(&(cn=*o*)(member={dn}))"},
        pytest.param({"group_filter": "(&(cn=*o*)(member:1.2.840.113556.1.4.1941:={dn}))"}, marks=pytest.mark.long),
        pytest.param({"group_base_dn": "OU=Groups,DC=ad,DC=example,DC=org"}, marks=pytest.mark.long),
        pytest.param(
            {"base_dn": "OU=People,DC=ad,DC=example,DC=org", "group_base_dn": "DC=ad,DC=example,DC=org"},
            marks=pytest.mark.long,
        ),
    ],
)
def test_groups_by_other_settings(samba: Samba, ask_samba: Ask, changes: dict[str, Any]) -> None:
    narrow = {"people_filter": "(&(objectClass=user)(!(cn=Crowd*)))"} | changes
    people = everybody(roster_of(samba, **narrow))
    assert all(same_as_found(people[name], ask_samba(samba, **narrow)) for name in ("alice", "carol"))


def test_members_that_come_in_parts(samba: Samba) -> None:
    """Samba gives parts only to who asks for parts, as here for the first; Windows does so unasked."""
    settings = settings_of(samba)
    roster = LdapRoster(settings, samba.bind_password)
    with roster._connected() as connection:
        for first in ("member;range=0-1499", "member;range=0-499", "member;range=0-*"):
            ((entry,),) = connection.pages(samba.base_dn, "(cn=Everybody)", ["cn", first])
            complete = whole(connection, *entry)
            assert set(complete) == {"cn", "member"}
            assert len(set(complete["member"])) == CROWD
        assert len(read_groups(connection, settings)) > 40


def test_changes_by_number(samba: Samba) -> None:
    roster = roster_of(samba, people_filter="(&(sAMAccountType=805306368)(!(cn=Crowd*)))")
    before = everybody(roster)["renamed"]
    place = roster.place()
    assert place is not None
    nothing = roster.changes(place)
    assert (nothing.people, nothing.regrouped) == ([], ())
    renamed, member = f"CN=After Renaming,{samba.people_dn}", f"CN=Max One,{samba.people_dn}"
    with samba.administrator() as admin:
        admin.modify_dn(f"CN=Before Renaming,{samba.people_dn}", "CN=After Renaming")
        admin.modify(renamed, {"sAMAccountName": [(ldap3.MODIFY_REPLACE, ["Anew"])]} | control("514"))
        admin.modify(f"CN=Employees,{samba.groups_dn}", {"member": [(ldap3.MODIFY_ADD, [member])]})
        try:
            changes = roster.changes(nothing.place)
        finally:
            admin.modify(f"CN=Employees,{samba.groups_dn}", {"member": [(ldap3.MODIFY_DELETE, [member])]})
            admin.modify(renamed, {"sAMAccountName": [(ldap3.MODIFY_REPLACE, ["renamed"])]} | control("512"))
            admin.modify_dn(renamed, "CN=Before Renaming")
    told = told_by(changes)
    # Staff is in Employees, and carol has it as her primary group: nobody lists its members.
    assert set(told) == {"anew", "max", "carol"}
    assert (told["anew"].directory_id, told["anew"].disabled) == (before.directory_id, True)
    assert told["max"].groups == ("Domain Users", "Employees", "Users")
    assert changes.regrouped == ("Employees",)
    after = roster.changes(changes.place)
    assert set(told_by(after)) == {"renamed", "carol"}
    assert after.regrouped == ("Employees",)
    found = roster.found([told["max"].directory_id, told["carol"].directory_id])
    assert found[told["max"].directory_id].groups == ("Domain Users", "Users")
    assert found[told["carol"].directory_id] == told["carol"]
    assert told_by(roster.changes(after.place)) == {}


def told_by(changes: Changes) -> dict[str, Listed]:
    """Who changed; the administrator does by signing in."""
    return {one.username: one for one in changes.people if one.username != "administrator"}


def control(value: str) -> dict[str, Any]:
    return {"userAccountControl": [(ldap3.MODIFY_REPLACE, [value])]}


def test_a_place_of_another_server_or_of_one_that_was_restored(samba: Samba) -> None:
    roster = roster_of(samba)
    place = json.loads(roster.place() or "")
    for changes in ({"server": "00" * 16}, {"since": str(int(place["since"]) + 1)}):
        with pytest.raises(PlaceLostError):
            roster.changes(json.dumps(place | changes))
