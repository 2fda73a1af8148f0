"""Everybody from OpenLDAP: page by page, with the groups that a look-up gives, left out only with a word."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from directory.interface import DirectoryConfigError
from directory.ldap import LdapDirectory
from directory.memory import MemoryDirectory, MemoryPerson, MemoryRoster
from directory.roster import LdapRoster, Listed, Roster
from tests.conftest import CAST, person
from tests.servers.population import account, effective_groups_of, groups_of, lasting_id, populated
from tests.servers.process import free_port
from tests.servers.slapd import Slapd

PEOPLE, GROUPS = 1000, 40
DEMO_PEOPLE = {"alice", "bob", "carol", "admin"}

List = Callable[..., LdapRoster]
Ask = Callable[..., LdapDirectory]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Slapd]:
    """A thousand people; nobody changes them here."""
    with populated(PEOPLE, GROUPS) as server:
        yield server


def everybody(roster: Roster) -> dict[str, Listed]:
    return {one.username: one for page in roster.everyone() for one in page}


def same_as_found(listed: Listed, directory: LdapDirectory) -> bool:
    """Whether a look-up gives the same person."""
    found = directory.find(listed.username)
    return found is not None and listed == Listed(
        found.directory_id, found.username, found.display_name, found.email, found.disabled, found.groups
    )


def test_everybody_over_pages_that_the_server_keeps_small(crowd: Slapd, list_people: List) -> None:
    before, told = len(crowd.requests()), list[int]()
    reading = list_people(crowd).everyone(told.append)
    pages = list(reading)
    people = {one.username: one for page in pages for one in page}
    assert set(people) == {account(number) for number in range(PEOPLE)} | DEMO_PEOPLE
    for number in range(PEOPLE):
        one = people[account(number)]
        assert (one.directory_id, one.email) == (lasting_id(number), f"{account(number)}@northfield.example")
        assert one.groups == effective_groups_of(number, GROUPS)
    assert [len(page) for page in pages] == [500, 500, 4]
    assert told == [0, 500, 1000, 1004]
    assert reading.skipped == 0
    # A page too large, the groups, three pages of people.
    assert crowd.requests()[before:] == ["BIND", "SRCH", "SRCH", "SRCH", "SRCH", "SRCH"]


def test_each_is_the_one_whom_a_look_up_finds(crowd: Slapd, list_people: List, ask: Ask) -> None:
    people = everybody(list_people(crowd))
    some = [people[name] for name in (*DEMO_PEOPLE, *(account(number) for number in range(0, 80, 7)))]
    assert all(same_as_found(one, ask(crowd)) for one in some)


def test_awkward_names_and_every_kind_of_group(slapd: Slapd, list_people: List, ask: Ask) -> None:
    pages = list(list_people(slapd).everyone())
    people = [one for page in pages for one in page]
    twins = [one for one in people if one.username == "twin"]
    assert {one.display_name for one in twins} == {"Twin One", "Twin Two"}
    assert len({one.directory_id for one in twins}) == 2
    others = {one.username: one for one in people if one.username != "twin"}
    assert {"josé", "comma", "dorothea", "star*(x)\\y", "nopass"} | DEMO_PEOPLE == set(others)
    assert others["comma"].groups == ("Choir", "Zèbres", "athletes")
    assert others["alice"].groups == ("Students", "athletes")
    assert all(same_as_found(one, ask(slapd)) for one in others.values() if "*" not in one.username)


def test_only_direct_groups_when_nesting_is_off(crowd: Slapd, list_people: List, ask: Ask) -> None:
    people = everybody(list_people(crowd, nested_groups=False))
    assert people[account(0)].groups == tuple(groups_of(0, GROUPS))
    assert same_as_found(people[account(0)], ask(crowd, nested_groups=False))


@pytest.mark.parametrize(
    "changes",
    [
        {"group_filter": "(&(objectClass=groupOfNames)(cn=g*)(member={dn}))"},
        {"group_base_dn": "cn=circle,ou=groups,dc=northfield,dc=example"},
        {"group_filter": "(memberUid={username})"},
        {"people_filter": "(&(uid=p*)(departmentNumber=D7))"},
        {"name_attribute": "employeeNumber", "email_attribute": "homePhone"},
        {"id_attribute": "employeeNumber", "people_filter": "(uid=p*)"},
    ],
)
def test_other_settings(crowd: Slapd, list_people: List, ask: Ask, changes: dict[str, Any]) -> None:
    people = everybody(list_people(crowd, **changes))
    assert account(7) in people
    assert ("alice" in people) != ("people_filter" in changes)
    assert all(same_as_found(people[account(number)], ask(crowd, **changes)) for number in (7, 57))


def test_who_has_no_id_is_left_out_with_a_word(
    crowd: Slapd, list_people: List, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        reading = list_people(crowd, id_attribute="employeeNumber").everyone()
        assert sum(len(page) for page in reading) == PEOPLE
    assert reading.skipped == len(DEMO_PEOPLE)
    assert all(f"uid={name},ou=people" in caplog.text for name in DEMO_PEOPLE)


@pytest.mark.parametrize(
    "changes",
    [
        {"bind_dn": ""},
        {"base_dn": "ou=nowhere,dc=northfield,dc=example"},
        {"group_base_dn": "ou=nowhere,dc=northfield,dc=example"},
        {"bind_dn": "cn=nobody,dc=northfield,dc=example"},
        {"group_filter": "(description=of {username})"},
    ],
)
def test_wrong_settings_are_said_to_be_wrong(crowd: Slapd, list_people: List, changes: dict[str, Any]) -> None:
    with pytest.raises(DirectoryConfigError):
        list(list_people(crowd, **changes).everyone())


def test_the_first_server_that_answers(crowd: Slapd, list_people: List) -> None:
    roster = list_people(crowd, servers=[f"ldaps://localhost:{free_port()}", crowd.ldaps_url])
    assert len(everybody(roster)) == PEOPLE + len(DEMO_PEOPLE)
    assert set(roster.found([lasting_id(1)])) == {lasting_id(1)}


def test_who_is_still_there(crowd: Slapd, list_people: List) -> None:
    roster = list_people(crowd)
    wanted = [lasting_id(number) for number in range(300)]
    found = roster.found([*wanted, lasting_id(PEOPLE), "", "*", "x)(uid=*", "a" * 300, *wanted])
    assert list(found) == wanted
    assert found[lasting_id(0)].groups == effective_groups_of(0, GROUPS)
    few = roster.found(wanted[:3])
    assert few == {one: found[one] for one in wanted[:3]}
    assert roster.found([]) == {}


def test_the_twin_in_memory() -> None:
    directory = MemoryDirectory([MemoryPerson(person(*row), "x") for row in CAST])
    roster: Roster = MemoryRoster(directory, page_size=3)
    assert [len(page) for page in roster.everyone()] == [3, 1]
    place = roster.place()
    assert place is not None
    directory.remove("bob")
    directory.put(MemoryPerson(person("bobby", "Bob Brown", ()), "x"))
    changes = roster.changes(place)
    assert [one.username for one in changes.people] == ["bobby"]
    assert roster.changes(changes.place).people == []
    gone = person(*CAST[1]).directory_id
    assert set(roster.found([gone, changes.people[0].directory_id])) == {changes.people[0].directory_id}


@pytest.mark.long
def test_a_hundred_thousand_people(list_people: List, ask: Ask) -> None:
    with populated(100_000, 400) as server:
        roster, count = list_people(server), 0
        place = roster.place()
        for page in roster.everyone():
            for one in page:
                if one.username not in DEMO_PEOPLE:
                    assert one.groups == effective_groups_of(int(one.username[1:]), 400)
            count += len(page)
        assert count == 100_000 + len(DEMO_PEOPLE)
        assert place is not None
        assert {one.username for one in roster.changes(place).people} == DEMO_PEOPLE  # made a moment ago
        assert all(
            same_as_found(one, ask(server)) for one in roster.found([lasting_id(7), lasting_id(99_999)]).values()
        )
