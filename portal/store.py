"""The portal's one small file: sessions, failed sign-ins, and what each instance said last. No balance of its own."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

STORE_FILE = "portal.db"
BUSY_TIMEOUT_S = 2.0
SHORT_BUSY_TIMEOUT_S = 0.5
"""For what a page can do without: its reader does not wait long for a file that another process holds."""

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
    token_hash TEXT PRIMARY KEY, username TEXT NOT NULL, directory_id TEXT NOT NULL, display_name TEXT NOT NULL,
    created_at REAL NOT NULL, seen_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (seen_at);
CREATE TABLE IF NOT EXISTS sign_in_failures (
    subject TEXT PRIMARY KEY, failures INTEGER NOT NULL, last_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sign_in_failures_by_age ON sign_in_failures (last_at);
CREATE TABLE IF NOT EXISTS cards (
    directory_id TEXT NOT NULL, instance_id TEXT NOT NULL, card TEXT NOT NULL, heard_at REAL NOT NULL,
    PRIMARY KEY (directory_id, instance_id)
) STRICT;
"""


@dataclass(frozen=True)
class SessionRow:
    """A session that was not signed out. Whether it is too old is not decided here."""

    username: str
    directory_id: str
    display_name: str
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class Try:
    """What became of the wish to try: wait `wait_s` seconds first, or, when that is 0, it was counted at `at`.

    `failures_before` and `last_before` are the count as it was, None when there was none: what to go back to.
    """

    wait_s: float
    at: datetime
    failures_before: int | None = None
    last_before: datetime | None = None
    failures: int = 0


@dataclass(frozen=True)
class LastCard:
    """The JSON text of an instance's last good answer about a person, and when it came."""

    text: str
    heard_at: datetime


class Store:
    """The file. Each method opens it anew and is one transaction, so that threads and processes may share it.

    Every method may raise sqlite3.Error.
    """

    def __init__(self, folder: Path) -> None:
        """Make the file in `folder` where it is missing; only its owner may read it."""
        self.path = folder / STORE_FILE
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)

    def add_session(self, token: str, row: SessionRow) -> None:
        """Keep a session; only a digest of its token is stored."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
                (
                    _digest(token),
                    row.username,
                    row.directory_id,
                    row.display_name,
                    row.created_at.timestamp(),
                    row.seen_at.timestamp(),
                ),
            )

    def find_session(self, token: str) -> SessionRow | None:
        """Return the session of `token`, None when there is none or it has ended."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT username, directory_id, display_name, created_at, seen_at FROM sessions WHERE token_hash = ?",
                (_digest(token),),
            ).fetchone()
        return None if row is None else SessionRow(row[0], row[1], row[2], _moment(row[3]), _moment(row[4]))

    def touch_session(self, token: str, now: datetime) -> None:
        """Note that the session's owner did something now. Does not wait long for the file."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.execute(
                "UPDATE sessions SET seen_at = ? WHERE token_hash = ?", (now.timestamp(), _digest(token))
            )

    def end_session(self, token: str) -> None:
        """End the session, in every copy of its cookie. Does not wait long for the file."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.execute("DELETE FROM sessions WHERE token_hash = ?", (_digest(token),))

    def begin_try(self, subject: str, now: datetime, *, wait_s: Callable[[int], float], forget_after: timedelta) -> Try:
        """Count a try of `subject` as failed before it is made; or say how long to wait first, and count nothing.

        Counting first keeps many tries at once from passing together. `wait_s` says how long after the last failure
        the next try may come; a count whose last failure is older than `forget_after` starts anew.
        """
        with self._writing() as connection:
            row = connection.execute(
                "SELECT failures, last_at FROM sign_in_failures WHERE subject = ?", (subject,)
            ).fetchone()
            before, last_before = (row[0], _moment(row[1])) if row else (None, None)
            failures = before or 0
            passed = max(now - (last_before or now), timedelta(0))  # a clock that was put back prolongs no wait
            if passed > forget_after:
                failures = 0
            wait = wait_s(failures) - passed.total_seconds()
            if failures and wait > 0:
                return Try(wait, now)
            connection.execute(
                "INSERT OR REPLACE INTO sign_in_failures VALUES (?, ?, ?)", (subject, failures + 1, now.timestamp())
            )
            return Try(0.0, now, before, last_before, failures + 1)

    def take_back_try(self, subject: str, made: Try) -> None:
        """Put the count of `subject` back to what it was before `made`: the try came to nothing for another reason.

        Its time goes back too: a new one would begin the wait after the last failure again. When other tries were
        counted since, theirs stay, and only this one is taken away.
        """
        at = made.at.timestamp()
        with self._writing() as connection:
            if made.failures_before is not None and made.last_before is not None:
                connection.execute(
                    "UPDATE sign_in_failures SET failures = ?, last_at = ?"
                    " WHERE subject = ? AND failures = ? AND last_at = ?",
                    (made.failures_before, made.last_before.timestamp(), subject, made.failures, at),
                )
                if connection.execute("SELECT changes()").fetchone()[0]:
                    return
            connection.execute("UPDATE sign_in_failures SET failures = failures - 1 WHERE subject = ?", (subject,))
            connection.execute("DELETE FROM sign_in_failures WHERE subject = ? AND failures <= 0", (subject,))

    def forgive(self, subject: str) -> None:
        """Forget the failures of `subject`."""
        with self._writing() as connection:
            connection.execute("DELETE FROM sign_in_failures WHERE subject = ?", (subject,))

    def keep_cards(self, directory_id: str, cards: dict[str, str], now: datetime) -> None:
        """Keep the texts of fresh answers by instance id; each replaces the one before it. Does not wait long."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO cards VALUES (?, ?, ?, ?)",
                [(directory_id, instance_id, text, now.timestamp()) for instance_id, text in cards.items()],
            )

    def last_cards(self, directory_id: str) -> dict[str, LastCard]:
        """Return what was heard last about a person, by instance id."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT instance_id, card, heard_at FROM cards WHERE directory_id = ?", (directory_id,)
            ).fetchall()
        return {row[0]: LastCard(row[1], _moment(row[2])) for row in rows}

    def forget_old(self, *, sessions_before: datetime, failures_before: datetime, cards_before: datetime) -> None:
        """Delete what nobody will ask for again."""
        with self._writing() as connection:
            connection.execute("DELETE FROM sessions WHERE seen_at < ?", (sessions_before.timestamp(),))
            connection.execute("DELETE FROM sign_in_failures WHERE last_at < ?", (failures_before.timestamp(),))
            connection.execute("DELETE FROM cards WHERE heard_at < ?", (cards_before.timestamp(),))

    @contextmanager
    def _connection(self, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=busy_timeout_s, isolation_level=None)) as connection:
            yield connection

    @contextmanager
    def _writing(self, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
        with self._connection(busy_timeout_s) as connection:
            # What lies here may be lost in a power cut without harm: people sign in again, cards are asked again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
