"""Signing in and out at the portal: one answer for every failure, sessions that end, and the brake."""

from __future__ import annotations

import re
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from directory.interface import DirectoryUnavailableError, Person
from directory.memory import MemoryDirectory
from directory.refusals import WRONG
from directory.throttle import FREE_FAILURES, delay_s
from portal import pages
from portal.factory import create_app
from portal.signin import SignIn
from tests.portal.conftest import PASSWORD, Clock, csrf_of, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub


def test_the_start_page_asks_who_it_is(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.location) == (302, "/sign-in")
    assert "Sign in to see your purses" in text_of(client.get("/sign-in"))


def test_signing_in_shows_the_purses(client: FlaskClient) -> None:
    answer = sign_in(client, "  MARA ", PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/")
    assert "Hello Mara." in text_of(client.get("/"))
    assert client.get("/sign-in").location == "/"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("mara", "wrong"),
        ("mara", ""),
        ("", ""),
        ("", PASSWORD),
        ("nobody", PASSWORD),
        ("*", PASSWORD),
        ("mara\x00", PASSWORD),
        ("m" * 5000, PASSWORD),
        ("mara", "p" * 5000),
    ],
)
def test_every_failure_gets_the_same_answer(client: FlaskClient, username: str, password: str) -> None:
    answer = sign_in(client, username, password)
    page = re.sub(r'value="[^"]*"', "", answer.get_data(as_text=True))
    other = re.sub(r'value="[^"]*"', "", sign_in(client, "zacharias", "x").get_data(as_text=True))
    assert answer.status_code == 401
    assert WRONG in page
    assert page == other
    assert password not in page or not password
    assert client.get("/").location == "/sign-in"


def test_a_missing_form_field_is_a_failure_like_any_other(client: FlaskClient) -> None:
    token = csrf_of(client.get("/sign-in"))
    answer = client.post("/sign-in", data={"csrf_token": token})
    assert answer.status_code == 401
    assert WRONG in answer.get_data(as_text=True)


def test_a_directory_that_is_away_is_said_and_not_counted(client: FlaskClient, directory: MemoryDirectory) -> None:
    directory.failure = DirectoryUnavailableError("no server answers")
    for _ in range(FREE_FAILURES + 3):
        answer = sign_in(client)
        assert answer.status_code == 503
        assert "directory does not answer" in text_of(answer)
    directory.failure = None
    assert sign_in(client).status_code == 303


@pytest.mark.parametrize("username", ["mara", "nobody"])
def test_the_brake_holds_known_and_unknown_names_alike(client: FlaskClient, clock: Clock, username: str) -> None:
    for _ in range(FREE_FAILURES + 1):
        assert sign_in(client, username, "wrong").status_code == 401
    braked = sign_in(client, username.upper(), PASSWORD)
    assert braked.status_code == 429
    assert "Too many tries. Wait 31 minutes, then try again." in text_of(braked)
    assert sign_in(client, "ben", "demo-ben").status_code == 303
    client.post("/sign-out", data={"csrf_token": csrf_of(client.get("/"))})
    clock.forward(seconds=delay_s(FREE_FAILURES + 1) + 1)
    assert sign_in(client, username, PASSWORD).status_code == (303 if username == "mara" else 401)


def test_a_clock_that_is_put_back_locks_nobody_out(client: FlaskClient, clock: Clock) -> None:
    assert sign_in(client, "mara", "wrong").status_code == 401
    clock.forward(hours=-1)
    assert sign_in(client).status_code == 303


def test_a_right_password_clears_the_count(client: FlaskClient) -> None:
    for _ in range(3):
        for _ in range(FREE_FAILURES):
            assert sign_in(client, "mara", "wrong").status_code == 401
        assert sign_in(client).status_code == 303
        client.post("/sign-out", data={"csrf_token": csrf_of(client.get("/"))})


def test_many_tries_at_once_do_not_pass_together(
    app: Flask, directory: MemoryDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    authenticate = directory.authenticate

    def note_and_ask(username: str, password: str) -> Person:
        asked.append(username)
        return authenticate(username, password)

    monkeypatch.setattr(directory, "authenticate", note_and_ask)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(sign_in(app.test_client(), "mara", "wrong").status_code))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == FREE_FAILURES + 1
    assert sorted(answers) == [401] * len(asked) + [429] * (12 - len(asked))


def test_a_cookie_copied_before_signing_out_is_worth_nothing(app: Flask, mara: FlaskClient) -> None:
    cookie = mara.get_cookie("portal_session")
    assert cookie is not None
    thief = app.test_client()
    thief.set_cookie("portal_session", cookie.value)
    assert thief.get("/").status_code == 200
    token = csrf_of(mara.get("/"))
    answer = mara.post("/sign-out", data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert thief.get("/").location == "/sign-in"
    assert mara.get("/").location == "/sign-in"


def test_an_idle_session_ends_after_thirty_minutes(mara: FlaskClient, clock: Clock) -> None:
    for _ in range(3):
        clock.forward(minutes=29)
        assert mara.get("/").status_code == 200
    clock.forward(minutes=30)
    assert mara.get("/").location == "/sign-in"


def test_a_page_that_loads_itself_does_not_keep_a_session_alive(mara: FlaskClient, clock: Clock) -> None:
    for _ in range(2):
        clock.forward(minutes=14)
        assert mara.get("/?retry=auto").status_code == 200
    clock.forward(minutes=2)
    assert mara.get("/?retry=auto").location == "/sign-in"


def test_no_session_lives_longer_than_twelve_hours(mara: FlaskClient, clock: Clock) -> None:
    for _ in range(35):
        clock.forward(minutes=20)
        assert mara.get("/").status_code == 200
    clock.forward(minutes=20)
    assert mara.get("/").location == "/sign-in"


def test_signing_in_starts_a_fresh_session(client: FlaskClient) -> None:
    before = csrf_of(client.get("/sign-in"))
    sign_in(client)
    first = client.get_cookie("portal_session")
    assert client.post("/sign-out", data={"csrf_token": before}).status_code == 400
    client.post("/sign-out", data={"csrf_token": csrf_of(client.get("/"))})
    sign_in(client)
    second = client.get_cookie("portal_session")
    assert first is not None
    assert second is not None
    assert first.value != second.value


def test_who_wanted_into_an_instance_gets_there(client: FlaskClient) -> None:
    assert client.get("/go/net").location == "/sign-in?next=/go/net"
    assert 'name="next" value="/go/net"' in client.get("/sign-in?next=/go/net").get_data(as_text=True)
    assert sign_in(client, next="/go/net").location == "/go/net"


@pytest.mark.parametrize("following", ["//evil.example", "https://evil.example", "/\\evil", "/go/elsewhere", "", "/x"])
def test_no_other_address_is_gone_to(client: FlaskClient, following: str) -> None:
    assert sign_in(client, next=following).location == "/"
    assert client.get("/theme", query_string={"value": "dark", "next": following}).location == "/"


def test_the_store_is_private_and_holds_no_token_and_no_password(mara: FlaskClient, app: Flask, tmp_path: Path) -> None:
    mara.get("/")
    path = tmp_path / "portal" / "portal.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with mara.session_transaction() as session:
        token = session["_user_id"]
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    assert "id-mara" in dump
    assert token not in dump
    assert PASSWORD not in dump


def test_another_portal_with_the_same_key_does_not_know_the_session(
    mara: FlaskClient, tmp_path: Path, directory: MemoryDirectory, print_stub: InstanceStub, net_stub: InstanceStub
) -> None:
    folder = write_folder(tmp_path / "other", [print_stub, net_stub])
    other = create_app(folder, directory=directory).test_client()
    cookie = mara.get_cookie("portal_session")
    assert cookie is not None
    other.set_cookie("portal_session", cookie.value)
    assert other.get("/").location == "/sign-in"


def test_only_one_function_signs_people_in() -> None:
    root = Path(pages.__file__).parent
    calls = [path.name for path in root.glob("*.py") for line in path.read_text().splitlines() if "login_user(" in line]
    assert calls == ["signin.py"]
    assert SignIn.sign_in.__doc__
