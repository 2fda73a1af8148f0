"""The database takes no writes for a while: locked by somebody, full, or read-only. Nothing is acknowledged or half
done, reading goes on, and when it takes writes again the next request works without a restart."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from app import db as database
from app import engines
from app.db import db, reading
from app.errors import UnavailableError
from app.ledger.verify import verify
from app.money import MICRO
from tests.api.conftest import PRINT, Instance, job
from tests.faults.conftest import Purse
from tests.servers.postgres import Postgres

PAGE = 50_000


def path_of(app: Flask) -> str:
    """The SQLite file of an instance."""
    return str(app.extensions["twinpurse.settings"].folder / "twinpurse.db")


def check_that_nothing_moves(printing: Instance, number: int, uuid: str) -> None:
    """A new job and the capture of one that is held are refused for now; reading goes on."""
    before = printing.figures("alice")
    for answer in (
        printing.call("POST", PRINT, job(job_uuid=uuid)),
        printing.call("POST", f"{PRINT}/{number}/capture", {"run": 1, "pages": 3}),
    ):
        assert (answer.status_code, answer.get_json()["error"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert printing.figures("alice") == before
    with printing.app.app_context():
        assert verify(reading()).differences == []


def check_that_it_goes_on(printing: Instance, number: int, uuid: str) -> None:
    """The same requests, by the same process."""
    balance, _reserved = printing.figures("alice")
    printing.ok("POST", f"{PRINT}/{number}/capture", {"run": 1, "pages": 3})
    assert printing.ok("POST", PRINT, job(job_uuid=uuid))["decision"] == "print"
    assert printing.figures("alice") == (balance - 3 * PAGE, 3 * PAGE)


def on_hold(make_api: Callable[..., Instance], **plan: object) -> tuple[Instance, int]:
    """An instance where alice has 1.00 and a job of three pages is held; and the number of the job."""
    printing = make_api(**plan)
    printing.credit("alice", MICRO)
    return printing, int(printing.ok("POST", PRINT, job())["job"])


def test_a_writer_keeps_the_lock(make_api: Callable[..., Instance], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 1)
    monkeypatch.setattr(database, "GIVE_UP_AFTER_S", 0)
    printing, number = on_hold(make_api)
    other = sqlite3.connect(path_of(printing.app), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    check_that_nothing_moves(printing, number, "urn:uuid:2")
    other.execute("ROLLBACK")
    other.close()
    check_that_it_goes_on(printing, number, "urn:uuid:2")


@pytest.mark.long
def test_a_writer_keeps_the_lock_for_twenty_seconds(make_api: Callable[..., Instance]) -> None:
    printing, number = on_hold(make_api)
    other = sqlite3.connect(path_of(printing.app), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    answer = printing.call("POST", PRINT, job(job_uuid="urn:uuid:2"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert time.monotonic() - started < 40
    other.execute("ROLLBACK")
    other.close()
    check_that_it_goes_on(printing, number, "urn:uuid:2")


@contextmanager
def at_every_begin(pragma: Callable[[Any], str]) -> Iterator[None]:
    """Put a PRAGMA on every connection that begins a transaction; at the end these connections are closed."""

    def begin(connection: Any) -> None:
        connection.exec_driver_sql(pragma(connection)).close()

    event.listen(Engine, "begin", begin)
    try:
        yield
    finally:
        event.remove(Engine, "begin", begin)
        db.session.remove()
        db.engine.dispose()


def test_the_sqlite_file_cannot_grow(make_instance: Callable[..., Flask]) -> None:
    app = make_instance()
    with app.app_context():
        purse = Purse(app)
        with at_every_begin(lambda found: f"PRAGMA max_page_count={_pages(found)}"):
            acknowledged, said = ["open"], ""
            while not said:
                try:
                    acknowledged.append(purse.charge(f"job:{len(acknowledged)}").key)
                except (OperationalError, UnavailableError) as error:
                    said = str(error)
            assert "full" in said or "takes no writes" in said
            assert purse.keys() == acknowledged
            assert purse.figures() == (101 - len(acknowledged), 0)
            purse.check()
        assert purse.charge(f"job:{len(acknowledged)}").sequence == len(acknowledged) + 1
        purse.check()


def _pages(connection: Any) -> int:
    return int(connection.exec_driver_sql("PRAGMA page_count").scalar())


def test_the_door_says_so_when_the_sqlite_file_is_full(make_api: Callable[..., Instance]) -> None:
    printing, number = on_hold(make_api)
    with printing.app.app_context():
        pages = []

        def freeze(connection: Any) -> str:
            pages.append(_pages(connection))
            return f"PRAGMA max_page_count={pages[0]}"

        with at_every_begin(freeze):
            for step in range(200):  # until the file is full
                answer = printing.call("POST", PRINT, job(job_uuid=f"urn:uuid:fill:{step}", pages=0, title="x" * 900))
                if answer.status_code != 200:
                    break
            assert (answer.status_code, answer.get_json()["error"]) == (503, "unavailable")
            assert verify(reading()).differences == []
            reading().rollback()
    check_that_it_goes_on(printing, number, "urn:uuid:2")


def test_the_sqlite_file_is_read_only(make_api: Callable[..., Instance]) -> None:
    printing, number = on_hold(make_api)
    with printing.app.app_context(), at_every_begin(lambda _found: "PRAGMA query_only=1"):
        check_that_nothing_moves(printing, number, "urn:uuid:2")
    check_that_it_goes_on(printing, number, "urn:uuid:2")


def test_postgresql_is_read_only(make_api: Callable[..., Instance], postgres: Postgres, postgres_books: str) -> None:
    """As a server is that has become a standby."""
    url = postgres.fresh_database(postgres_books)
    printing, number = on_hold(make_api, database_url=url)
    name = url.rpartition("/")[2]
    _read_only(printing, postgres, name, "on")
    check_that_nothing_moves(printing, number, "urn:uuid:2")
    _read_only(printing, postgres, name, "off")
    check_that_it_goes_on(printing, number, "urn:uuid:2")


def _read_only(printing: Instance, postgres: Postgres, database_name: str, switch: str) -> None:
    postgres.execute(f"ALTER DATABASE {database_name} SET default_transaction_read_only = {switch}")
    with printing.app.app_context():
        db.session.remove()
        db.engine.dispose()  # what is set for a database counts for new connections
