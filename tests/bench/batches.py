"""How many charges a second come through in batches of 1,000, beside one hand-written statement on the same tables."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable

from sqlalchemy import text

from app import clock
from app.db import db, writing
from app.ledger.batch import Posting, post_many
from tests.bench.charges import some_accounts
from tests.bench.place import instance, vacuum
from tests.bench.table import Row, side_by_side
from tests.servers.postgres import Postgres

SIZE = 1_000
WARM_UP, BATCHES = 10, 200
PEOPLE = 100_000
_numbers = itertools.count(1)

BARE = """
WITH asked AS (
  SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:keys AS text[]), CAST(:titles AS text[]))
           WITH ORDINALITY AS a (account_id, key, title, place)
), placed AS (
  SELECT asked.*, accounts.balance - 50000 * row_number() OVER mine AS balance_after,
         accounts.sequence + row_number() OVER mine AS sequence
  FROM asked JOIN accounts ON accounts.id = asked.account_id
  WINDOW mine AS (PARTITION BY account_id ORDER BY place)
), note AS (
  INSERT INTO notes (title, detail) SELECT title, '1 page' FROM asked RETURNING id, title
), booked AS (
  INSERT INTO entries (account_id, sequence, amount, balance_after, source, kind, overrun, quantity, key, fingerprint,
                       note_id, event_at, created_at)
  SELECT account_id, sequence, -50000, balance_after, 'print', 'guarded', 0, 1, key, place, note.id, :now, :now
  FROM placed JOIN note USING (title)
  ON CONFLICT (key) DO NOTHING RETURNING account_id, amount
), moved AS (
  SELECT account_id, sum(amount) AS amount, count(*) AS entries FROM booked GROUP BY account_id
)
UPDATE accounts SET balance = balance + moved.amount, sequence = sequence + moved.entries
FROM moved WHERE accounts.id = moved.account_id
"""


def rows(server: Postgres) -> list[Row]:
    """Measure PostgreSQL."""
    with instance(database_url=server.fresh_database()):
        ids = some_accounts(PEOPLE)
        for _ in range(WARM_UP):
            _per_second(_ours, ids)
            _per_second(_bare, ids)
        vacuum()
        ours, reference = side_by_side(lambda: _per_second(_ours, ids), lambda: _per_second(_bare, ids), runs=BATCHES)
    name = f"charges in batches of {SIZE:,}, PostgreSQL (beside one INSERT .. ON CONFLICT and grouped UPDATE)"
    return [Row(name, "charges/s", ours, reference, bar=0.7)]


def _chosen(ids: list[int]) -> tuple[int, list[int]]:
    return next(_numbers), random.choices(ids, k=SIZE)  # noqa: S311 - chance that need not be secret


def _ours(ids: list[int]) -> None:
    number, chosen = _chosen(ids)
    postings = [
        Posting(
            account_id=account_id,
            amount=-50_000,
            source="print",
            key=f"print:bench:{number}:{place}",
            title=f"Essay {number} {place}.pdf",
            detail="1 page",
            quantity=1,
        )
        for place, account_id in enumerate(chosen)
    ]
    outcomes = writing(lambda session: post_many(session, postings=postings, now=clock.now()))
    if not all(outcome.new for outcome in outcomes):
        raise RuntimeError("a charge of the batch was not booked")


def _bare(ids: list[int]) -> None:
    number, chosen = _chosen(ids)
    values = {
        "ids": chosen,
        "keys": [f"bare:bench:{number}:{place}" for place in range(SIZE)],
        "titles": [f"Essay {number} {place}.pdf" for place in range(SIZE)],
        "now": clock.now(),
    }
    with db.engine.begin() as connection:
        connection.execute(text(BARE), values)


def _per_second(batch: Callable[[list[int]], None], ids: list[int]) -> float:
    start = time.perf_counter()
    batch(ids)
    return SIZE / (time.perf_counter() - start)
