"""Who changed in OpenLDAP: people, members of groups, groups around them; and when everybody must be read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ldap3
import pytest

from demo.people import GROUPS as DEMO_GROUPS
from directory import roster_changes
from directory.roster import Changes, LdapRoster, PlaceLostError
from tests.servers.population import (
    account,
    changing,
    effective_groups_of,
    group_dn,
    groups_of,
    lasting_id,
    person_dn,
    populated,
)
from tests.servers.slapd import Slapd, ldif_entry

PEOPLE, GROUPS = 300, 40
NOBODY = ("uid=nobody,dc=nowhere", person_dn(PEOPLE + 1))
LOCKED_FOR_EVER = "000001010000Z"

List = Callable[..., LdapRoster]

ATHLETES = ldif_entry(
    group_dn("athletes"),
    {
        "objectClass": "posixGroup",
        "cn": "athletes",
        "gidNumber": "5000",
        "memberUid": account(3),
        "createTimestamp": "20260101000000Z",
        "modifyTimestamp": "20260101000000Z",
    },
)


@pytest.fixture
def school() -> Iterator[Slapd]:
    """A few hundred people, anew for each test."""
    with populated(PEOPLE, GROUPS, more_ldif=ATHLETES) as server:
        yield server


def changed(changes: Changes) -> dict[str, tuple[str, ...]]:
    """Who changed and their groups, without the demo's people: they were made a moment ago."""
    return {one.username: one.groups for one in changes.people if one.username.startswith("p")}


def regrouped(changes: Changes) -> list[str]:
    """Which groups changed, without the demo's."""
    return [name for name in changes.regrouped if name not in DEMO_GROUPS]


def begin(roster: LdapRoster) -> str:
    """The place from which on changes begin."""
    place = roster.place()
    assert place is not None
    assert changed(roster.changes(place)) == {}
    return place


def replace(name: str, *values: str) -> dict[str, list[Any]]:
    return {name: [(ldap3.MODIFY_REPLACE, list(values))]}


def test_people_who_are_new_renamed_disabled_or_written_to(school: Slapd, list_people: List) -> None:
    roster = list_people(school)
    place = begin(roster)
    with changing(school.port) as admin:
        admin.modify(person_dn(1), replace("mail", "new@northfield.example"))
        admin.modify_dn(person_dn(2), "uid=p-renamed")
        admin.modify(person_dn(4), replace("pwdAccountLockedTime", LOCKED_FOR_EVER))
        admin.add(person_dn(PEOPLE), "inetOrgPerson", {"uid": account(PEOPLE), "cn": "New", "sn": "New"})
        admin.delete(person_dn(5))
    changes = roster.changes(place)
    people = {one.directory_id: one for one in changes.people}
    assert people[lasting_id(1)].email == "new@northfield.example"
    assert people[lasting_id(2)].username == "p-renamed"
    assert people[lasting_id(4)].disabled
    assert not people[lasting_id(1)].disabled
    assert set(changed(changes)) == {account(1), "p-renamed", account(4), account(PEOPLE)}
    assert regrouped(changes) == []
    # Who left is no change; asking tells it. The next changes begin later, but not so late that one could be missed.
    assert set(roster.found([lasting_id(4), lasting_id(5)])) == {lasting_id(4)}
    assert json.loads(changes.place)["since"] >= json.loads(place)["since"]
    assert set(changed(roster.changes(changes.place))) == set(changed(changes))


def test_members_of_groups_that_changed(school: Slapd, list_people: List) -> None:
    roster = list_people(school)
    place = begin(roster)
    with changing(school.port) as admin:
        admin.modify(group_dn("g003"), {"member": [(ldap3.MODIFY_ADD, [person_dn(111), *NOBODY])]})
        admin.modify(group_dn("g003"), {"member": [(ldap3.MODIFY_DELETE, [person_dn(3)])]})
        admin.modify(group_dn("athletes"), {"memberUid": [(ldap3.MODIFY_ADD, [account(7)])]})
    changes = roster.changes(place)
    members = {number for number in range(PEOPLE) if "g003" in groups_of(number, GROUPS)} - {3} | {111}
    groups = changed(changes)
    assert set(groups) == {account(number) for number in members | {7}} | {account(3)}  # 3 is an athlete
    assert groups[account(111)] == tuple(sorted([*effective_groups_of(111, GROUPS), "g003"]))
    assert "athletes" in groups[account(7)]
    assert groups[account(3)] == tuple(sorted({"athletes", *effective_groups_of(3, GROUPS)} - {"g003"}))
    assert regrouped(changes) == ["athletes", "g003"]
    assert groups == {name: one for name, one in changed_in_full(roster).items() if name in groups}


def changed_in_full(roster: LdapRoster) -> dict[str, tuple[str, ...]]:
    return {one.username: one.groups for page in roster.everyone() for one in page}


def test_a_group_that_is_put_into_another_and_a_new_one(school: Slapd, list_people: List) -> None:
    roster = list_people(school)
    place = begin(roster)
    with changing(school.port) as admin:
        admin.modify(group_dn("employees"), {"member": [(ldap3.MODIFY_ADD, [group_dn("g001")])]})
        admin.add(group_dn("new"), "groupOfNames", {"cn": "new", "member": [person_dn(222)]})
    changes = roster.changes(place)
    inside = {number for number in range(PEOPLE) if {"g000", "g001"} & set(groups_of(number, GROUPS))}
    assert set(changed(changes)) == {account(number) for number in inside | {222}}
    assert regrouped(changes) == ["employees", "new"]
    assert changed(changes) == {
        name: groups for name, groups in changed_in_full(roster).items() if name in changed(changes)
    }
    assert {"all", "circle", "employees"} <= set(changed(changes)[account(41)])


def test_a_group_that_left_or_was_renamed_wants_everybody_read(school: Slapd, list_people: List) -> None:
    roster = list_people(school)
    place = begin(roster)
    with changing(school.port) as admin:
        admin.modify_dn(group_dn("g003"), "cn=renamed")
    with pytest.raises(PlaceLostError, match="group"):
        roster.changes(place)
    place = begin_again(roster)
    with changing(school.port) as admin:
        admin.delete(group_dn("g004"))
    with pytest.raises(PlaceLostError, match="group"):
        roster.changes(place)


def begin_again(roster: LdapRoster) -> str:
    """A place after changes that are so young that they are told once more."""
    place = roster.place()
    assert place is not None
    assert roster.changes(place)
    return place


def test_very_many_changes_want_everybody_read(
    school: Slapd, list_people: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    roster = list_people(school)
    place = begin(roster)
    with changing(school.port) as admin:
        for number in range(6):
            admin.modify(person_dn(number), replace("mail", "x@northfield.example"))
        admin.modify(group_dn("g003"), {"member": [(ldap3.MODIFY_ADD, [person_dn(111)])]})
    assert len(changed(roster.changes(place))) > 6
    for name, limit, word in (
        ("CHANGED_PEOPLE_MAX", 5, "people"),
        ("MEMBERS_MAX", 2, "members"),
        ("CHANGED_GROUPS_MAX", 0, "groups"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(roster_changes, name, limit)
            with pytest.raises(PlaceLostError, match=word):
                roster.changes(place)


def test_a_place_that_cannot_serve_any_more(school: Slapd, list_people: List) -> None:
    roster = list_people(school)
    place = json.loads(begin(roster))
    for changes in ({"form": 0}, {"server": "other"}, {"since": ""}, {"since": "2026"}, {"groups": "x"}, {"more": 1}):
        with pytest.raises(PlaceLostError):
            roster.changes(json.dumps(place | changes))
    for text in ("", "null", "{}", "[]"):
        with pytest.raises(PlaceLostError):
            roster.changes(text)
    with pytest.raises(PlaceLostError, match="settings"):
        list_people(school, nested_groups=False).changes(json.dumps(place))
    later = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(PlaceLostError, match="fewer"):
        roster.changes(json.dumps(place | {"since": later.strftime("%Y%m%d%H%M%SZ")}))


def test_a_server_that_does_not_date_its_entries(list_people: List) -> None:
    hidden = "access to attrs=modifyTimestamp by * none"
    with populated(3, 2, database_settings=hidden) as server:
        roster = list_people(server)
        assert roster.place() is None
        assert sum(len(page) for page in roster.everyone()) == 7
