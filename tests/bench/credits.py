"""How many people a second a scheduled run with a cap credits, beside one hand-written transaction."""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import func, select, text, update

from app import clock
from app.db import db, reading, writing
from app.factory import create_app
from app.ledger.models import Account, Entry
from app.money import MICRO
from app.schedules.models import Run
from app.schedules.tasks import credit_run
from app.settings import Settings
from directory.memory import MemoryDirectory
from tests.bench.place import Place, filled
from tests.bench.table import Row, side_by_side
from tests.jobs.conftest import add_people, add_schedule
from tests.servers.postgres import Postgres

PEOPLE = 1_000_000
AMOUNT, CAP = 2 * MICRO, 5 * MICRO
MEMORY_MB = 300

# ruff: noqa: S608 - the parts are written here
ROOM = "CASE WHEN balance >= 5000000 THEN 0 WHEN balance > 3000000 THEN 5000000 - balance ELSE 2000000 END"
BARE = (
    "INSERT INTO notes (id, title, detail) VALUES (1, 'Daily', '')",
    "INSERT INTO entries"
    " (account_id, sequence, amount, balance_after, source, kind, overrun, key, note_id, event_at, created_at)"
    f" SELECT id, sequence + 1, {ROOM}, balance + {ROOM}, 'allocation', 'guarded', 0,"
    f" CAST(:key AS TEXT) || user_id, 1, :now, :now FROM accounts WHERE user_id IS NOT NULL AND {ROOM} <> 0",
    f"UPDATE accounts SET balance = balance + {ROOM}, sequence = sequence + 1"
    f" WHERE user_id IS NOT NULL AND {ROOM} <> 0",
)
"""What somebody would write who need not stop, go on, or let others charge meanwhile."""


@dataclass(frozen=True)
class Done:
    """What a run did: seconds, the most memory of its process in MB, and what it left in the books."""

    seconds: float
    memory_mb: float
    books: tuple[int, int]


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    return _rows("SQLite", None) + _rows("PostgreSQL", server)


def _rows(name: str, server: Postgres | None) -> list[Row]:
    done: list[Done] = []
    with filled(server, _fill) as place:

        def ours() -> float:
            done.append(_in_process(_credit, place))
            return PEOPLE / done[-1].seconds

        def reference() -> float:
            done.append(_in_process(_bare, place))
            return PEOPLE / done[-1].seconds

        speed, bare = side_by_side(ours, reference)
    if len({one.books for one in done}) != 1:
        raise RuntimeError(f"the two did not end with the same books: {[one.books for one in done]}")
    what = f"a scheduled run over {PEOPLE:,} people with a cap, {name}"
    return [
        Row(f"{what} (beside one INSERT .. SELECT and UPDATE)", "people/s", speed, bare, bar=0.667),
        Row(f"{what}: memory", "MB", max(one.memory_mb for one in done[::2]), MEMORY_MB, 1.0, less_is_better=True),
    ]


def _fill() -> None:
    """People whose balances are 0, 1, .. 6: the cap cuts some and leaves some out."""
    add_people(PEOPLE)
    add_schedule()
    writing(lambda session: session.execute(update(Account).values(balance=(Account.id % 7) * MICRO)))
    due = clock.now()
    run = Run(
        schedule_id=1,
        occurrence="2026-11-23T07:00",
        due_at=due,
        title="Daily",
        amount=AMOUNT,
        top_up="cap",
        cap=CAP,
        everyone=True,
        created_at=due,
    )
    writing(lambda session: session.add(run))


def _in_process(work: Callable[[], None], place: Place) -> Done:
    """Do the work in a process of its own, on a fresh copy of the books."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, place.fresh(), work))
    process.start()
    done: Done = ours.recv()
    process.join()
    return done


def _measure(pipe: Connection, folder: Path, work: Callable[[], None]) -> None:
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    with app.app_context():
        reading().execute(select(1))
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        booked = reading().execute(select(func.count(Entry.id), func.sum(Entry.balance_after))).one()
        memory = _peak_memory_mb()
        pipe.send(Done(seconds, memory, (int(booked[0]), int(booked[1]))))
        db.session.remove()
        db.engine.dispose()


def _peak_memory_mb() -> float:
    """Return the most memory that this process had at any time: what getrusage says begins with its parent's."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    if found is None:
        raise RuntimeError("/proc/self/status has no VmHWM")
    return int(found[1]) / 1024


def _credit() -> None:
    credit_run(1)


def _bare() -> None:
    values = {"key": "allocation:1:2026-11-23T07:00:", "now": clock.now().replace(tzinfo=None)}
    with db.engine.begin() as connection:
        for statement in BARE:
            connection.execute(text(statement), values)
