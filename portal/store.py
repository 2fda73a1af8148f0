"""The portal's one small file: sessions, failed sign-ins, and what each instance said last. No balance of its own."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from directory.throttle import Count, Rule, Subject, taken_back

STORE_FILE = "portal.db"
BUSY_TIMEOUT_S = 2.0
SHORT_BUSY_TIMEOUT_S = 0.3
"""For what a page can do without: its reader does not wait long for a file that another process holds."""

_TABLES = """
DROP TABLE IF EXISTS sessions;
DROP TABLE IF EXISTS sign_in_failures;
CREATE TABLE IF NOT EXISTS open_sessions (
    token_hash TEXT PRIMARY KEY, username TEXT NOT NULL, directory_id TEXT NOT NULL, display_name TEXT NOT NULL,
    created_at REAL NOT NULL, seen_at REAL NOT NULL, checked_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS open_sessions_by_age ON open_sessions (seen_at);
CREATE TABLE IF NOT EXISTS sign_in_tries (
    name_key TEXT NOT NULL, address TEXT NOT NULL, failures INTEGER NOT NULL, first_at REAL NOT NULL,
    last_at REAL NOT NULL, PRIMARY KEY (name_key, address)
) STRICT;
CREATE INDEX IF NOT EXISTS sign_in_tries_by_age ON sign_in_tries (last_at);
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
    checked_at: datetime
    """When the directory said last that this person may be here."""


@dataclass(frozen=True)
class Try:
    """What became of the wish to try: wait `wait_s` seconds first; or, when that is 0, it was counted as failed."""

    wait_s: float
    before: dict[Subject, Count | None]
    after: dict[Subject, Count]


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
        # SQLite tidies its log up, with a wait for the disk, when the last connection closes: one stays open.
        stays = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        weakref.finalize(self, stays.close)
        stays.execute("PRAGMA journal_mode = WAL")
        stays.executescript(_TABLES)

    def add_session(self, token: str, row: SessionRow) -> None:
        """Keep a session; only a digest of its token is stored."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO open_sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    _digest(token),
                    row.username,
                    row.directory_id,
                    row.display_name,
                    row.created_at.timestamp(),
                    row.seen_at.timestamp(),
                    row.checked_at.timestamp(),
                ),
            )

    def find_session(self, token: str) -> SessionRow | None:
        """Return the session of `token`, None when there is none or it has ended."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT username, directory_id, display_name, created_at, seen_at, checked_at"
                " FROM open_sessions WHERE token_hash = ?",
                (_digest(token),),
            ).fetchone()
        return None if row is None else SessionRow(*row[:3], *map(_moment, row[3:]))

    def touch_session(self, token: str, now: datetime) -> None:
        """Note that the session's owner did something now. Does not wait long for the file."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.execute(
                "UPDATE open_sessions SET seen_at = ? WHERE token_hash = ?", (now.timestamp(), _digest(token))
            )

    def end_session(self, token: str) -> None:
        """End the session, in every copy of its cookie. Does not wait long for the file."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.execute("DELETE FROM open_sessions WHERE token_hash = ?", (_digest(token),))

    def check_sessions(self, directory_id: str, now: datetime) -> None:
        """Note that a person may still be here: their sessions go on unasked for a while."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.execute(
                "UPDATE open_sessions SET checked_at = ? WHERE directory_id = ?", (now.timestamp(), directory_id)
            )

    def end_sessions(self, directory_id: str) -> None:
        """End every session of a person."""
        with self._writing(SHORT_BUSY_TIMEOUT_S) as connection:
            connection.execute("DELETE FROM open_sessions WHERE directory_id = ?", (directory_id,))

    def begin_try(self, rules: Mapping[Subject, Rule], now: datetime) -> Try:
        """Count a try before it is made, in every count that it belongs to; or say how long to wait, and count nothing.

        `rules`: which counts those are, each with its rule (directory.throttle).
        """
        with self._writing() as connection:
            before = {subject: _read_count(connection, subject) for subject in rules}
            steps = {subject: rule(before[subject], now) for subject, rule in rules.items()}
            wait_s = max(step.wait_s for step in steps.values())
            if wait_s <= 0:
                for subject, step in steps.items():
                    _write_count(connection, subject, step.after)
            return Try(max(0.0, wait_s), before, {subject: step.after for subject, step in steps.items()})

    def take_back_try(self, made: Try) -> None:
        """Take a try out of every count: nobody answered it."""
        with self._writing() as connection:
            for subject in made.after:
                _take_back_one(connection, subject, made)

    def forgive(self, made: Try) -> None:
        """After a right password: the name from this address, and over all of them, begins anew."""
        with self._writing() as connection:
            for subject in made.after:
                if subject[0]:
                    _write_count(connection, subject, None)
                else:
                    _take_back_one(connection, subject, made)

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
            connection.execute("DELETE FROM open_sessions WHERE seen_at < ?", (sessions_before.timestamp(),))
            connection.execute("DELETE FROM sign_in_tries WHERE last_at < ?", (failures_before.timestamp(),))
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


def _read_count(connection: sqlite3.Connection, subject: Subject) -> Count | None:
    row = connection.execute(
        "SELECT failures, first_at, last_at FROM sign_in_tries WHERE name_key = ? AND address = ?", subject
    ).fetchone()
    return None if row is None else Count(row[0], _moment(row[1]), _moment(row[2]))


def _write_count(connection: sqlite3.Connection, subject: Subject, count: Count | None) -> None:
    if count is None:
        connection.execute("DELETE FROM sign_in_tries WHERE name_key = ? AND address = ?", subject)
    else:
        values = (*subject, count.failures, count.first_at.timestamp(), count.last_at.timestamp())
        connection.execute("INSERT OR REPLACE INTO sign_in_tries VALUES (?, ?, ?, ?, ?)", values)


def _take_back_one(connection: sqlite3.Connection, subject: Subject, made: Try) -> None:
    there = _read_count(connection, subject)
    if there is not None:
        _write_count(connection, subject, taken_back(there, made.before[subject], made.after[subject]))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
