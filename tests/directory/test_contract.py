"""The contract of every directory: the in-memory twin, the demo's, and OpenLDAP give the same answers."""

from __future__ import annotations

import pytest

from demo.people import PEOPLE, DemoPerson
from directory.interface import (
    MAX_PASSWORD_CHARACTERS,
    MAX_USERNAME_CHARACTERS,
    BadCredentialsError,
    Directory,
    Person,
)

REFUSED_NAMES = [
    "",
    " ",
    "nobody",
    "*",
    "a*",
    "alice)(uid=*",
    "a)(uid=*",
    "*)(|(uid=*",
    "alice\x00",
    "ali\nce",
    "alice\x7f",
    "\ud800",
    "uid=alice,ou=people,dc=northfield,dc=example",
    "a" * (MAX_USERNAME_CHARACTERS + 1),
]
REFUSED_PASSWORDS = ["", "wrong", "demo-alice ", "DEMO-ALICE", "demo-bob", "\x00", "demo-alice\n", "*"]


def expected(one: DemoPerson) -> Person:
    """What every directory must say of a person of the demo."""
    return Person(one.entry_uuid, one.dn, one.username, one.full_name, one.email, (one.group,))


@pytest.mark.parametrize("one", PEOPLE, ids=lambda one: one.username)
def test_everybody_signs_in_with_their_password(directory: Directory, one: DemoPerson) -> None:
    assert directory.authenticate(one.username, one.password) == expected(one)


@pytest.mark.parametrize("typed", ["ALICE", "Alice", " alice "])
def test_a_name_is_the_same_however_it_is_typed(directory: Directory, typed: str) -> None:
    assert directory.authenticate(typed, "demo-alice").username == "alice"
    found = directory.find(typed)
    assert found is not None
    assert found.username == "alice"


@pytest.mark.parametrize(
    "password", [*REFUSED_PASSWORDS, "x" * (MAX_PASSWORD_CHARACTERS + 1)], ids=lambda p: repr(p[:12])
)
def test_a_wrong_password_is_refused(directory: Directory, password: str) -> None:
    with pytest.raises(BadCredentialsError):
        directory.authenticate("alice", password)


@pytest.mark.parametrize("username", REFUSED_NAMES, ids=lambda name: ascii(name[:20]))
@pytest.mark.parametrize("password", ["demo-alice", ""], ids=["password", "empty"])
def test_a_name_that_is_nobodys_is_refused(directory: Directory, username: str, password: str) -> None:
    with pytest.raises(BadCredentialsError):
        directory.authenticate(username, password)


@pytest.mark.parametrize("username", REFUSED_NAMES, ids=lambda name: ascii(name[:20]))
def test_a_name_that_is_nobodys_finds_nobody(directory: Directory, username: str) -> None:
    assert directory.find(username) is None


def test_every_refusal_reads_the_same(directory: Directory) -> None:
    messages = set()
    for username, password in [("alice", "wrong"), ("alice", ""), ("nobody", "wrong"), ("", ""), ("*", "demo-alice")]:
        with pytest.raises(BadCredentialsError) as refusal:
            directory.authenticate(username, password)
        messages.add(str(refusal.value))
        assert not refusal.value.retryable
    assert len(messages) == 1


@pytest.mark.parametrize("one", PEOPLE, ids=lambda one: one.username)
def test_everybody_is_found(directory: Directory, one: DemoPerson) -> None:
    assert directory.find(one.username) == expected(one)


def test_nothing_is_wrong(directory: Directory) -> None:
    assert directory.check() == []
