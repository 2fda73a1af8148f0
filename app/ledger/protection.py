"""Whether the database itself still refuses what it must: changed or deleted entries, and one key used twice.

Not to be seen from outside: whether a session of PostgreSQL's superuser turned the triggers off for itself
(session_replication_role), or a program opened the file of SQLite without them. What such a session changed is found
by the other checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from app.ledger.differences import Difference

TABLES: Final = ("accounts", "entries", "holds", "notes")
REFUSAL: Final = "entries are never changed or deleted"
ON_SQLITE: Final = {
    f"entries_no_{verb.lower()}": f"create trigger entries_no_{verb.lower()} before {verb.lower()} on entries "
    f"begin select raise(abort, '{REFUSAL}'); end"
    for verb in ("UPDATE", "DELETE")
}
ROW, BEFORE, DELETE, UPDATE, TRUNCATE = 1, 2, 8, 16, 32
"""Bits of pg_trigger.tgtype (PostgreSQL source, catalog/pg_trigger.h)."""
ON_POSTGRESQL: Final = {
    "entries_no_change": ROW | BEFORE | DELETE | UPDATE,
    "entries_no_truncate": BEFORE | TRUNCATE,
}
FUNCTION: Final = f"begin raise exception '{REFUSAL}'; end"
TRIGGERS: Final = text(
    "SELECT c.relname, t.tgname, t.tgtype, t.tgenabled::text IN ('O', 'A'), "
    "t.tgqual IS NULL AND t.tgattr::text = '', p.prosrc "
    "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE t.tgrelid IN ('accounts'::regclass, 'entries'::regclass, 'holds'::regclass, 'notes'::regclass) "
    "AND NOT t.tgisinternal"
)
UNIQUE: Final = {
    ("entries", ("key",)): "a second entry under one key",
    ("entries", ("account_id", "sequence")): "two entries at one place of an account",
    ("entries", ("reverses_id",)): "a second reversal of one entry",
    ("holds", ("key",)): "a second hold under one key",
}


def protection(session: Session) -> Iterator[Difference]:
    """The triggers and the unique indexes of the books are there, as the migrations made them, and no other trigger."""
    found = _on_sqlite(session) if session.get_bind().dialect.name == "sqlite" else _on_postgresql(session)
    expected = set(ON_SQLITE if session.get_bind().dialect.name == "sqlite" else ON_POSTGRESQL)
    for name in sorted(expected):
        state = found.pop(("entries", name), "is gone")
        if state:
            what = "the database no longer refuses to change entries"
            yield Difference(what, None, None, None, None, f"the trigger {name} {state}")
    for table, name in sorted(found):
        yield Difference("a trigger that is not ours", None, None, None, None, f"{name} on {table}")
    yield from _indexes(session)


def _on_sqlite(session: Session) -> dict[tuple[str, str], str]:
    """Return (table, trigger) -> what is wrong with it, "" where nothing is."""
    query = text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {
        (table, name): "" if _plain(sql) == ON_SQLITE.get(name) else "was changed"
        for table, name, sql in session.execute(query)
        if table in TABLES
    }


def _on_postgresql(session: Session) -> dict[tuple[str, str], str]:
    found = {}
    for table, name, kind, enabled, always, source in session.execute(TRIGGERS):
        as_made = kind == ON_POSTGRESQL.get(name) and always and _plain(source) == FUNCTION
        found[table, name] = "was changed" if not as_made else "" if enabled else "is disabled"
    return found


def _indexes(session: Session) -> Iterator[Difference]:
    look = inspect(session.connection())
    unique: set[tuple[str, tuple[str, ...]]] = set()
    for table in ("entries", "holds"):
        unique |= {(table, tuple(found["column_names"])) for found in look.get_unique_constraints(table)}
        unique |= {
            (table, tuple(str(name) for name in found["column_names"]))
            for found in look.get_indexes(table)
            if found["unique"]
        }
    for index, refused in UNIQUE.items():
        if index not in unique:
            text_ = f"the unique index of {', '.join(index[1])} on {index[0]} is gone"
            yield Difference(f"the database no longer refuses {refused}", None, None, None, None, text_)


def _plain(sql: str) -> str:
    """SQL in one line, lower case, without quotes around names."""
    return " ".join(sql.replace('"', "").lower().split()).removesuffix(";")
