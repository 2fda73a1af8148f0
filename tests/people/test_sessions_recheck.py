"""Who is disabled or has left loses open sessions within a quarter of an hour; a directory that is away ends none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import update

from app.db import writing
from app.people import sessions
from app.people.models import User
from directory.interface import DirectoryUnavailableError, Person
from directory.memory import MemoryDirectory, MemoryPerson, MemoryRoster
from directory.presence import ASK_AGAIN_AFTER, PATIENCE_S
from tests.conftest import person
from tests.people.conftest import LOCAL_PASSWORD, Hand, make_local
from tests.web.browsing import Browser, signed_in

ALICE = person("alice", "Alice Andersson", ("Students",))


def put(cast: MemoryDirectory, new: Person) -> None:
    """Let the directory say something else of alice."""
    cast.remove("alice")
    cast.put(MemoryPerson(new, "demo-alice"))


@pytest.fixture
def alice(print_app: Flask, hand: Hand) -> Browser:
    """alice is signed in."""
    return signed_in(print_app, "alice")


def test_who_is_disabled_is_out_after_a_quarter_of_an_hour(alice: Browser, cast: MemoryDirectory, hand: Hand) -> None:
    other = signed_in(alice.app, "alice")
    put(cast, replace(ALICE, disabled=True))
    hand.on(minutes=14)
    assert alice.get("/").status_code == 200
    hand.on(minutes=1)
    assert alice.get("/").status_code == 302
    put(cast, ALICE)
    assert other.get("/").status_code == 302, "every session has ended"
    assert signed_in(alice.app, "alice").get("/").status_code == 200


def test_who_is_gone_is_out_and_a_recycled_name_is_nobody(alice: Browser, cast: MemoryDirectory, hand: Hand) -> None:
    put(cast, replace(ALICE, directory_id="another-person"))
    hand.on(minutes=15)
    assert alice.get("/").status_code == 302


def test_who_was_renamed_stays(alice: Browser, cast: MemoryDirectory, hand: Hand) -> None:
    alice.app.extensions["twinpurse.roster"] = MemoryRoster(cast)
    put(cast, replace(ALICE, username="alice.berg"))
    hand.on(minutes=15)
    assert alice.get("/").status_code == 200
    cast.remove("alice.berg")
    hand.on(minutes=15)
    assert alice.get("/").status_code == 302


def test_while_the_directory_is_away_everybody_stays(alice: Browser, cast: MemoryDirectory, hand: Hand) -> None:
    cast.failure = DirectoryUnavailableError("refused")
    for _ in range(4):
        hand.on(minutes=20)
        assert alice.get("/").status_code == 200


def test_a_directory_that_hangs_keeps_one_page_for_two_seconds(
    alice: Browser, cast: MemoryDirectory, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, let_go = [], threading.Event()

    def hang(username: str) -> Person | None:
        asked.append(username)
        let_go.wait(10)
        return None

    monkeypatch.setattr(cast, "find", hang)
    hand.on(minutes=20)
    began = time.monotonic()
    assert [alice.get("/").status_code for _ in range(5)] == [200] * 5
    assert time.monotonic() - began < PATIENCE_S + 1.5
    assert asked == ["alice"]
    let_go.set()


def test_rights_are_renewed_too(print_app: Flask, cast: MemoryDirectory, hand: Hand) -> None:
    admin = signed_in(print_app, "admin")
    cast.remove("admin")
    cast.put(MemoryPerson(person("admin", "Ada Min", ("Staff",)), "demo-admin"))
    hand.on(minutes=15)
    assert admin.get("/admin/people").status_code == 403


@pytest.mark.parametrize("status", ["disabled", "gone"])
def test_who_is_not_active_has_no_session_and_gets_none(alice: Browser, status: str) -> None:
    """As a sync would find; no question is asked."""
    with alice.app.app_context():
        code = writing(lambda session: sessions.make_enter_code(session, user_id=1, now=sessions.clock.now()))
        writing(lambda session: session.execute(update(User).values(status=status)))
    assert alice.get("/").status_code == 302
    assert Browser(alice.app).get(f"/enter?code={code}").status_code == 403


def test_a_guest_is_out_when_the_last_day_ends(print_app: Flask, hand: Hand) -> None:
    make_local(print_app, "visitor", days=1)
    hand.on(hours=23, minutes=50)
    browser = Browser(print_app)
    assert browser.sign_in("visitor", LOCAL_PASSWORD).status_code == 303
    hand.on(minutes=9)
    assert browser.get("/").status_code == 200
    hand.on(minutes=1)
    assert browser.get("/").status_code == 302
    assert browser.sign_in("visitor", LOCAL_PASSWORD).status_code == 401


def test_how_often_is_asked(alice: Browser, cast: MemoryDirectory, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    find: Callable[[str], Person | None] = cast.find
    monkeypatch.setattr(cast, "find", lambda name: (asked.append(name), find(name))[1])
    for _ in range(30):
        hand.on(minutes=2)
        alice.get("/")
    assert len(asked) == 60 // (ASK_AGAIN_AFTER.total_seconds() // 60 + 1)
