"""How long a statement page's queries take for one purse: alone in the books, and among 20,000,000 entries."""

from __future__ import annotations

import statistics
import time

from sqlalchemy import select, text

from app import clock
from app.db import db, reading, writing
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.models import Account
from tests.bench.place import instance, vacuum
from tests.bench.table import Row
from tests.jobs.conftest import add_people
from tests.servers.postgres import Postgres

MINE = 100
OTHERS = 20_000_000
PEOPLE = 100_000
PAGE = 50
LOOKS = 301

NUMBERS = {
    "sqlite": "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :each) SELECT n FROM n",
    "postgresql": "SELECT n FROM generate_series(1, :each) AS n",
}
FILL = """
INSERT INTO entries (account_id, sequence, amount, balance_after, source, kind, overrun, key, event_at, created_at)
SELECT accounts.id, numbers.n, 1000, numbers.n * 1000, 'card', 'guarded', 0,
       'bench:' || accounts.id || ':' || numbers.n, :now, :now
FROM accounts, ({numbers}) AS numbers
WHERE accounts.id <> :mine AND accounts.id > :after AND accounts.id <= :after + 5000
"""


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    return [_row("SQLite", ""), _row("PostgreSQL", server.fresh_database())]


def _row(name: str, database_url: str) -> Row:
    with instance(database_url=database_url):
        add_people(PEOPLE)
        mine = reading().scalars(select(Account.id).order_by(Account.id).limit(1).offset(PEOPLE // 2)).one()
        for number in range(MINE):
            _post(mine, number)
        vacuum()
        alone = _look(mine)
        _fill(mine)
        vacuum()
        among = _look(mine)
    return Row(
        f"a statement page's queries, {MINE} entries of one's own among {OTHERS:,} (beside alone), {name}",
        "ms",
        among,
        alone,
        bar=1.5,
        less_is_better=True,
    )


def _post(account_id: int, number: int) -> None:
    writing(
        lambda session: ledger.post(
            session,
            account_id=account_id,
            amount=1_000_000,
            source="card",
            key=f"card:bench:{number}",
            now=clock.now(),
            title=f"Card {number}",
        )
    )


def _fill(mine: int) -> None:
    """Give everybody else as many entries as make up the whole, a few thousand people a transaction."""
    statement_text = text(FILL.format(numbers=NUMBERS[db.engine.dialect.name]))
    for after in range(0, PEOPLE, 5000):
        values = {"each": OTHERS // PEOPLE, "mine": mine, "after": after, "now": clock.now().replace(tzinfo=None)}
        writing(lambda session, values=values: session.execute(statement_text, values))


def _look(account_id: int) -> float:
    """Return the median of many looks, in ms: the lines, how many there are, and what is held."""
    times = []
    for _ in range(LOOKS):
        session = reading()
        start = time.perf_counter()
        lines = statement.lines(session, account_id=account_id, limit=PAGE)
        count = statement.count_lines(session, account_id=account_id)
        statement.open_holds(session, account_id=account_id)
        times.append(time.perf_counter() - start)
        if (len(lines), count) != (PAGE, MINE):
            raise RuntimeError(f"this is no such statement: {len(lines)} lines of {count}")
        session.rollback()
    return statistics.median(times) * 1000
