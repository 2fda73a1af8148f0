"""How many charges a second: through the books with all that they check, beside the bare statements, and pgbench."""

from __future__ import annotations

import itertools
import re
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask
from sqlalchemy import select, update

from app import clock
from app.db import reading, writing
from app.ledger import service as ledger
from app.ledger.models import Account
from tests.bench.place import instance
from tests.bench.table import Row, per_second, side_by_side
from tests.jobs.conftest import add_people
from tests.servers.postgres import Postgres
from tests.servers.process import LOOPBACK, need

SECONDS = 3.0
CLIENTS = 8
PEOPLE = 100
PLENTY = 10**15
_keys = itertools.count(1)


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    return [_sqlite(), _postgres(server)]


def _sqlite() -> Row:
    with instance() as app:
        ids = _accounts()
        picked = itertools.cycle(ids)
        path = app.extensions["twinpurse.settings"].folder / "twinpurse.db"
        ours, reference = side_by_side(
            lambda: per_second(lambda: _charge(next(picked)), SECONDS), lambda: _bare_sqlite(path, ids)
        )
    return Row("a charge, SQLite (beside the same statements in bare sqlite3)", "charges/s", ours, reference)


def _postgres(server: Postgres) -> Row:
    subprocess.run([*_pgbench(server), "-i", "-s", "10", "-q", "postgres"], check=True, capture_output=True)
    with instance(database_url=server.fresh_database()) as app:
        ids = _accounts()
        ours, reference = side_by_side(lambda: _at_once(app, ids), lambda: _tpc_b(server))
    return Row("a charge, PostgreSQL, 8 threads (beside pgbench's TPC-B-like)", "charges/s", ours, reference)


def _accounts() -> list[int]:
    add_people(PEOPLE)
    writing(lambda session: session.execute(update(Account).values(balance=PLENTY)))
    return list(reading().scalars(select(Account.id)))


def _charge(account_id: int) -> None:
    key = f"print:bench:{next(_keys)}:1"
    writing(
        lambda session: ledger.post(
            session,
            account_id=account_id,
            amount=-50_000,
            source="print",
            key=key,
            now=clock.now(),
            title="Essay.pdf",
            detail="1 page, Library 1",
            quantity=1,
        )
    )


def _at_once(app: Flask, ids: list[int]) -> float:
    gate = threading.Barrier(CLIENTS)

    def client(number: int) -> float:
        picked = itertools.cycle(ids[number::CLIENTS])
        with app.app_context():
            gate.wait()
            return per_second(lambda: _charge(next(picked)), SECONDS)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(client, range(CLIENTS)))


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
        entry = connection.execute(
            "INSERT INTO entries (account_id, sequence, amount, balance_after, source, kind, overrun, quantity, key,"
            " event_at, created_at) VALUES (?, ?, -50000, ?, 'print', 'guarded', 0, 1, ?, ?, ?)",
            (account_id, sequence, balance, key, now, now),
        ).lastrowid
        connection.execute("INSERT INTO entry_notes VALUES (?, 'Essay.pdf', '1 page, Library 1')", (entry,))
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
