"""Transactions: all or nothing, tried again when that helps, given up in time, and private files."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import db as database
from app import engines
from app.db import db, reading, writing
from app.errors import UnavailableError
from app.people.models import Group
from app.settings import Settings
from tests.servers.postgres import Postgres


def add_group(name: str) -> Callable[[Session], None]:
    return lambda session: session.add(Group(name=name, name_key=name))


def names() -> list[str]:
    reading().rollback()
    return list(reading().scalars(select(Group.name).order_by(Group.name)))


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str) -> Flask:
    """An instance on each database."""
    return make_instance(database_url=database_url)


def test_a_failure_half_way_leaves_nothing(app: Flask) -> None:
    def fail(session: Session) -> None:
        add_group("a")(session)
        session.flush()
        raise ZeroDivisionError

    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            writing(fail)
        assert names() == []
        writing(add_group("a"))
        assert names() == ["a"]


def test_the_whole_work_runs_again_when_two_insert_the_same_key(app: Flask) -> None:
    def once(_number: int) -> None:
        def work(session: Session) -> None:
            if session.scalar(select(Group).where(Group.name == "same")) is None:
                time.sleep(0.05)
                add_group("same")(session)

        with app.app_context():
            writing(work)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(once, range(6)))
    with app.app_context():
        assert names() == ["same"]


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_serialisation_failures_and_deadlocks_are_tried_again_and_then_given_up(
    make_instance: Callable[..., Flask], postgres: Postgres, state: str
) -> None:
    app = make_instance(database_url=postgres.fresh_database())
    tries = []

    def work(session: Session, fail_times: int) -> int:
        tries.append(1)
        add_group(f"g{len(tries)}")(session)
        session.flush()
        if len(tries) <= fail_times:
            session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'test' USING ERRCODE = '{state}'; END $$"))
        return len(tries)

    with app.app_context():
        assert writing(lambda session: work(session, 2)) == 3
        assert names() == ["g3"]
        with pytest.raises(UnavailableError):
            writing(lambda session: work(session, 999))
        assert names() == ["g3"]


def test_a_lock_that_is_held_too_long_is_given_up_in_time(
    make_instance: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 1)
    monkeypatch.setattr(database, "GIVE_UP_AFTER_S", 2, raising=False)
    app = make_instance()
    path = app.extensions["twinpurse.settings"].folder / "twinpurse.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with app.app_context():
        start = time.monotonic()
        with pytest.raises(UnavailableError):
            writing(add_group("late"))
        assert time.monotonic() - start < 5
        assert names() == []  # readers go on while somebody writes
        other.execute("ROLLBACK")
        writing(add_group("late"))
        assert names() == ["late"]
    other.close()


def test_a_wrong_statement_is_not_tried_again(app: Flask) -> None:
    tries = []

    def work(session: Session) -> None:
        tries.append(1)
        session.execute(text("INSERT INTO usage_carries (user_id, rest, bytes) VALUES (1, 0, 0)"))

    with app.app_context(), pytest.raises(IntegrityError):
        writing(work)
    assert len(tries) == 1


@pytest.mark.long
def test_a_database_that_went_away_is_unavailable_and_comes_back(make_instance: Callable[..., Flask]) -> None:
    with Postgres() as server:
        app = make_instance(database_url=server.fresh_database())
        with app.app_context():
            writing(add_group("before"))
            assert names() == ["before"]
            reading().rollback()
            server.child.stop()
            start = time.monotonic()
            with pytest.raises(UnavailableError):
                writing(add_group("away"))
            assert time.monotonic() - start < 10
            server.child.start()
            wait_until_it_answers(server)
            writing(add_group("after"))
            assert names() == ["after", "before"]
            reading().rollback()


def wait_until_it_answers(server: Postgres) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return


def test_a_reading_session_refuses_to_write(app: Flask) -> None:
    with app.app_context():
        reading().add(Group(name="x", name_key="x"))
        with pytest.raises(RuntimeError, match="reading session"):
            reading().flush()
        reading().rollback()


def test_instants_come_back_aware_and_a_naive_one_is_refused(app: Flask) -> None:
    kind = database.UtcDateTime()
    with app.app_context():
        dialect = db.engine.dialect
    east = datetime(2026, 11, 23, 7, 0, tzinfo=timezone(timedelta(hours=5)))
    bound = kind.process_bind_param(east, dialect)
    assert bound is not None
    assert kind.process_result_value(bound, dialect) == east
    assert kind.process_result_value(bound, dialect).tzinfo is UTC  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="zone"):
        kind.process_bind_param(datetime(2026, 11, 23), dialect)  # noqa: DTZ001 - that is the case


def test_the_database_file_belongs_to_its_owner_alone(make_instance: Callable[..., Flask]) -> None:
    before = os.umask(0o022)
    try:
        app = make_instance()
        with app.app_context():
            writing(add_group("a"))
            settings: Settings = app.extensions["twinpurse.settings"]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.folder.glob("twinpurse.db*")}
    finally:
        os.umask(before)
    assert modes["twinpurse.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_what_keeps_sqlite_safe_is_on(make_instance: Callable[..., Flask]) -> None:
    with make_instance().app_context():
        found = {
            name: reading().scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}
