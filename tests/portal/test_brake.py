"""The brake before the directory, and what a directory or a store in trouble costs the people who sign in."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from directory.gate import GatedDirectory
from directory.interface import BadCredentialsError, DirectoryNearLockoutError, DirectoryUnavailableError, Person
from directory.memory import MemoryDirectory, MemoryPerson
from directory.throttle import FREE_FAILURES, delay_s, rules_of_try
from portal import pages
from portal.factory import create_app
from portal.store import Store
from tests.portal.conftest import PASSWORD, Clock, csrf_of, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub

NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)


def counted(folder: Path) -> list[tuple[str, str, int, float]]:
    """The counts as they lie in the portal's file: name, address, failures, when the last one was."""
    with closing(sqlite3.connect(folder / "portal.db")) as connection:
        return connection.execute(
            "SELECT name_key, address, failures, last_at FROM sign_in_tries ORDER BY 1, 2"
        ).fetchall()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the portal's file for writing, as another process may."""
    with closing(sqlite3.connect(folder / "portal.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "spelling", ["\uff4dara", "\U0001d426ara", "MARA ", "m\u00e1ra", "ma\u00adra", "mar\u24d0", "mara\u200b"]
)
def test_another_spelling_of_a_name_does_not_pass_the_brake(client: FlaskClient, spelling: str) -> None:
    for _ in range(FREE_FAILURES + 1):
        assert sign_in(client, "mara", "wrong").status_code == 401
    assert sign_in(client, spelling, "wrong").status_code == 429


def test_every_spelling_is_counted_together(app: Flask, tmp_path: Path) -> None:
    for spelling in ("mara", "\uff4dara", "\U0001d426ara", "m\u00e1ra"):
        assert sign_in(app.test_client(), spelling, "wrong").status_code == 401
    assert [row[:3] for row in counted(tmp_path / "portal")] == [("mara", "", 4), ("mara", "127.0.0.1", 4)]
    assert sign_in(app.test_client()).status_code == 429


@pytest.mark.parametrize(("username", "password"), [("mara", ""), ("mara", "a\x00b"), ("mara", "p" * 2000), ("", "x")])
def test_what_the_directory_is_never_asked_is_no_try(
    client: FlaskClient, tmp_path: Path, username: str, password: str
) -> None:
    for _ in range(FREE_FAILURES + 3):
        assert sign_in(client, username, password).status_code == 401
    assert counted(tmp_path / "portal") == []
    assert sign_in(client).status_code == 303


def test_an_outage_after_the_wait_does_not_begin_the_wait_again(
    client: FlaskClient, directory: MemoryDirectory, clock: Clock, tmp_path: Path
) -> None:
    for _ in range(FREE_FAILURES + 1):
        sign_in(client, "mara", "wrong")
    before = counted(tmp_path / "portal")
    clock.forward(seconds=delay_s(FREE_FAILURES + 1) + 1)
    directory.failure = DirectoryUnavailableError("no server answers")
    assert [sign_in(client).status_code for _ in range(2)] == [503, 503]
    assert counted(tmp_path / "portal") == before
    directory.failure = None
    assert sign_in(client).status_code == 303


def test_an_outage_leaves_no_count_where_there_was_none(
    client: FlaskClient, directory: MemoryDirectory, tmp_path: Path
) -> None:
    directory.failure = DirectoryUnavailableError("no server answers")
    assert sign_in(client).status_code == 503
    assert counted(tmp_path / "portal") == []


def test_tries_at_once_are_taken_back_each_by_itself(tmp_path: Path) -> None:
    store, rules = Store(tmp_path), rules_of_try("mara", "192.0.2.1", 10)
    began = [store.begin_try(rules, NOON + timedelta(seconds=number)) for number in range(3)]
    assert [each.wait_s for each in began] == [0, 0, 0]
    store.take_back_try(began[0])
    assert [row[2] for row in counted(tmp_path)] == [2, 2, 2], "the two others are still counted"
    store.take_back_try(began[2])
    assert [row[2] for row in counted(tmp_path)] == [1, 1, 1]
    store.take_back_try(began[1])
    assert counted(tmp_path) == []
    store.take_back_try(began[1])
    assert counted(tmp_path) == [], "a right password has cleared the count in between"


def test_a_store_that_fails_too_does_not_hide_that_the_directory_is_away(
    client: FlaskClient, directory: MemoryDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "take_back_try", fail)
    directory.failure = DirectoryUnavailableError("no server answers")
    assert sign_in(client).status_code == 503


class HangingDirectory(MemoryDirectory):
    """A fake that hangs until it is let go: a real server cannot be told to let go at a given moment."""

    def __init__(self) -> None:
        super().__init__([])
        self.let_go = threading.Event()
        self.asked = 0

    def authenticate(self, username: str, password: str) -> Person:
        """Hang, then fail."""
        self.asked += 1
        self.let_go.wait(20)
        raise DirectoryUnavailableError("no answer in time")


def test_a_directory_that_hangs_keeps_two_requests_and_no_more(
    tmp_path: Path, print_stub: InstanceStub, clock: Clock
) -> None:
    hanging = HangingDirectory()
    folder = write_folder(tmp_path / "portal", [print_stub])
    app = create_app(folder, directory=GatedDirectory(hanging), clock=clock)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda name=name: answers.append(sign_in(app.test_client(), name, "x").status_code))
        for name in ("ann", "bea", "cid", "dan", "eve", "fay")
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 5
    while len(answers) < 4 and time.monotonic() < until:
        time.sleep(0.02)
    assert answers == [503] * 4
    hanging.let_go.set()
    for thread in threads:
        thread.join(5)
    assert hanging.asked == 2
    assert answers == [503] * 6
    assert counted(folder) == []


def test_the_portal_asks_its_directory_through_the_gate(tmp_path: Path, print_stub: InstanceStub) -> None:
    app = create_app(write_folder(tmp_path / "portal", [print_stub]))
    assert isinstance(app.extensions[pages.EXTENSION].signin._directory, GatedDirectory)


def test_a_locked_store_costs_a_reader_no_page(
    mara: FlaskClient, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock.forward(minutes=2)
    with locked(tmp_path / "portal"):
        began = time.monotonic()
        assert mara.get("/").status_code == 200
        assert time.monotonic() - began < 2
    assert "could not keep when a session was used" in caplog.text
    assert mara.get("/").status_code == 200


def test_a_locked_store_still_ends_an_old_session(
    mara: FlaskClient, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock.forward(minutes=31)
    with locked(tmp_path / "portal"):
        assert mara.get("/").location == "/sign-in"
    assert "could not end a session" in caplog.text
    assert mara.get("/").location == "/sign-in"


def test_a_store_that_takes_no_writes_costs_a_reader_no_page(
    mara: FlaskClient, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is told to refuse writes; on a full disk it raises the same OperationalError with other words."""
    connect = sqlite3.connect

    def connect_for_reading(*args: object, **named: object) -> sqlite3.Connection:
        connection = connect(*args, **named)  # type: ignore[call-overload]
        connection.execute("PRAGMA query_only = ON")
        return connection  # type: ignore[no-any-return]

    clock.forward(minutes=2)
    monkeypatch.setattr("portal.store.sqlite3.connect", connect_for_reading)
    assert mara.get("/").status_code == 200


def test_signing_out_is_never_said_when_it_did_not_happen(mara: FlaskClient, tmp_path: Path) -> None:
    token = csrf_of(mara.get("/"))
    with locked(tmp_path / "portal"):
        assert mara.post("/sign-out", data={"csrf_token": token}).status_code == 500
    assert mara.get("/").status_code == 200
    assert mara.post("/sign-out", data={"csrf_token": token}).status_code == 303


def test_the_right_password_is_still_right(client: FlaskClient) -> None:
    assert sign_in(client, "  MARA ", PASSWORD).status_code == 303


def test_twenty_wrong_passwords_from_one_address_keep_nobody_out_at_another(
    tmp_path: Path, directory: MemoryDirectory, clock: Clock, print_stub: InstanceStub
) -> None:
    folder = write_folder(tmp_path / "portal", [print_stub])
    config = folder / "portal.toml"
    config.write_text(
        config.read_text().replace("[directory]", '[sign_in]\ntrusted_proxies = ["127.0.0.1"]\n[directory]')
    )
    app = create_app(folder, directory=directory, clock=clock)
    here, there = app.test_client(), app.test_client()
    here.environ_base["HTTP_X_FORWARDED_FOR"], there.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.1", "192.0.2.2"
    assert [sign_in(here, "mara", "wrong").status_code for _ in range(20)] == [401] * 4 + [429] * 16
    assert sign_in(there).status_code == 303
    assert [row[:3] for row in counted(folder)] == [("", "192.0.2.1", 4), ("mara", "192.0.2.1", 4)]
    for number in range(20):
        client = app.test_client()
        client.environ_base["HTTP_X_FORWARDED_FOR"] = f"198.51.100.{number}"
        assert sign_in(client, "mara", "wrong").status_code == (401 if number < 8 else 429)


def test_who_has_the_right_password_is_told_why_not(client: FlaskClient, directory: MemoryDirectory) -> None:
    directory.failure = BadCredentialsError("password_expired")
    for _ in range(FREE_FAILURES + 2):
        answer = sign_in(client)
        assert (answer.status_code, "Your network password has expired." in text_of(answer)) == (401, True)
    directory.failure = DirectoryNearLockoutError()
    answer = sign_in(client)
    assert (answer.status_code, "Too many tries. Wait 31 minutes" in text_of(answer)) == (429, True)
    directory.failure = None
    assert sign_in(client).status_code == 303


def test_who_is_disabled_or_gone_is_out_after_a_quarter_of_an_hour(
    app: Flask, directory: MemoryDirectory, clock: Clock
) -> None:
    clients = [app.test_client() for _ in range(3)]
    for client, name in zip(clients, ("mara", "mara", "ben"), strict=True):
        assert sign_in(client, name, f"demo-{name}").status_code == 303
    mara = directory.find("mara")
    assert mara is not None
    directory.remove("mara")
    directory.put(MemoryPerson(replace(mara, disabled=True), PASSWORD))
    directory.remove("ben")
    clock.forward(minutes=14)
    assert [client.get("/").status_code for client in clients] == [200] * 3
    clock.forward(minutes=1)
    assert [client.get("/").status_code for client in clients] == [302] * 3


def test_a_directory_that_is_away_signs_nobody_out(mara: FlaskClient, directory: MemoryDirectory, clock: Clock) -> None:
    directory.failure = DirectoryUnavailableError("no server answers")
    for _ in range(4):
        clock.forward(minutes=20)
        assert mara.get("/").status_code == 200
