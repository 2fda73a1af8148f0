"""What the helper goes by: the list and its file, what the instance cannot say, and hosts that stay open."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.client import Answer, InstanceAwayError, InstanceUnableError
from edge.standing import Standing
from edge.standing_share import Share
from tests.edge.squid_helper import PROBES, Helper, helpers, listed
from tests.edge.squid_stub import StubInstance


@pytest.fixture
def instance() -> Iterator[StubInstance]:
    with StubInstance() as stub:
        stub.users = {**dict.fromkeys(PROBES, True), "alice": True, "bob": False}
        stub.messages = {"bob": "Nothing left. Next: €5 on Monday."}
        yield stub


@pytest.fixture
def start(instance: StubInstance) -> Iterator[Callable[..., Helper]]:
    with helpers(instance) as start_one:
        yield start_one


class Told:
    """An instance in memory: `list` and `user` are what it answers, or raises, or are called for it."""

    def __init__(self, users: dict[str, bool]) -> None:
        body = {"mode": "enforce", "domains": [], "version": "2", "users": users}
        self.list: Any = Answer(200, {}, body)
        self.user: Any = Answer(200, {}, {"allowed": True})
        self.asked = 0

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        self.asked += 1
        answer = self.user if path.startswith("/internet/standing/") else self.list
        if isinstance(answer, Exception):
            raise answer
        found: Answer = answer() if callable(answer) else answer
        return found


def listing(users: dict[str, bool], share: Share | None = None) -> tuple[Standing, Told, list[float]]:
    """Somebody's list of an instance in memory, and the clock that it goes by."""
    clock, instance = [1000.0], Told(users)
    return Standing(instance, share=share, clock=lambda: clock[0]), instance, clock


def test_a_shared_file_that_cannot_be_there(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start("--shared", "/nonexistent/dir/standing"), instance)
    said = helper.log.read_text()
    assert "Traceback" not in said
    assert said.count("--shared cannot be used") == said.count("WARNING") == 1
    assert "/nonexistent/dir must be a folder that Squid's user can write to" in said


def test_what_cannot_be_said_of_one_user_changes_nothing_for_others(
    instance: StubInstance, start: Callable[..., Helper]
) -> None:
    instance.unable = {"ghost"}
    helper = listed(start(), instance)
    for _ in range(3):
        assert helper.ask("ghost") == b"OK"
        assert b"Next: " in helper.ask("bob")
    said = helper.log.read_text()
    assert "no fresh list" not in said
    assert said.count("no word on one user: the instance answered 503 unavailable") == 1


@pytest.mark.parametrize("waiting", [True, False])
def test_who_is_not_answered_in_time(waiting: bool) -> None:
    """Where the list came meanwhile it is about that user; where it did not, the next users need not wait."""
    standing, instance, clock = listing({"alice": True})
    standing.refresh()

    def silence() -> Answer:
        clock[0] += 1.5
        instance.user = InstanceAwayError("no answer in time")
        if waiting:
            standing.refresh()
        raise InstanceAwayError("no answer in time")

    instance.user = silence
    with pytest.raises(InstanceAwayError):
        standing.ask("ghost")
    assert standing.away is not waiting


def test_one_error_is_no_absence_where_there_is_a_list() -> None:
    standing, instance, _clock = listing({"alice": True})
    answer, instance.list = instance.list, InstanceUnableError("the instance answered 503 unavailable")
    standing.refresh()
    assert standing.away, "there is no list"
    instance.list = answer
    for away in (False, True):
        standing.refresh()
        assert not standing.away
        instance.list = InstanceUnableError("the instance answered 503 unavailable")
        standing.refresh()
        assert not standing.away
        if away:
            standing.refresh()
            assert standing.away
        instance.list = answer
    instance.list = InstanceAwayError("no answer in time")
    standing.refresh()
    assert standing.away


def test_a_helper_that_is_stopped_is_not_waited_for(tmp_path: Path) -> None:
    """The others ask for themselves until its file is fresh again, and never write it."""
    path = tmp_path / "standing"
    leader = Share(path)
    assert leader.lead()
    first = {"mode": "enforce", "domains": [], "version": "1", "full": True, "users": {"alice": False, "bob": True}}
    leader.write(first, first)
    standing, instance, clock = listing({"alice": True}, share=Share(path))
    instance.asked = 0

    def look() -> bool | str | None:
        stop = threading.Event()
        stop.wait = lambda pause: stop.set()  # type: ignore[method-assign, assignment, return-value]
        standing.keep_fresh(stop)
        return standing.may("alice")

    assert look() is False
    clock[0] += 10
    assert (look(), instance.asked) == (False, 0), "the file is confirmed by who writes it"
    os.utime(path, (time.time() - 10, time.time() - 10))
    before = path.read_bytes()
    assert (look(), instance.asked) == (True, 1)
    assert standing.may("bob") is None
    assert not standing.away
    assert (look(), instance.asked) == (True, 2)
    assert path.read_bytes() == before, "only one writes"
    leader.write({"mode": "enforce", "version": "3", "full": False, "users": {"carol": True}}, first)
    assert (look(), instance.asked) == (False, 2)
    assert (standing.may("bob"), standing.may("carol")) == (True, True)
    leader.let_go()
    assert (look(), instance.asked) == (True, 3), "the next takes over"
    assert path.read_bytes() != before


def test_open_sites_however_they_are_written(instance: StubInstance, start: Callable[..., Helper]) -> None:
    instance.open = ["::1", "2001:db8::a", "xn--bcher-kva.example", "example.org", "chess.games.example.org"]
    instance.closed = ["games.example.org"]
    helper = listed(start(), instance)
    hosts = {
        b"[::1]": b"OK",
        b"[0:0:0:0:0:0:0:1]": b"OK",
        b"[2001:DB8:0::A]": b"OK",
        b"[2001:db8::b]": b"ERR",
        b"[x]": b"ERR",
        "www.Bücher.example".encode(): b"OK",
        b"b%C3%BCcher.example.": b"OK",
        b"\xff%ff.example": b"ERR",
        b"www.example.org": b"OK",
        b"games.example.org": b"ERR",
        b"a.GAMES.example.org": b"ERR",
        b"chess.games.example.org": b"OK",
        b"a.chess.games.example.org": b"OK",
    }
    answers = helper.talk(b"".join(b"%d bob %b -\n" % numbered for numbered in enumerate(hosts)))
    said = {int(answer.split()[0]): answer.split()[1] for answer in answers}
    assert {host: said[number] for number, host in enumerate(hosts)} == hosts
