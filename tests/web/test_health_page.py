"""The health page: what needs somebody first, and never a wait without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock, health_pages
from app.db import reading, writing
from app.internet.models import UnmatchedUsage
from app.jobs import ticker, worker
from app.ledger import tasks
from app.ledger.differences import Difference, to_json
from app.ledger.models import Account, Verification
from app.money import MICRO
from app.schedules import service as schedules
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory
from tests.web.browsing import signed_in, words_of


def needs(words: str) -> str:
    """What stands under "Needs you"."""
    return words.partition("Needs you")[2].partition(" Fine ")[0]


def make_well(app: Flask) -> None:
    """The ticker has just ticked and the books were verified."""
    ticker.tick(app, holder="test")
    with app.app_context():
        tasks.verify_books()


def test_all_is_well(print_app: Flask) -> None:
    make_well(print_app)
    words = signed_in(print_app, "admin").text("/admin/health")
    assert "Everything works." in words
    for name in ("Directory Answers", "Queue Answers", "Ticker On time", "Scheduled runs", "Books Add up", "Database"):
        assert name in words
    assert "Needs you" not in words
    assert "Internet use" not in words


def test_a_fresh_instance_names_what_never_happened(print_app: Flask) -> None:
    words = needs(signed_in(print_app, "admin").text("/admin/health"))
    assert "Ticker Never ticked" in words
    assert "Books Not verified" in words
    assert f"twinpurse verify {print_app.extensions['twinpurse.settings'].folder}" in words


def test_a_directory_that_is_down_is_named_first(print_app: Flask, cast: MemoryDirectory) -> None:
    make_well(print_app)
    browser = signed_in(print_app, "admin")
    cast.failure = DirectoryUnavailableError("ldap://ldap1: connection refused")
    words = browser.text("/admin/health")
    assert "One thing needs you now." in words
    assert "Ldap://ldap1: connection refused." in needs(words)
    assert "What to do:" in needs(words)


def test_a_directory_that_hangs_does_not_hang_the_page(
    print_app: Flask, cast: MemoryDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_well(print_app)
    browser = signed_in(print_app, "admin")
    monkeypatch.setattr(health_pages, "PATIENCE_S", 0.3)
    asked, go_on = [], threading.Event()

    def hang() -> list[str]:
        asked.append("check")
        go_on.wait(20)
        return []

    monkeypatch.setattr(cast, "check", hang)
    try:
        for _ in range(3):
            began = time.monotonic()
            words = browser.text("/admin/health")
            assert time.monotonic() - began < 8
            assert "Directory Silent" in needs(words)
        assert asked == ["check"]  # the same question is not asked again while its answer is awaited
    finally:
        go_on.set()
    deadline = time.monotonic() + 5
    while "Directory Answers" not in (words := browser.text("/admin/health")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "Directory Answers" in words


def test_a_probe_that_fails_is_shown(print_app: Flask, cast: MemoryDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise RuntimeError("surprise")

    monkeypatch.setattr(cast, "check", fail)
    words = needs(signed_in(print_app, "admin").text("/admin/health"))
    assert "Asking it failed (RuntimeError)." in words
    assert "surprise" not in words


def test_a_redis_that_is_away_is_named(make_instance: Callable[..., Flask]) -> None:
    app = make_instance(redis_url="redis://127.0.0.1:1/0")
    words = needs(signed_in(app, "admin").text("/admin/health"))
    assert "Queue Does not answer" in words
    assert "Start Redis" in words


def test_a_ticker_that_stopped_and_a_run_that_waits(print_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    terms = schedules.Terms(
        name="Daily",
        everyone=True,
        groups=(),
        amount=MICRO,
        top_up="add",
        cap=None,
        period="daily",
        weekdays=(),
        month_day=None,
        time_of_day="07:00",
        time_zone="UTC",
    )
    with print_app.app_context():
        writing(lambda session: schedules.create(session, terms=terms, now=start - timedelta(days=2)))
    ticker.tick(print_app, holder="test", now=start)  # the run is made and asked for, and nobody works here
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(minutes=20))
    words = needs(signed_in(print_app, "admin").text("/admin/health"))
    assert "Ticker Stopped Last tick 20 minutes ago." in words
    assert "Scheduled runs 1 waiting 1 run not done;" in words


def keep(app: Flask, *differences: Difference, count: int = 0) -> None:
    """Keep a verification that found these differences."""
    row = Verification(
        at=clock.now(),
        accounts=4,
        entries=9,
        difference_count=count or len(differences),
        differences=to_json(differences),
    )
    with app.app_context():
        writing(lambda session: session.add(row))


def test_books_that_do_not_add_up_come_first(print_app: Flask, known: Callable[..., dict[str, int]]) -> None:
    make_well(print_app)
    with print_app.app_context():
        alice = known()["alice"]
        account_id = reading().scalars(select(Account.id).where(Account.user_id == alice)).one()
    lost = Difference("balance of the account", account_id, None, MICRO, 2 * MICRO, "by its last entry", micro=True)
    keep(print_app, lost, Difference("entry without an account", 999, 7, None, 999), count=1002)
    browser = signed_in(print_app, "admin")
    page = browser.get("/admin/health").text
    words = needs(words_of(page))
    assert words.strip().startswith("Books Do not add up 1,002 differences")
    assert f"Account {account_id}: balance of the account (by its last entry): expected $1.00, found $2.00." in words
    assert f'<a href="/admin/people/{alice}">Alice Andersson</a>' in page
    assert "Account 999 entry 7 Entry without an account: expected nothing, found 999." in words_of(page)
    assert "And 1,000 more" in words_of(page)
    assert f'<a href="/admin/people/{alice}">' in page
    assert browser.get(f"/admin/people/{alice}").status_code == 200


def test_a_verification_that_did_not_end_is_bad(print_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    make_well(print_app)

    def fail(*_args: object, **_more: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(tasks, "verify", fail)
    with print_app.app_context(), pytest.raises(RuntimeError):
        tasks.verify_books()
    words = needs(signed_in(print_app, "admin").text("/admin/health"))
    assert "Books Not verified The verification less than a minute ago did not come to its end." in words
    assert "surprise" not in words


def test_an_administrator_has_the_books_verified_now(print_app: Flask) -> None:
    browser = signed_in(print_app, "admin")
    for _twice in range(2):
        assert browser.send("/admin/health/verify", "/admin/health").status_code == 303
        words = browser.text("/admin/health")
        assert "Asked for. The result stands here when it is done" in words
    assert print_app.extensions["twinpurse.jobs"].queue.count == 1
    worker.work(print_app, burst=True, worker_class=worker.ThreadWorker)
    words = browser.text("/admin/health")
    assert "No difference" in words
    assert "Books Add up" in words
    keep(print_app, Difference("balance of the account", 1, None, 1, 2))
    assert browser.text("/admin/health").count("1 difference") >= 2


def test_verifying_now_needs_the_queue(make_instance: Callable[..., Flask]) -> None:
    app = make_instance(redis_url="redis://127.0.0.1:1/0")
    browser = signed_in(app, "admin")
    browser.send("/admin/health/verify", "/admin/health")
    words = browser.text("/admin/health")
    assert "The queue does not answer, so nothing was asked for." in words


def test_an_old_verification_is_no_verification(print_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    make_well(print_app)
    later = clock.now() + timedelta(days=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    words = needs(signed_in(print_app, "admin").text("/admin/health"))
    assert "Books Not verified lately" in words
    assert "verified 3 days ago" in words


def test_usage_of_unknown_names_is_shown_where_the_internet_is_charged(net_app: Flask) -> None:
    make_well(net_app)
    unknown = UnmatchedUsage(source="proxy1", batch=1, username="strange", bytes=12_000_000, requests=3, at=clock.now())
    with net_app.app_context():
        writing(lambda session: session.add(unknown))
    page = signed_in(net_app, "admin").get("/admin/health").text
    assert "12\N{NO-BREAK SPACE}MB under 1 name unknown to the directory." in page
    assert "It works. One thing to look at soon." in words_of(page)


def test_the_page_says_when_and_links_to_another_look(print_app: Flask) -> None:
    page = signed_in(print_app, "admin").get("/admin/health").text
    assert 'href="/admin/health">' in page
    assert '<time datetime="' in page
