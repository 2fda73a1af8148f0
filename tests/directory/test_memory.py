"""The in-memory twin: what it does beyond the contract, so that tests of doors can rely on it."""

from __future__ import annotations

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
