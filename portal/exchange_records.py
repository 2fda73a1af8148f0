"""The records of exchanges, in the portal's own file: what was begun, how far it is, and what is still to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

BUSY_TIMEOUT_S: Final = 5.0
OPEN: Final = ("begun", "held", "credited", "undoing")

_TABLE = """
CREATE TABLE IF NOT EXISTS exchanges (
    id TEXT PRIMARY KEY, username TEXT NOT NULL, directory_id TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    amount INTEGER NOT NULL, received INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    words TEXT NOT NULL, began_at REAL NOT NULL, changed_at REAL NOT NULL, busy_until REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS exchanges_open ON exchanges (state) WHERE state IN ('begun', 'held', 'credited', 'undoing');
CREATE INDEX IF NOT EXISTS exchanges_of ON exchanges (directory_id, began_at);
"""
_COLUMNS = "id, username, directory_id, source, target, amount, received, state, reason, words, began_at, changed_at"


@dataclass(frozen=True)
class Exchange:
    """One exchange. `amount` leaves `source`, `received` arrives at `target`, both in millionths of their units.

    `state`: "begun" (nothing is known to be done), "held" (set aside at the source), "credited" (at the target),
    "done"; "undoing" (to be given back), "undone" (nothing was moved). `reason` says in words why it was undone.
    `words`: both amounts, as people read them.
    """

    id: str
    username: str
    directory_id: str
    source: str
    target: str
    amount: int
    received: int
    state: str
    reason: str
    words: str
    began_at: datetime
    changed_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in OPEN


class Records:
    """The table. Every method may raise sqlite3.Error. What is written survives a power cut."""

    def __init__(self, path: Path) -> None:
        """`path`: the portal's file, made before."""
        self._path = path
        with self._connection() as connection:
            connection.executescript(_TABLE)

    def begin(self, exchange: Exchange) -> bool:
        """Keep a new exchange; False when one of this id is there already: the form was sent twice."""
        values = (
            *(exchange.id, exchange.username, exchange.directory_id, exchange.source, exchange.target),
            *(exchange.amount, exchange.received, exchange.state, exchange.reason, exchange.words),
            *(exchange.began_at.timestamp(), exchange.changed_at.timestamp()),
        )
        with self._writing() as connection:
            query = f"INSERT OR IGNORE INTO exchanges ({_COLUMNS}, busy_until) VALUES ({'?, ' * 12}0)"  # noqa: S608 - constants
            return connection.execute(query, values).rowcount == 1

    def move(self, exchange_id: str, *, was: str, state: str, now: datetime, reason: str = "") -> None:
        """Note that an exchange has come from one state to the next."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE exchanges SET state = ?, reason = ?, changed_at = ? WHERE id = ? AND state = ?",
                (state, reason, now.timestamp(), exchange_id, was),
            )

    def take(self, exchange_id: str, *, now: datetime, until: datetime) -> bool:
        """Have an exchange to oneself until a moment; False when another process is at it, or it is over."""
        states = ", ".join(f"'{state}'" for state in OPEN)
        with self._writing() as connection:
            taken = connection.execute(
                f"UPDATE exchanges SET busy_until = ? WHERE id = ? AND busy_until <= ? AND state IN ({states})",  # noqa: S608 - constants
                (until.timestamp(), exchange_id, now.timestamp()),
            )
            return taken.rowcount == 1

    def let_go(self, exchange_id: str) -> None:
        """Let others have it again."""
        with self._writing() as connection:
            connection.execute("UPDATE exchanges SET busy_until = 0 WHERE id = ?", (exchange_id,))

    def get(self, exchange_id: str) -> Exchange | None:
        """Return an exchange."""
        return next(iter(self._select("WHERE id = ?", exchange_id)), None)

    def of(self, directory_id: str, limit: int) -> list[Exchange]:
        """Return a person's exchanges, the newest first."""
        return self._select("WHERE directory_id = ? ORDER BY began_at DESC LIMIT ?", directory_id, limit)

    def to_do(self, limit: int) -> list[Exchange]:
        """Return exchanges in which something is still to be done, the oldest first."""
        states = ", ".join(f"'{state}'" for state in OPEN)
        return self._select(f"WHERE state IN ({states}) ORDER BY began_at LIMIT ?", limit)

    def _select(self, tail: str, *values: object) -> list[Exchange]:
        with self._connection() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM exchanges {tail}", values).fetchall()  # noqa: S608 - constants
        return [Exchange(*row[:10], *(datetime.fromtimestamp(at, UTC) for at in row[10:])) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
