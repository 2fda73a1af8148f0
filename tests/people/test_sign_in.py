"""Signing in: one answer for every wrong pair, a brake before the directory, and only ways on this site."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.db import reading
from app.people.models import LoginSession
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory
from directory.throttle import FREE_FAILURES
from tests.people.conftest import Hand
from tests.web.browsing import Browser, words_of


def body_of(response: TestResponse, typed: str) -> str:
    """The page without what differs each time: the token of its forms, and the name that was typed."""
    page = re.sub(r'(name="csrf_token"[^>]*value=")[^"]+', r"\1TOKEN", response.text)
    return page.replace(f' value="{typed}"', "")


def test_right_name_and_password_lead_to_the_page_that_was_asked_for(print_app: Flask) -> None:
    browser = Browser(print_app)
    response = browser.get("/statement?kind=credits&from=2026-11-01")
    assert response.status_code == 302
    address = response.headers["Location"]
    assert address == "/sign-in?next=%2Fstatement%3Fkind%3Dcredits%26from%3D2026-11-01"
    asked_for = re.search(r'name="next" value="([^"]+)"', browser.get(address).text)
    assert asked_for
    response = browser.sign_in("alice", next=asked_for.group(1).replace("&amp;", "&"))
    assert (response.status_code, response.headers["Location"]) == (303, "/statement?kind=credits&from=2026-11-01")
    assert browser.get("/").status_code == 200


def test_the_name_may_be_typed_in_any_case(print_app: Flask) -> None:
    browser = Browser(print_app)
    assert browser.sign_in("ALICE", "demo-alice").status_code == 303
    assert "Alice Andersson" in browser.get("/").text


@pytest.mark.parametrize("evil", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_a_way_to_another_site_is_not_followed(print_app: Flask, evil: str) -> None:
    browser = Browser(print_app)
    form = browser.get("/sign-in", query_string={"next": evil}).text.partition("</main>")[0]
    assert "evil" not in form
    assert browser.sign_in("alice", next=evil).headers["Location"] == "/"
    assert browser.get("/sign-in", query_string={"next": evil}).headers["Location"] == "/"


def test_every_wrong_pair_gets_the_same_answer(print_app: Flask) -> None:
    pairs = [
        ("alice", "wrong"),
        ("alice", ""),
        ("nobody", "demo-alice"),
        ("", "demo-alice"),
        ("", ""),
        ("alice", "x" * 2000),
        ("al*ce)(uid=*", "demo-alice"),
    ]
    answers = set()
    for name, password in pairs:
        response = Browser(print_app).sign_in(name, password)
        answers.add((response.status_code, body_of(response, name)))
    assert {status for status, _ in answers} == {401}
    assert len(answers) == 1


def test_the_password_never_comes_back(print_app: Flask) -> None:
    page = Browser(print_app).sign_in("alice", "hunter2-secret").text
    assert "hunter2-secret" not in page
    assert 'value="alice"' in page


def test_a_name_that_failed_too_often_waits_and_the_directory_is_left_alone(
    print_app: Flask, cast: MemoryDirectory, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(cast, "authenticate", _counting(cast.authenticate, asked))
    browser = Browser(print_app)
    for _ in range(FREE_FAILURES + 1):
        assert browser.sign_in("alice", "wrong").status_code == 401
    refused = browser.sign_in("alice")
    assert refused.status_code == 429
    assert "Too many tries. Wait about 31 minutes, then try again." in words_of(refused.text)
    assert len(asked) == FREE_FAILURES + 1
    assert Browser(print_app).sign_in("ALICE ", "demo-alice").status_code == 429
    assert Browser(print_app).sign_in("bob").status_code == 303
    hand.on(minutes=31, seconds=1)
    assert browser.sign_in("alice").status_code == 303


def test_an_unknown_name_is_braked_like_a_known_one(print_app: Flask, hand: Hand) -> None:
    browser = Browser(print_app)
    statuses = [[browser.sign_in(name, "wrong").status_code for _ in range(6)] for name in ("alice", "nobody")]
    assert statuses[0] == statuses[1]
    assert 429 in statuses[0]


def test_a_right_password_clears_the_count(print_app: Flask, hand: Hand) -> None:
    for _ in range(3):
        assert [Browser(print_app).sign_in("alice", "wrong").status_code for _ in range(FREE_FAILURES)] == [401] * 3
        assert Browser(print_app).sign_in("alice").status_code == 303


def test_an_outage_of_the_directory_is_said_and_is_nobodys_failure(print_app: Flask, cast: MemoryDirectory) -> None:
    cast.failure = DirectoryUnavailableError("refused")
    browser = Browser(print_app)
    for _ in range(FREE_FAILURES + 3):
        response = browser.sign_in("alice")
        assert response.status_code == 503
    assert "directory does not answer" in words_of(response.text)
    cast.failure = None
    assert browser.sign_in("alice").status_code == 303


def test_a_form_without_its_token_signs_nobody_in(print_app: Flask) -> None:
    browser = Browser(print_app)
    response = browser.client.post("/sign-in", data={"username": "alice", "password": "demo-alice"})
    assert response.status_code == 400
    assert browser.get("/").status_code == 302
    with print_app.app_context():
        assert reading().scalar(select(func.count()).select_from(LoginSession)) == 0


def _counting(authenticate: Callable[[str, str], object], asked: list[str]) -> Callable[[str, str], object]:
    def counted(username: str, password: str) -> object:
        asked.append(username)
        return authenticate(username, password)

    return counted
