"""How many charges a second: through the books with all that they check, beside the bare statements, and pgbench."""

from __future__ import annotations

import itertools
import re
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy import select, update

from app import clock
from app.db import reading, writing
from app.ledger.models import Account
from tests.bench.clients import charge_once, clients
from tests.bench.place import instance, vacuum
from tests.bench.table import Row, per_second, side_by_side
from tests.jobs.conftest import add_people
from tests.servers.postgres import Postgres
from tests.servers.process import LOOPBACK, need

SECONDS = 5.0
CLIENTS = 8
PEOPLE = 100_000
PLENTY = 10**15
_keys = itertools.count(1)


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    return [_sqlite(), _postgres(server)]


def _sqlite() -> Row:
    with instance() as app:
        ids = some_accounts(100)
        picked = itertools.cycle(ids)
        path = app.extensions["twinpurse.settings"].folder / "twinpurse.db"
        ours, reference = side_by_side(
            lambda: per_second(lambda: _charge(next(picked)), SECONDS), lambda: _bare_sqlite(path, ids)
        )
    return Row("a charge, SQLite (beside the same statements in bare sqlite3)", "charges/s", ours, reference)


def _postgres(server: Postgres) -> Row:
    subprocess.run([*_pgbench(server), "-i", "-s", "50", "-q", "postgres"], check=True, capture_output=True)
    with instance(database_url=server.fresh_database()) as app:
        ids = some_accounts(PEOPLE)
        with clients(CLIENTS, app.extensions["twinpurse.settings"].folder, ids) as running:
            running.charge(1.0)  # plans are made for tables that hold something
            vacuum()
            ours, reference = side_by_side(lambda: running.charge(SECONDS), lambda: _tpc_b(server), runs=5)
    name = f"a charge, PostgreSQL, {CLIENTS} processes (beside pgbench's TPC-B-like, -c 8 -j 2 -M prepared, scale 50)"
    return Row(name, "charges/s", ours, reference, bar=0.8)


def some_accounts(people: int) -> list[int]:
    """Make so many people with plenty in their purses; return the ids of their accounts."""
    add_people(people)
    writing(lambda session: session.execute(update(Account).values(balance=PLENTY)))
    return list(reading().scalars(select(Account.id)))


def _charge(account_id: int) -> None:
    charge_once(writing, account_id, f"print:bench:{next(_keys)}:1")


def _bare_sqlite(path: Path, ids: list[int]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
    picked = itertools.cycle(ids)

    def charge() -> None:
        account_id, now, key = next(picked), str(clock.now()), f"bare:{next(_keys)}"
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchone()
        balance, sequence, _floor = connection.execute(
            "UPDATE accounts SET balance = balance - 50000, sequence = sequence + 1 WHERE id = ?"
            " AND (floor IS NULL OR balance - reserved - 50000 >= floor) RETURNING balance, sequence, floor",
            (account_id,),
        ).fetchone()
        note = connection.execute(
            "INSERT INTO notes (title, detail) VALUES ('Essay.pdf', '1 page, Library 1')"
        ).lastrowid
        connection.execute(
            "INSERT INTO entries (account_id, sequence, amount, balance_after, source, kind, overrun, quantity, key,"
            " fingerprint, note_id, event_at, created_at)"
            " VALUES (?, ?, -50000, ?, 'print', 'guarded', 0, 1, ?, 1, ?, ?, ?)",
            (account_id, sequence, balance, key, note, now, now),
        )
        connection.execute("COMMIT")

    found = per_second(charge, SECONDS)
    connection.close()
    return found


def _pgbench(server: Postgres) -> list[str]:
    program = f"{server.bin}/pgbench"
    need(program, "postgresql")
    return [program, "-h", LOOPBACK, "-p", str(server.port), "-U", "postgres"]


def _tpc_b(server: Postgres) -> float:
    options = ["-c", str(CLIENTS), "-j", "2", "-M", "prepared", "-T", str(int(SECONDS)), "-n", "postgres"]
    ended = subprocess.run([*_pgbench(server), *options], check=True, capture_output=True, text=True)
    found = re.search(r"tps = ([0-9.]+)", ended.stdout)
    if found is None:
        raise RuntimeError(f"pgbench said nothing of tps: {ended.stdout}")
    return float(found[1])
