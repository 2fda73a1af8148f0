"""How many people a second a scheduled run credits, beside one bare INSERT ... SELECT and UPDATE."""

from __future__ import annotations

import itertools
import time
from datetime import timedelta

from sqlalchemy import text

from app import clock
from app.db import db, writing
from app.schedules.models import Run
from app.schedules.tasks import credit_run
from tests.bench.place import instance
from tests.bench.table import Row, side_by_side
from tests.jobs.conftest import add_people, add_schedule
from tests.servers.postgres import Postgres

PEOPLE = 20_000
_numbers = itertools.count(1)

BARE = (
    "INSERT INTO entries"
    " (account_id, sequence, amount, balance_after, source, kind, overrun, key, event_at, created_at)"
    " SELECT id, sequence + 1, 2000000, balance + 2000000, 'allocation', 'guarded', 0, CAST(:key AS TEXT) || user_id,"
    " :now, :now FROM accounts",
    "UPDATE accounts SET balance = balance + 2000000, sequence = sequence + 1",
)


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    return [_row("SQLite", ""), _row("PostgreSQL", server.fresh_database())]


def _row(name: str, database_url: str) -> Row:
    with instance(database_url=database_url):
        add_people(PEOPLE)
        add_schedule()
        ours, reference = side_by_side(_run, _bare)
    return Row(
        f"a scheduled run over {PEOPLE:,} people, {name} (beside INSERT..SELECT and UPDATE)",
        "people/s",
        ours,
        reference,
    )


def _run() -> float:
    number = next(_numbers)
    due = clock.now() - timedelta(days=number)
    run = Run(
        schedule_id=1,
        occurrence=f"{due:%Y-%m-%dT%H:%M}",
        due_at=due,
        title="Daily",
        amount=2_000_000,
        top_up="add",
        cap=None,
        everyone=True,
        created_at=due,
    )
    writing(lambda session: session.add(run))
    start = time.perf_counter()
    credit_run(run.id)
    return PEOPLE / (time.perf_counter() - start)


def _bare() -> float:
    values = {"key": f"bare:{next(_numbers)}:", "now": clock.now().replace(tzinfo=None)}
    with db.engine.begin() as connection:
        start = time.perf_counter()
        for statement in BARE:
            connection.execute(text(statement), values)
    return PEOPLE / (time.perf_counter() - start)
