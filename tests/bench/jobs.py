"""How long a page of the list of print jobs takes, whatever it is filtered by: among a thousand, among a million."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta

from sqlalchemy import text

from app import clock
from app.db import db, reading, writing
from app.printing import jobs_list
from app.printing.jobs_list import Selection
from tests.bench.place import instance, vacuum
from tests.bench.statements import NUMBERS
from tests.bench.table import Row
from tests.jobs.conftest import add_people
from tests.servers.postgres import Postgres

FEW, MANY = 1_000, 1_000_000
PAGE = 50
LOOKS = 31

FILL = """
INSERT INTO print_jobs (server, job_uuid, run, job_number, printer, username, user_id, title, state, reason, waits_for,
                        "order", document, copies, duplex, paper, terms, cost, estimated, host, released_by, attempt,
                        created_at, updated_at)
SELECT CASE numbers.n % 50 WHEN 0 THEN 'cups2' ELSE 'cups1' END, 'bench-' || numbers.n, 1, 1,
       'printer ' || (numbers.n % 40), 'somebody', (SELECT min(id) FROM users) + numbers.n % 500, 'Essay ' || numbers.n,
       CASE numbers.n % 100 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'waiting' ELSE 'printed' END, '', '', '', '', 1, :no,
       '', '', 0, :no, '', '', 1, {at}, :now
FROM ({numbers}) AS numbers
"""
AT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', :now, '-' || ((numbers.n * 7919) % :each) || ' minutes') || '000'",
    "postgresql": "CAST(:now AS timestamptz)"
    " - make_interval(mins => CAST((CAST(numbers.n AS bigint) * 7919) % :each AS integer))",
}


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    return [_row("SQLite", ""), _row("PostgreSQL", server.fresh_database())]


def _row(name: str, database_url: str) -> Row:
    with instance(database_url=database_url):
        add_people(500)
        _fill(FEW)
        few = _slowest()
        _fill(MANY)
        many = _slowest()
    return Row(
        f"the slowest page of the list of print jobs, of any filter, {MANY:,} jobs beside {FEW:,}, {name}",
        "ms",
        many,
        few,
        bar=3,
        less_is_better=True,
    )


def _fill(count: int) -> None:
    """Have so many jobs in the table and no other."""
    dialect = db.engine.dialect.name
    statement = FILL.format(numbers=NUMBERS[dialect], at=AT[dialect])
    now = clock.now()
    values = {"each": count, "no": False, "now": now.strftime("%Y-%m-%d %H:%M:%S.%f") if dialect == "sqlite" else now}
    writing(lambda session: session.execute(text("DELETE FROM print_jobs")))
    writing(lambda session: session.execute(text(statement), values))
    vacuum()


def _slowest() -> float:
    """The median time of the slowest of the pages, in milliseconds: the newest, and one in the middle of the list."""
    now = clock.now()
    middle = reading().execute(text("SELECT max(id) - count(*) / 2 FROM print_jobs")).scalar_one()
    place = jobs_list.place_of(reading(), job_id=int(middle))
    selections = (
        Selection(),
        Selection(user_id=reading().execute(text("SELECT min(id) + 7 FROM users")).scalar_one()),
        Selection(nobody="nobody"),
        Selection(printer="printer 7"),
        Selection(server="cups2"),
        Selection(state="waiting"),
        Selection(since=now - timedelta(days=300), until=now - timedelta(days=200)),
        Selection(printer="printer 7", state="printed", server="cups1", until=now - timedelta(hours=9)),
    )
    return max(_look(selection, after) for selection in selections for after in (None, place))


def _look(selection: Selection, after: jobs_list.Place | None) -> float:
    taken = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        jobs_list.read_page(reading(), selection=selection, limit=PAGE, after=after)
        taken.append((time.perf_counter() - began) * 1000)
        reading().rollback()
    return statistics.median(taken)
