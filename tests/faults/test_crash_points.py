"""A process is killed with SIGKILL at a named point: nothing is half done, and the retry finishes the job, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import reading, writing, writing_at_once
from app.ledger import service as ledger
from app.ledger.models import Account, Entry, Hold
from app.ledger.verify import verify
from app.money import MICRO
from app.schedules import runs
from tests.faults import crashes
from tests.faults.conftest import NOW, Purse
from tests.jobs.conftest import Crowd
from tests.servers.forked import run_one

CHARGES = {
    True: (
        "before UPDATE accounts",
        "after UPDATE accounts",
        "before INSERT INTO entries",
        "after INSERT INTO entries",
    ),
    False: ("before WITH moved", "after WITH moved"),
}
"""The points of one charge, in steps on SQLite and in one statement on PostgreSQL."""


def test_a_charge_is_killed(purse: Purse) -> None:
    left, answered = 100, ["open"]
    points = [(point, False) for point in (*CHARGES[purse.is_sqlite], "after COMMIT")]
    for number, (point, at_once) in enumerate([*points, ("after COMMIT", True)]):
        key, done = f"job:{number}", point == "after COMMIT"
        assert run_one(crashes.charge, purse.folder, point, purse.account_id, key, at_once).was_killed, point
        assert purse.figures() == (left - done, 0), point
        assert purse.keys() == answered + [key] * done, point
        purse.check()
        write = writing_at_once if at_once else writing
        first = purse.charge(key, write)
        assert purse.charge(key, write).id == first.id
        left, answered = left - 1, [*answered, key]
        assert (purse.figures(), purse.keys()) == ((left, 0), answered), point


def test_a_capture_is_killed(purse: Purse) -> None:
    """Of more than was held, so that it books twice."""
    book = "INSERT INTO entries" if purse.is_sqlite else "WITH moved"
    points = ("after UPDATE holds", "after UPDATE accounts", f"after {book}", f"before 2 {book}", f"after 2 {book}")
    left = 100
    for number, point in enumerate((*points, "after COMMIT")):
        hold_id, key, done = place_hold(purse, f"hold:{number}"), f"job:{number}", point == "after COMMIT"
        assert run_one(crashes.capture, purse.folder, point, hold_id, 5, key).was_killed, point
        assert purse.figures() == ((left - 5, 0) if done else (left, 3)), point
        purse.check()
        for _again in range(2):
            entries = writing(partial(crashes.capture_hold, hold_id=hold_id, units=5, key=key))
            assert [(entry.kind, entry.amount // MICRO) for entry in entries] == [("guarded", -3), ("measured", -2)]
        left -= 5
        assert purse.figures() == (left, 0), point


def place_hold(purse: Purse, key: str) -> int:
    """Hold 3.00."""
    more = {"source": "print", "key": key, "now": NOW, "expires_at": NOW + timedelta(hours=1)}

    def work(session: object) -> int:
        placed: Hold = ledger.hold(session, account_id=purse.account_id, amount=3 * MICRO, **more)  # type: ignore[arg-type]
        return placed.id

    return writing(work)


def test_a_run_is_killed_in_a_chunk_and_between_chunks(make_instance: Callable[..., Flask], database_url: str) -> None:
    crowd = Crowd(make_instance(database_url=database_url), 7)
    (run_id,) = crowd.tick()
    move = ("INSERT INTO entries", "UPDATE accounts") if not database_url else ("WITH booked",)
    in_the_second = [f"after 2 {words}" for words in move] if len(move) == 1 else [f"before 2 {move[1]}"]
    with crowd.app.app_context():
        for point, credited in ((f"before {move[-1]}", 0), ("after COMMIT", 2), (in_the_second[0], 4)):
            assert run_one(crashes.credit, crowd.folder, point, run_id, 2).was_killed, point
            reading().rollback()
            assert reading().scalar(select(func.count(Entry.id))) == credited, point
            assert set(reading().scalars(select(Account.balance))) <= {0, 2 * MICRO}, point
            assert crowd.progress()[1] == credited, point
            assert verify(reading()).differences == [], point
        while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=NOW, chunk=2)):
            pass
        reading().rollback()
    crowd.check_everybody_got_it_once()


@pytest.mark.long
def test_a_run_is_killed_at_every_chunk(make_instance: Callable[..., Flask], database_url: str) -> None:
    people = 24
    crowd = Crowd(make_instance(database_url=database_url), people)
    (run_id,) = crowd.tick()
    with crowd.app.app_context():
        for _chunk in range(people):
            assert run_one(crashes.credit, crowd.folder, "after COMMIT", run_id, 1).was_killed
            reading().rollback()
            assert verify(reading()).differences == []
        while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=NOW, chunk=1)):
            pass
        reading().rollback()
    crowd.check_everybody_got_it_once()
