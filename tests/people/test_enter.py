"""Coming in from the portal with a code: once, for sixty seconds, here only."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.people import sessions
from app.people.models import EnterCode
from tests.conftest import PORTAL_KEY, person
from tests.servers.web import WebServer
from tests.web.browsing import Browser, words_of


def code_for(app: Flask, user_id: int) -> str:
    with app.app_context():
        return writing(lambda session: sessions.make_enter_code(session, user_id=user_id, now=clock.now()))


def test_a_code_lets_one_browser_in_and_leaves_the_address(
    print_app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    with print_app.app_context():
        users = known()
    code, browser = code_for(print_app, users["alice"]), Browser(print_app)
    response = browser.get(f"/enter?code={code}")
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert "Alice Andersson" in browser.get("/").text
    other = Browser(print_app)
    second = other.get(f"/enter?code={code}", follow_redirects=True)
    assert "That way in has been used or is too old." in words_of(second.text)
    assert other.get("/").status_code == 302


def test_a_code_is_good_for_sixty_seconds(
    print_app: Flask, known: Callable[..., dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with print_app.app_context():
        users = known()
    early, late, start = code_for(print_app, users["alice"]), code_for(print_app, users["alice"]), clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=58))
    assert Browser(print_app).get(f"/enter?code={early}").headers["Location"] == "/"
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=61))
    assert Browser(print_app).get(f"/enter?code={late}").headers["Location"] == "/sign-in"


def test_a_code_used_at_the_same_moment_lets_one_browser_in(
    print_app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    with print_app.app_context():
        users = known()
    browsers = 4
    code, together = code_for(print_app, users["alice"]), threading.Barrier(browsers)
    with WebServer(print_app) as web, ThreadPoolExecutor(browsers) as pool:

        def enter(_browser: int) -> str:
            with httpx2.Client(trust_env=False, follow_redirects=False, timeout=20) as browser:
                together.wait()
                return browser.get(f"{web.url}/enter?code={code}").headers["Location"]

        assert sorted(pool.map(enter, range(browsers))) == ["/"] + ["/sign-in"] * (browsers - 1)


def test_a_code_lets_its_own_person_in_whoever_was_there(
    print_app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    with print_app.app_context():
        users = known()
    browser = Browser(print_app)
    browser.get(f"/enter?code={code_for(print_app, users['bob'])}")
    assert "Bob Brown" in browser.get("/").text
    used = code_for(print_app, users["alice"])
    browser.get(f"/enter?code={used}")
    page = browser.get("/").text
    assert "Alice Andersson" in page
    assert "Bob Brown" not in page
    late = Browser(print_app)
    late.get(f"/enter?code={code_for(print_app, users['bob'])}")
    late.get(f"/enter?code={used}")
    assert "Alice Andersson" not in late.get("/").text


@pytest.mark.parametrize("query", ["", "?code=", "?code=guess", "?code=" + "x" * 5000])
def test_no_code_and_guessed_codes_let_nobody_in(print_app: Flask, query: str) -> None:
    browser = Browser(print_app)
    assert browser.get(f"/enter{query}").headers["Location"] == "/sign-in"
    assert browser.get("/").status_code == 302


def test_a_code_of_print_is_nothing_at_net(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]
) -> None:
    print_app, net_app = make_instance(), make_instance(charges=("internet",))
    with print_app.app_context():
        users = known()
    with net_app.app_context():
        known()
    code = code_for(print_app, users["alice"])
    assert Browser(net_app).get(f"/enter?code={code}").headers["Location"] == "/sign-in"
    assert Browser(print_app).get(f"/enter?code={code}").headers["Location"] == "/"


def test_the_code_itself_is_not_stored(print_app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with print_app.app_context():
        users = known()
    code = code_for(print_app, users["alice"])
    with print_app.app_context():
        assert reading().scalars(select(EnterCode.code_hash)).all() == [hashlib.sha256(code.encode()).hexdigest()]


def test_the_portal_gets_a_code_for_the_person_it_names(print_app: Flask) -> None:
    signer = URLSafeTimedSerializer(
        PORTAL_KEY,
        salt="twinpurse.portal",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
    token = signer.dumps({"aud": "print", "sub": "bob", "did": person("bob", "", ()).directory_id, "jti": "one"})
    browser = Browser(print_app)
    answer = browser.client.post("/api/v1/enter-codes", json={}, headers={"Authorization": f"Bearer tpp_{token}"})
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["url"].endswith(f"/enter?code={body['code']}")
    browser.get(f"/enter?code={body['code']}")
    assert "Bob Brown" in browser.get("/").text
