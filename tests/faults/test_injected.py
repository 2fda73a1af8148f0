"""A statement fails with what a busy database says: the whole work runs again, and is done once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.db import AtOnceSession, writing, writing_at_once
from app.ledger import service as ledger
from app.ledger.batch import Posting, post_many
from app.money import MICRO
from tests.faults.conftest import NOW, Purse, charge_one

STATES = ("40001", "40P01", "23505")
"""Serialisation failure, deadlock, a unique key that somebody else was quicker with (PostgreSQL manual, 13.5)."""
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'test' USING ERRCODE = '{state}'; END $$"


class Injection:
    """Counts statements, and lets the `nth` fail once."""

    def __init__(self, nth: int, state: str) -> None:
        self.nth, self.state = nth, state
        self.seen = 0

    def __call__(
        self, connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> tuple[str, Any]:
        if statement.startswith(("PRAGMA", "BEGIN", "SET")):
            return statement, parameters
        self.seen += 1
        if self.seen != self.nth:
            return statement, parameters
        if connection.dialect.name == "sqlite":
            raise sqlite3.OperationalError("database is locked")
        return RAISE.format(state=self.state), [()] if many else ()

    @property
    def was_reached(self) -> bool:
        """Whether there was an nth statement."""
        return self.seen >= self.nth


@contextmanager
def injected(nth: int, state: str = "") -> Iterator[Injection]:
    """Let the nth statement from now on fail with this state, or on SQLite as locked."""
    injection = Injection(nth, state)
    event.listen(Engine, "before_cursor_execute", injection, retval=True)
    try:
        yield injection
    finally:
        event.remove(Engine, "before_cursor_execute", injection)


def pay_in_every_way(purse: Purse, name: str, tries: list[str]) -> Callable[[Any], object]:
    """Return work that uses every verb of the books: it costs 7.00."""
    more = {"now": NOW, "title": "job"}

    def work(session: Any) -> object:
        tries.append(name)
        charged = charge_one(session, purse.account_id, f"{name}:charge")
        ledger.reverse(session, entry_id=charged.id, key=f"{name}:back", **more)  # type: ignore[arg-type]
        held = {"source": "print", "now": NOW, "expires_at": NOW + timedelta(hours=1)}
        placed = ledger.hold(
            session,
            account_id=purse.account_id,
            amount=3 * MICRO,
            key=f"{name}:hold",
            **held,  # type: ignore[arg-type]
        )
        ledger.capture(session, hold_id=placed.id, amount=5 * MICRO, key=f"{name}:end", **more)  # type: ignore[arg-type]
        asked = Posting(account_id=purse.account_id, amount=-MICRO, source="print", key="")
        postings = [Posting(**_fields(asked) | {"key": f"{name}:batch:{number}"}) for number in range(2)]
        return post_many(session, postings=postings, now=NOW)

    return work


def _fields(posting: Posting) -> dict[str, Any]:
    return {name: getattr(posting, name) for name in ("account_id", "amount", "source", "key")}


def test_whichever_statement_fails_the_work_is_done_once(purse: Purse) -> None:
    done, nth, reached = 0, 0, True
    while reached:
        nth += 1
        state, tries, name = STATES[nth % 3], list[str](), f"n{nth}"
        with injected(nth, state) as injection:
            outcomes = writing(pay_in_every_way(purse, name, tries))
        reached = injection.was_reached
        assert len(tries) == 1 + reached, (nth, state)
        assert [outcome.new for outcome in outcomes] == [True, True]  # type: ignore[attr-defined]
        done += 1
        assert purse.figures() == (100 - 7 * done, 0), (nth, state)
        if purse.figures()[0] < 10:
            writing(lambda session: _fill(session, purse, nth))  # noqa: B023
            done -= 10
        keys = purse.keys()
        assert len(keys) == len(set(keys))
        assert sum(key.startswith(f"{name}:") for key in keys) == 6
    assert nth > 12


def _fill(session: Any, purse: Purse, number: int) -> None:
    more = {"source": "adjustment", "now": NOW, "title": "fill"}
    ledger.post(session, account_id=purse.account_id, amount=70 * MICRO, key=f"fill:{number}", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lost", "state"), [*(("the statement", state) for state in STATES), ("the answer", "")], ids=[*STATES, "answer"]
)
def test_an_entry_that_is_written_at_once_is_written_once(
    make_instance: Callable[..., Flask], postgres: Any, postgres_books: str, state: str, lost: str, monkeypatch: Any
) -> None:
    """ "the answer": PostgreSQL has committed already when the connection breaks."""
    whole, tries = AtOnceSession.run, []

    def run(session: AtOnceSession, statement: str, values: Any) -> Any:
        tries.append(1)
        if len(tries) > 1:
            return whole(session, statement, values)
        if lost == "the statement":
            return whole(session, RAISE.format(state=state), {})
        whole(session, statement, values)
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(AtOnceSession, "run", run)
    app = make_instance(database_url=postgres.fresh_database(postgres_books))
    with app.app_context():
        purse = Purse(app)
        tries.clear()
        entry = purse.charge("job", writing_at_once)
        assert len(tries) == 2
        assert purse.keys() == ["open", "job"]
        assert (entry.key, entry.sequence, purse.figures()) == ("job", 2, (99, 0))
        purse.check()
