"""Sessions end when they should, in every copy, and only count where they began."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask

from app import clock
from app.db import writing
from app.people import rules, sessions
from app.people import service as people
from tests.conftest import person
from tests.web.browsing import Browser, signed_in

Known = Callable[..., dict[str, int]]


def cookie_of(browser: Browser) -> str:
    """The value of the session's cookie."""
    cookie = browser.client.get_cookie(browser.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    return cookie.value


def with_cookie(app: Flask, value: str) -> Browser:
    """A browser that holds a cookie it was not given."""
    browser = Browser(app)
    browser.client.set_cookie(app.config["SESSION_COOKIE_NAME"], value)
    return browser


def move_clock(monkeypatch: pytest.MonkeyPatch, to: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: to)


def test_a_copied_cookie_does_not_outlive_the_sign_out(print_app: Flask) -> None:
    browser = signed_in(print_app, "alice")
    copy = with_cookie(print_app, cookie_of(browser))
    assert copy.get("/").status_code == 200
    assert browser.send("/sign-out", "/").status_code == 303
    assert copy.get("/").status_code == 302
    assert browser.get("/").status_code == 302


def test_signing_out_ends_this_browser_only(print_app: Flask) -> None:
    here, there = signed_in(print_app, "alice"), signed_in(print_app, "alice")
    here.send("/sign-out", "/")
    assert there.get("/").status_code == 200


def test_signing_out_needs_its_token_and_a_form(print_app: Flask) -> None:
    browser = signed_in(print_app, "alice")
    assert browser.client.post("/sign-out").status_code == 400
    assert browser.get("/sign-out").status_code == 405
    assert browser.get("/").status_code == 200


def test_signing_in_begins_a_fresh_session(print_app: Flask) -> None:
    browser = Browser(print_app)
    token = browser.token("/sign-in")
    before = cookie_of(browser)
    browser.sign_in("alice")
    assert cookie_of(browser) != before
    assert browser.client.post("/sign-out", data={"csrf_token": token}).status_code == 400


def test_a_session_ends_when_nothing_comes_from_it(print_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, start = signed_in(print_app, "alice"), clock.now()
    move_clock(monkeypatch, start + rules.IDLE - timedelta(minutes=1))
    assert browser.get("/").status_code == 200
    move_clock(monkeypatch, start + 2 * rules.IDLE - timedelta(minutes=2))
    assert browser.get("/").status_code == 200
    move_clock(monkeypatch, start + 3 * rules.IDLE)
    assert browser.get("/").status_code == 302


def test_a_busy_session_ends_after_its_longest_time(print_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, start = signed_in(print_app, "alice"), clock.now()
    step = rules.IDLE - timedelta(minutes=1)
    at = start
    while at + step < start + rules.ABSOLUTE:
        at += step
        move_clock(monkeypatch, at)
        assert browser.get("/").status_code == 200, at - start
    move_clock(monkeypatch, start + rules.ABSOLUTE + timedelta(seconds=1))
    assert browser.get("/").status_code == 302


def test_a_cookie_of_print_is_nothing_at_net_even_with_the_same_secret(make_instance: Callable[..., Flask]) -> None:
    secret = {"secret.key": "the-same-secret-by-mistake-0123456789abcdef"}
    print_app = make_instance(charges=("print",), secrets=secret)
    net_app = make_instance(charges=("internet",), secrets=secret)
    assert print_app.config["SESSION_COOKIE_NAME"] != net_app.config["SESSION_COOKIE_NAME"]
    stolen = cookie_of(signed_in(print_app, "alice"))
    with net_app.app_context():  # the very same session exists there, so that only the instance's id can tell
        writing(
            lambda session: people.remember(
                session, person=person("alice", "Alice Andersson", ()), admin_groups=[], now=clock.now()
            )
        )
    with print_app.test_request_context("/", headers={"Cookie": f"{print_app.config['SESSION_COOKIE_NAME']}={stolen}"}):
        from flask import session as cookie

        token = cookie["_user_id"]
    with net_app.app_context():
        writing(
            lambda session: session.add(
                sessions.LoginSession(
                    token_hash=sessions.digest(token), user_id=1, created_at=clock.now(), seen_at=clock.now()
                )
            )
        )
    assert with_cookie(print_app, stolen).get("/").status_code == 200
    assert with_cookie(net_app, stolen).get("/").status_code == 302


def test_a_forged_cookie_is_nothing(print_app: Flask) -> None:
    value = cookie_of(signed_in(print_app, "alice"))
    payload, _, signature = value.partition(".")
    assert with_cookie(print_app, f"{payload}x.{signature}").get("/").status_code == 302


def test_rights_follow_the_directory_at_once(print_app: Flask) -> None:
    browser = signed_in(print_app, "admin")
    assert browser.get("/admin/people").status_code == 200
    with print_app.app_context():
        writing(
            lambda session: people.remember(
                session,
                person=person("admin", "Ada Min", ("Staff",)),
                admin_groups=["Administrators"],
                now=clock.now(),
            )
        )
    assert browser.get("/admin/people").status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites(make_instance: Callable[..., Flask]) -> None:
    response = Browser(make_instance(public_url="http://127.0.0.1:8001")).sign_in("alice")
    cookie = next(value for value in response.headers.getlist("Set-Cookie") if value.startswith("print_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    secure = make_instance(public_url="https://print.example.org")
    browser = Browser(secure)
    given = browser.get("/sign-in", base_url="https://print.example.org").headers["Set-Cookie"]
    assert given.startswith("__Host-print_session=")
    assert "Secure" in given
    assert "Path=/" in given
    assert "Domain" not in given


def test_a_page_that_reads_is_shown_while_somebody_else_writes(
    print_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's last use cannot be noted then; that must neither wait nor fail."""
    browser, start = signed_in(print_app, "alice"), clock.now()
    move_clock(monkeypatch, start + timedelta(minutes=2))
    file = print_app.extensions["twinpurse.settings"].folder / "twinpurse.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = time.monotonic()
        assert browser.get("/").status_code == 200
        assert time.monotonic() - asked < 5
