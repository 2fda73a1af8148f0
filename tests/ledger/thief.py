"""Somebody with the database's own tools: SQLite's file by sqlite3, PostgreSQL as its superuser; triggers off."""

# ruff: noqa: S608 - a thief writes SQL by hand

from __future__ import annotations

import itertools
import re
import sqlite3
from typing import Any

import psycopg
from sqlalchemy import Engine

from app.ledger.models import ENTRIES, Entry

TABLES = ("accounts", "entries", "holds", "notes", "verifications", "entry_blocks")
TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries'"
SCHEMA = "SELECT sql FROM sqlite_master WHERE tbl_name = 'entries' AND sql IS NOT NULL AND type <> 'trigger'"


class Thief:
    """Changes rows that the database refuses to change, and leaves the triggers as they were."""

    def __init__(self, engine: Engine) -> None:
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._url = engine.url

    def run(self, *statements: str) -> list[Any]:
        """Run statements with the triggers off, and return the rows of the last."""
        return self._on_sqlite(statements) if self.is_sqlite else self._on_postgresql(statements)

    def remember(self) -> None:
        """Put a copy of every row aside."""
        self.run(*(f"CREATE TABLE kept_{name} AS SELECT * FROM {name}" for name in TABLES))

    def undo(self) -> None:
        """Put every row back as it was when it was remembered."""
        steps = ((f"DELETE FROM {name}", f"INSERT INTO {name} SELECT * FROM kept_{name}") for name in TABLES)
        self.run(*itertools.chain(*steps))

    def copy(self, entry_id: int, **changes: object) -> int:
        """Double an entry by INSERT ... SELECT, with other values in some columns; return the new id."""
        names = [column.name for column in ENTRIES.columns if column.name != "id"]
        values = ", ".join(str(changes.get(name, name)) for name in names)
        new = "(SELECT max(id) + 1 FROM entries)"
        self.run(
            f"INSERT INTO entries (id, {', '.join(names)}) SELECT {new}, {values} FROM entries WHERE id = {entry_id}"
        )
        return int(self.run("SELECT max(id) FROM entries")[0][0])

    def rewrite(self, entry: Entry, more: int) -> None:
        """Make an entry `more` millionths larger, with every balance after it and the account's."""
        self.run(
            f"UPDATE entries SET amount = amount + {more} WHERE id = {entry.id}",
            f"UPDATE entries SET balance_after = balance_after + {more} "
            f"WHERE account_id = {entry.account_id} AND sequence >= {entry.sequence}",
            f"UPDATE accounts SET balance = balance + {more} WHERE id = {entry.account_id}",
        )

    def remove(self, entry: Entry) -> None:
        """Delete an entry, and move every place and balance after it, and the account's, as if it had never been."""
        self.rewrite(entry, -entry.amount)
        after = f"account_id = {entry.account_id} AND sequence > {entry.sequence}"
        self.run(
            f"DELETE FROM entries WHERE id = {entry.id}",
            f"UPDATE entries SET sequence = -sequence WHERE {after}",  # by way of what is free: places are unique
            f"UPDATE entries SET sequence = -sequence - 1 WHERE account_id = {entry.account_id} AND sequence < 0",
            f"UPDATE accounts SET sequence = sequence - 1 WHERE id = {entry.account_id}",
        )

    def drop_unique(self, columns: str) -> None:
        """Take a unique constraint off `entries`; on SQLite by making the table anew."""
        if not self.is_sqlite:
            self.run(f"ALTER TABLE entries DROP CONSTRAINT uq_entries_{columns.replace(', ', '_')}")
            return
        table, *indexes = (row[0] for row in self.run(SCHEMA))
        unique = r",\s*CONSTRAINT \w+ UNIQUE \(" + columns.replace("key", '"?key"?') + r"\)"
        make, count = re.subn(unique, "", table.replace("entries", "taken", 1))
        assert count == 1, table
        fill = "INSERT INTO taken SELECT * FROM entries"
        self.run(make, fill, "DROP TABLE entries", "ALTER TABLE taken RENAME TO entries", *indexes)

    def _on_sqlite(self, statements: tuple[str, ...]) -> list[Any]:
        connection = sqlite3.connect(str(self._url.database), timeout=10)  # foreign keys are off here by default
        try:
            connection.execute("PRAGMA legacy_alter_table = ON")  # other tables' references stay as they are
            triggers = connection.execute(TRIGGERS).fetchall()
            for name, _sql in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            found: list[Any] = []
            for statement in statements:
                found = connection.execute(statement).fetchall()
            for _name, sql in triggers:
                connection.execute(sql)
            connection.commit()
        finally:
            connection.close()
        return found

    def _on_postgresql(self, statements: tuple[str, ...]) -> list[Any]:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as connection:
            connection.execute("SET session_replication_role = replica")  # foreign keys are not checked either
            found: list[Any] = []
            for statement in statements:
                cursor = connection.execute(statement.encode())
                found = cursor.fetchall() if cursor.description else []
        return found
