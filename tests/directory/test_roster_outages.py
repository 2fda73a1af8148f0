"""A reading of everybody that does not come to its end says so: it is never taken for everybody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from directory.interface import DirectoryConfigError, DirectoryError, DirectoryUnavailableError
from directory.roster import LdapRoster
from tests.directory.conftest import Listener
from tests.servers.population import lasting_id, populated
from tests.servers.process import free_port
from tests.servers.slapd import Slapd

PEOPLE = 60
SMALL_PAGES = "sizelimit size.soft=10 size.hard=10 size.pr=10 size.prtotal=unlimited"

List = Callable[..., LdapRoster]


@pytest.fixture
def frail() -> Iterator[Slapd]:
    """A server to kill and to freeze, that gives ten people a page."""
    with populated(PEOPLE, 4, limits=SMALL_PAGES) as server:
        yield server


def test_killed_in_the_middle(frail: Slapd, list_people: List) -> None:
    pages = list_people(frail).everyone()
    assert len(next(pages)) == 10
    frail.child.process.kill()
    frail.child.process.wait()
    with pytest.raises(DirectoryUnavailableError):
        list(pages)


def test_ended_in_the_middle(frail: Slapd, list_people: List) -> None:
    pages = list_people(frail).everyone()
    next(pages)
    frail.child.stop()
    with pytest.raises(DirectoryUnavailableError):
        list(pages)


@pytest.mark.parametrize("way", ["ldaps", pytest.param("starttls", marks=pytest.mark.long)])
def test_hung_in_the_middle(frail: Slapd, list_people: List, way: str) -> None:
    servers = {} if way == "ldaps" else {"servers": [frail.starttls_url], "start_tls": True}
    roster = list_people(frail, receive_timeout_s=0.3, connect_timeout_s=0.3, **servers)
    pages = roster.everyone()
    next(pages)
    frail.child.pause()
    began = time.monotonic()
    try:
        with pytest.raises(DirectoryUnavailableError, match="no answer in time"):
            list(pages)
        assert time.monotonic() - began < 5
        with pytest.raises(DirectoryUnavailableError):
            roster.found([lasting_id(1)])
        with pytest.raises(DirectoryUnavailableError):
            roster.place()
    finally:
        frail.child.resume()
    assert len(list(roster.everyone())) == 7


@pytest.mark.parametrize(
    "limits",
    [
        "sizelimit size.soft=5 size.hard=5 size.pr=5 size.prtotal=unlimited",  # pages smaller than anybody uses
        "sizelimit size.soft=500 size.hard=500 size.pr=10 size.prtotal=30",  # the end comes in the middle
        "sizelimit size.soft=5 size.hard=5 size.pr=noEstimate size.prtotal=5",
        "sizelimit size.soft=5 size.hard=5 size.prtotal=disabled",  # no pages at all
    ],
)
def test_a_server_that_does_not_give_everybody(list_people: List, limits: str) -> None:
    with populated(PEOPLE, 4, limits=limits) as server:
        pages = list_people(server).everyone()
        with pytest.raises((DirectoryUnavailableError, DirectoryConfigError)):
            list(pages)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x84\x00\x00\x10\x00" + b"\x00" * 9]
)
def test_no_server_at_all(slapd: Slapd, list_people: List, listener: Callable[..., Listener], answer: bytes) -> None:
    """A fake, because a directory server always answers and speaks LDAP. Some drip."""
    changes: dict[str, Any] = {"plaintext_on_loopback": True, "receive_timeout_s": 0.2}
    roster = list_people(slapd, servers=[listener(answer, 0.01).url], **changes)
    dead = list_people(slapd, servers=[f"ldap://localhost:{free_port()}"], **changes)
    for one in (roster, dead):
        questions: list[Callable[[], Any]] = [
            lambda one=one: list(one.everyone()),
            one.place,
            lambda one=one: one.found(["x"]),
        ]  # type: ignore[misc]
        for question in questions:
            with pytest.raises(DirectoryError) as failure:
                question()
            assert failure.value.retryable
