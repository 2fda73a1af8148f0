"""The balance page that is shown again is never another than the one that would be made now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.ledger import service as ledger
from app.ledger.models import Account
from app.people.models import LoginSession, User
from app.printing.models import PrintJob
from app.purse import kept_page
from app.purse.kept_page import KeptPages
from tests.web.browsing import Browser, signed_in

T = TypeVar("T")


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An instance whose minute does not end, however slow this machine is."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr(kept_page, "TERMS_LAST_S", 600.0)
    return make_instance(database_url=database_url)


@pytest.fixture
def browser(app: Flask) -> Browser:
    browser = signed_in(app, "alice")
    browser.get("/")
    return browser


def pages(app: Flask) -> KeptPages:
    assert isinstance(app.wsgi_app, KeptPages)
    return app.wsgi_app


def made(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bool]:
    """Look at the balance. Return the page, and whether the application had to make it."""
    noted: list[str] = []
    with monkeypatch.context() as patch:
        note = kept_page.note
        patch.setattr(kept_page, "note", lambda token: (noted.append(token), note(token))[1])
        response = browser.get("/")
    return response.text, bool(noted) or response.status_code != 200


def change(app: Flask, work: Callable[[Session], T]) -> T:
    """Do something behind the pages' back, as another process would."""
    with app.app_context():
        return writing(work)


def account_of(app: Flask, name: str) -> Account:
    with app.app_context():
        found = reading().query(Account).join(User, Account.user_id == User.id).where(User.username == name).one()
        reading().expunge(found)
        return found


def post(app: Flask, amount: int, name: str = "alice") -> None:
    booked: dict[str, Any] = {"source": "card", "key": f"k{amount}", "now": clock.now(), "title": "Card"}
    account_id = account_of(app, name).id
    change(app, lambda session: ledger.post(session, account_id=account_id, amount=amount, **booked))


def test_it_is_shown_again_as_it_was_with_its_headers(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = browser.get("/"), browser.get("/")
    assert made(browser, monkeypatch) == (first.text, False)
    assert dict(second.headers) == dict(first.headers)
    assert second.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in second.headers["Content-Security-Policy"]


def test_whatever_moves_the_purse_shows_at_once(app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not made(browser, monkeypatch)[1]
    post(app, 2_500_000)
    page, anew = made(browser, monkeypatch)
    assert anew
    assert "2.50" in page
    assert not made(browser, monkeypatch)[1]
    account_id = account_of(app, "alice").id
    held = change(
        app,
        lambda session: ledger.hold(
            session,
            account_id=account_id,
            amount=1_000_000,
            source="print",
            key="h",
            now=clock.now(),
            expires_at=clock.now() + timedelta(hours=1),
        ),
    )
    assert "for 1 job that prints or waits" in made(browser, monkeypatch)[0]
    change(app, lambda session: ledger.release(session, hold_id=held.id, now=clock.now()))
    assert "for 1 job that prints or waits" not in made(browser, monkeypatch)[0]


def test_a_job_that_was_not_printed_shows_at_once(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not made(browser, monkeypatch)[1]
    now, user_id = clock.now(), account_of(app, "alice").user_id
    job = PrintJob(
        server="s",
        job_uuid="u",
        run=1,
        job_number=1,
        username="alice",
        user_id=user_id,
        printer="p",
        title="Essay.pdf",
        state="cancelled",
        reason="Too long",
        created_at=now,
        updated_at=now,
    )
    change(app, lambda session: session.add(job))
    assert "Essay.pdf" in made(browser, monkeypatch)[0]


def test_a_session_that_was_ended_or_a_person_who_is_out_sees_nothing(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not made(browser, monkeypatch)[1]
    user_id = account_of(app, "alice").user_id
    change(app, lambda session: session.execute(update(User).where(User.id == user_id).values(status="disabled")))
    assert browser.get("/").status_code == 302
    change(app, lambda session: session.execute(update(User).where(User.id == user_id).values(status="active")))
    assert browser.get("/").status_code == 200
    change(
        app,
        lambda session: session.execute(
            update(LoginSession).where(LoginSession.user_id == user_id).values(ended_at=clock.now())
        ),
    )
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(minutes=16), timedelta(minutes=31)])
def test_it_is_made_anew_each_minute_and_ends_with_the_session(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, later: timedelta
) -> None:
    assert not made(browser, monkeypatch)[1]
    now = clock.now() + later
    monkeypatch.setattr(clock, "now", lambda: now)
    assert made(browser, monkeypatch)[1]
    assert browser.get("/").status_code == (302 if later > timedelta(minutes=30) else 200)


def test_a_form_of_anybody_shows_at_once_and_a_choice_too(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"name": "Weekly", "reach": "everyone", "amount": "2", "top_up": "add", "period": "daily"}
    times = {"time_of_day": "07:00", "time_zone": "Europe/Berlin", "catch_up": "last"}
    admin = signed_in(app, "admin")
    browser.get("/")
    assert not made(browser, monkeypatch)[1]
    admin.send("/admin/schedules/new", "/admin/schedules/new", **fields, **times)
    assert "Weekly" in made(browser, monkeypatch)[0]
    browser.get("/theme?value=dark")
    assert 'data-theme="dark"' in made(browser, monkeypatch)[0]
    browser.get("/language?value=de")
    assert '<html lang="de"' in made(browser, monkeypatch)[0]


def test_nobody_sees_the_page_of_somebody_else(app: Flask, browser: Browser) -> None:
    post(app, 2_500_000)
    bob = signed_in(app, "bob")
    for _ in range(2):
        assert "2.50" in browser.get("/").text
        assert "2.50" not in bob.get("/").text
    assert Browser(app).get("/").status_code == 302


def test_a_role_that_is_taken_away_shows_at_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = signed_in(app, "admin")
    assert [made(admin, monkeypatch)[1] for _ in range(3)] == [True, False, False]
    assert "/admin/schedules" in admin.get("/").text
    user_id = account_of(app, "admin").user_id
    change(app, lambda session: session.execute(update(User).where(User.id == user_id).values(role="")))
    assert "/admin/schedules" not in admin.get("/").text


def test_no_more_are_kept_than_fit(app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_page, "PAGES_MAX", 3)
    for number in range(10):
        browser.client.set_cookie("other", str(number))
        browser.get("/")
    assert len(pages(app).pages) <= 3
    assert not made(browser, monkeypatch)[1]


def test_other_processes_terms_show_within_seconds(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not made(browser, monkeypatch)[1]
    monkeypatch.setattr(kept_page, "TERMS_LAST_S", 0.0)
    assert made(browser, monkeypatch)[1]
