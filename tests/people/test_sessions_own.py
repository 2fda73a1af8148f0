"""One's own sessions: which browsers they are, ending one, ending all, and what an administrator may end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.people import rules, sessions
from app.people.browsers import browser_in_words
from app.people.models import Device
from tests.people.conftest import Hand, with_sign_in
from tests.web.browsing import Browser, signed_in

PAGE = "/me/sessions"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"


def entering(app: Flask, agent: str, address: str, name: str = "alice") -> Browser:
    """A browser that says what it is, signed in from an address."""
    browser = Browser(app)
    browser.client.environ_base.update({"HTTP_USER_AGENT": agent, "HTTP_X_FORWARDED_FOR": address})
    assert browser.sign_in(name).status_code == 303
    return browser


@pytest.fixture
def app(print_app: Flask) -> Flask:
    """An instance behind a proxy that it trusts."""
    return with_sign_in(print_app, trusted_proxies=["127.0.0.1"])


def end_buttons(browser: Browser) -> list[str]:
    """The addresses that end one session, in the order of the page."""
    return re.findall(r'action="(/me/sessions/\d+/end)"', browser.get(PAGE).text)


def test_the_page_tells_browsers_apart_and_marks_this_one(app: Flask, hand: Hand) -> None:
    entering(app, CHROME, "192.0.2.7")
    hand.on(minutes=5)
    here = entering(app, FIREFOX, "192.0.2.8")
    entering(app, CHROME, "192.0.2.9", "bob")
    words = here.text(PAGE)
    assert "2 browsers can see this purse with your name." in words
    own, _, other = words.partition("Chrome on Linux")
    assert "Firefox on Windows This browser" in own
    assert "192.0.2.8" in own
    assert "with the password" in own
    assert "192.0.2.7" in other
    assert "192.0.2.9" not in words


def test_another_browser_is_signed_out_from_here(app: Flask) -> None:
    here, there = entering(app, FIREFOX, "192.0.2.8"), entering(app, CHROME, "192.0.2.7")
    assert here.send(end_buttons(here)[1], PAGE).headers["Location"] == PAGE
    assert there.get("/").status_code == 302
    assert "That browser is signed out." in here.text(PAGE)
    assert here.send(end_buttons(here)[0], PAGE).headers["Location"] == "/sign-in"
    assert here.get("/").status_code == 302


def test_nobody_ends_the_session_of_somebody_else(app: Flask) -> None:
    alice, bob = entering(app, FIREFOX, "192.0.2.8"), entering(app, CHROME, "192.0.2.9", "bob")
    assert alice.send(end_buttons(bob)[0], PAGE).status_code == 404
    assert bob.get("/").status_code == 200


def test_signing_out_everywhere_ends_every_browser_and_device(app: Flask) -> None:
    browsers = [entering(app, FIREFOX, f"192.0.2.{number}") for number in range(3)]
    bob = entering(app, CHROME, "192.0.2.9", "bob")
    add_device(app)
    response = browsers[0].send(f"{PAGE}/end-all", PAGE)
    assert response.headers["Location"] == "/sign-in"
    assert "You are signed out everywhere." in browsers[0].text("/sign-in")
    assert [browser.get("/").status_code for browser in browsers] == [302] * 3
    assert bob.get("/").status_code == 200
    assert revoked(app) == [True]


def test_an_administrator_ends_all_sessions_of_a_person(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    alice, admin = entering(app, FIREFOX, "192.0.2.8"), signed_in(app, "admin")
    with app.app_context():
        page = f"/admin/people/{known()['alice']}"
    add_device(app)
    assert alice.send(f"{page}/sign-out", "/").status_code == 403
    assert admin.send(f"{page}/sign-out", page).headers["Location"] == page
    assert "Alice Andersson is signed out everywhere." in admin.text(page)
    assert alice.get("/").status_code == 302
    assert admin.get("/").status_code == 200
    assert revoked(app) == [True]


def test_what_has_ended_is_not_listed(app: Flask, hand: Hand) -> None:
    entering(app, CHROME, "192.0.2.7")
    hand.on(seconds=rules.IDLE.total_seconds())
    assert len(end_buttons(entering(app, FIREFOX, "192.0.2.8"))) == 1


def test_from_the_portal_and_from_an_unknown_address(print_app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with print_app.app_context():
        user_id = known()["alice"]
        code = writing(lambda session: sessions.make_enter_code(session, user_id=user_id, now=clock.now()))
    browser = Browser(print_app)
    browser.client.environ_base["REMOTE_ADDR"] = ""
    browser.get(f"/enter?code={code}")
    words = browser.text(PAGE)
    assert "from the portal" in words
    assert "an unknown address" in words


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (CHROME, "Chrome on Linux"),
        (f"{CHROME} Edg/130.0", "Edge on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on an iPhone"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on a Mac"),
        ("curl/8.5.0 (Linux)", "A browser on Linux"),
        ("<script>alert(1)</script>", "An unknown browser"),
        ("", "An unknown browser"),
    ],
)
def test_browsers_in_words(agent: str, words: str) -> None:
    assert browser_in_words(agent) == words


def add_device(app: Flask) -> None:
    """Give alice a client on her desktop."""
    now = clock.now() - timedelta(days=1)
    with app.app_context():
        writing(
            lambda session: session.add(
                Device(user_id=1, name="PC 7", token_hash="x" * 64, created_at=now, seen_at=now)
            )
        )


def revoked(app: Flask) -> list[bool]:
    """Whether devices were revoked."""
    with app.app_context():
        return [device.revoked_at is not None for device in reading().scalars(select(Device))]
