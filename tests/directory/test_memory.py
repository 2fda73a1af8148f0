"""The in-memory twin: what it does beyond the contract, so that tests of doors can rely on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from directory.interface import BadCredentialsError, DirectoryUnavailableError, Person
from directory.memory import MemoryDirectory, MemoryPerson

ALICE = MemoryPerson(Person("id-1", "uid=alice", "alice", "Alice", "", ("Students",)), "secret")


def test_an_outage_is_an_outage_for_every_question() -> None:
    directory = MemoryDirectory([ALICE])
    directory.failure = DirectoryUnavailableError("no answer in time")
    with pytest.raises(DirectoryUnavailableError):
        directory.authenticate("alice", "secret")
    with pytest.raises(DirectoryUnavailableError):
        directory.find("alice")
    assert directory.check() == ["no answer in time"]
    directory.failure = None
    assert directory.authenticate("alice", "secret") == ALICE.person


def test_an_impossible_name_is_refused_even_in_an_outage() -> None:
    directory = MemoryDirectory([ALICE])
    directory.failure = DirectoryUnavailableError("no answer in time")
    with pytest.raises(BadCredentialsError):
        directory.authenticate("alice", "")
    assert directory.find("") is None


def test_who_left_is_unknown() -> None:
    directory = MemoryDirectory([ALICE])
    directory.remove("Alice")
    assert directory.find("alice") is None
    directory.put(ALICE)
    assert directory.find("alice") == ALICE.person


def test_two_people_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="twice"):
        MemoryDirectory([ALICE, ALICE])
    with pytest.raises(ValueError, match="casefolded"):
        MemoryDirectory([MemoryPerson(Person("id", "uid=Bob", "Bob", "Bob", "", ()), "x")])


def test_names_with_domains_and_addresses() -> None:
    bob = MemoryPerson(Person("id-2", "uid=bob", "bob", "Bob", "bob@mail.example", ()), "secret")
    directory = MemoryDirectory([ALICE, bob], domains=["SCHOOL"])
    for typed in ("bob", " BOB ", "school\\bob", "bob@school", "Bob@mail.example"):
        assert directory.find(typed) == bob.person
    for typed in ("OTHER\\bob", "bob@other.example", "\uff42ob"):
        assert directory.find(typed) is None


def test_a_right_password_that_is_refused_has_a_reason() -> None:
    gone = replace(ALICE, person=replace(ALICE.person, disabled=True))
    for entry, reason in ((gone, "disabled"), (replace(ALICE, reason="must_change"), "must_change")):
        directory = MemoryDirectory([entry])
        assert directory.find("alice") == entry.person
        for password, said in (("secret", reason), ("wrong", "")):
            with pytest.raises(BadCredentialsError) as refusal:
                directory.authenticate("alice", password)
            assert refusal.value.reason == said
