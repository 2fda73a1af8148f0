"""Wrong passwords are counted by name and by address, in the database, and only those whom we trust say an address."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.people import throttle
from app.people.models import LoginSession, SignInFailure
from directory.interface import BadCredentialsError, DirectoryNearLockoutError, DirectoryUnavailableError
from directory.memory import MemoryDirectory
from directory.throttle import ADDRESS_FAILURES, FREE_FAILURES
from tests.people.conftest import Hand, with_sign_in
from tests.web.browsing import Browser, words_of

Make = Callable[..., Flask]
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def app(make_instance: Make) -> Flask:
    """An instance behind a reverse proxy on this machine, which it trusts."""
    return with_sign_in(make_instance(), trusted_proxies=["127.0.0.1"])


def at(app: Flask, address: str) -> Browser:
    """A browser whose requests come through the proxy from `address`."""
    browser = Browser(app)
    browser.client.environ_base["HTTP_X_FORWARDED_FOR"] = address
    return browser


def counts(app: Flask) -> dict[tuple[str, str], int]:
    """What is counted, by name and address."""
    with app.app_context():
        return {(row.name_key, row.address): row.failures for row in reading().scalars(select(SignInFailure))}


def statuses(browser: Browser, name: str, times: int) -> list[int]:
    """What so many wrong passwords are answered with."""
    return [browser.sign_in(name, "wrong").status_code for _ in range(times)]


def test_twenty_wrong_passwords_from_one_address_keep_nobody_out_at_another(app: Flask, hand: Hand) -> None:
    assert statuses(at(app, HERE), "alice", 20) == [401] * 4 + [429] * 16
    assert at(app, HERE).sign_in("alice").status_code == 429
    assert at(app, THERE).sign_in("alice").status_code == 303
    assert counts(app) == {("alice", HERE): 4, ("", HERE): 4}, "whoever guesses goes on waiting"
    assert at(app, HERE).sign_in("bob").status_code == 303
    hand.on(minutes=31, seconds=1)
    assert at(app, HERE).sign_in("alice").status_code == 303


def test_guesses_from_everywhere_stay_under_the_directorys_lock_out(
    app: Flask, cast: MemoryDirectory, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_questions(cast, monkeypatch)
    answers = [at(app, f"198.51.100.{number}").sign_in("alice", "wrong").status_code for number in range(20)]
    assert answers == [401] * 8 + [429] * 12
    assert len(asked) == 8
    assert at(app, THERE).sign_in("alice").status_code == 429
    hand.on(minutes=31)
    assert at(app, THERE).sign_in("alice").status_code == 303


def test_a_right_password_counts_nowhere(app: Flask) -> None:
    for _ in range(3):
        assert statuses(at(app, HERE), "alice", FREE_FAILURES) == [401] * FREE_FAILURES
        assert at(app, HERE).sign_in("alice").status_code == 303
    assert counts(app) == {("", HERE): 3 * FREE_FAILURES}


def test_one_address_may_not_try_a_password_on_everybody(app: Flask, hand: Hand) -> None:
    with app.app_context():
        for number in range(ADDRESS_FAILURES):
            made = begin(f"pupil{number}", HERE)
            assert made.wait_s == 0
        assert begin("pupil-next", HERE).wait_s == 10
        assert begin("pupil-next", THERE).wait_s == 0
        hand.on(seconds=11)
        assert begin("pupil-next", HERE).wait_s == 0
        assert begin("pupil-last", HERE).wait_s == 20
        hand.on(minutes=10)
        assert begin("pupil-last", HERE).wait_s == 0
    assert counts(app)["", HERE] == 1


def begin(name: str, address: str) -> throttle.Try:
    """Count a try."""
    return writing(
        lambda session: throttle.begin(session, name=name, address=address, lockout_after=10, now=clock.now())
    )


def test_an_outage_is_nobodys_failure_in_any_count(app: Flask, cast: MemoryDirectory, hand: Hand) -> None:
    statuses(at(app, HERE), "alice", 4)
    before = counts(app)
    hand.on(minutes=32)
    cast.failure = DirectoryUnavailableError("refused")
    assert statuses(at(app, HERE), "alice", 6) == [503] * 6
    assert counts(app) == before
    cast.failure = None
    assert at(app, HERE).sign_in("alice").status_code == 303


def test_what_the_directory_says_to_who_has_the_right_password_is_told_and_not_counted(
    app: Flask, cast: MemoryDirectory
) -> None:
    for error, status, words in (
        (BadCredentialsError("password_expired"), 401, "Your network password has expired."),
        (BadCredentialsError("must_change"), 401, "must be changed first"),
        (BadCredentialsError("disabled"), 401, "account is disabled"),
        (BadCredentialsError("account_expired"), 401, "account has expired"),
        (BadCredentialsError("not_now"), 401, "at this hour"),
        (BadCredentialsError("not_here"), 401, "from here"),
        (DirectoryNearLockoutError(), 429, "Too many tries. Wait about 31 minutes, then try again."),
    ):
        cast.failure = error
        response = at(app, HERE).sign_in("alice")
        assert response.status_code == status
        assert words in words_of(response.text)
        assert counts(app) == {}


def test_an_address_in_a_header_of_nobody_trusted_counts_for_nothing(make_instance: Make) -> None:
    app = with_sign_in(make_instance(), trusted_proxies=["192.0.2.0/24", "unix"])
    answers = [at(app, f"198.51.100.{number}").sign_in("alice", "wrong").status_code for number in range(6)]
    assert answers == [401] * 4 + [429] * 2
    assert counts(app) == {("alice", "127.0.0.1"): 4, ("alice", ""): 4}


def test_what_a_browser_writes_before_the_proxy_counts_for_nothing(app: Flask) -> None:
    for number in range(FREE_FAILURES + 1):
        at(app, f"198.51.100.{number}, {HERE}").sign_in("alice", "wrong")
    assert at(app, f"203.0.113.9, {HERE}").sign_in("alice").status_code == 429


def test_the_session_knows_where_it_came_from(app: Flask) -> None:
    browser = at(app, "2001:db8::7")
    browser.client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux) Firefox/130.0\x07" + "x" * 500
    browser.sign_in("alice")
    with app.app_context():
        login = reading().scalars(select(LoginSession)).one()
    assert (login.address, login.way, len(login.agent)) == ("2001:db8::7", "password", 256)
    assert login.agent.isprintable()


def count_questions(cast: MemoryDirectory, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have every sign-in that reaches the directory written down."""
    asked: list[str] = []
    authenticate = cast.authenticate

    def counted(username: str, password: str) -> object:
        asked.append(username)
        return authenticate(username, password)

    monkeypatch.setattr(cast, "authenticate", counted)
    return asked


def test_tries_at_once_do_not_pass_together(
    make_instance: Make, cast: MemoryDirectory, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_instance(database_url=database_url)
    asked = count_questions(cast, monkeypatch)
    token_holders = [Browser(app) for _ in range(8)]
    forms = [{"csrf_token": each.token("/sign-in"), "username": "alice", "password": "wrong"} for each in token_holders]
    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(each.client.post, "/sign-in", data=form)
            for each, form in zip(token_holders, forms, strict=True)
        ]
        answers = sorted(each.result().status_code for each in sent)
    assert answers == [401] * (FREE_FAILURES + 1) + [429] * (7 - FREE_FAILURES)
    assert len(asked) == FREE_FAILURES + 1
    assert counts(app) == {("alice", "127.0.0.1"): 4, ("alice", ""): 4}
    with app.app_context():
        made = begin("bob", HERE)
        writing(lambda session: throttle.take_back(session, made=made))
        right = begin("carol", HERE)
        writing(lambda session: throttle.forgive(session, made=right))
    assert set(counts(app)) == {("alice", "127.0.0.1"), ("alice", "")}
