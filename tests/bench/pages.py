"""How many balance pages a second a signed-in browser gets from the server that `twinpurse serve` starts."""

from __future__ import annotations

import http.client
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import select

from app import clock
from app.db import db, reading, writing
from app.ledger import service as ledger
from app.ledger.models import Account
from app.people import sessions
from tests.bench.place import instance
from tests.bench.table import Row, per_second, side_by_side
from tests.jobs.conftest import add_people
from tests.servers.process import LOOPBACK, Child, free_port, wait_port

SECONDS = 4.0
CLIENTS = 4
ENTRIES = 60
ROOT = Path(__file__).resolve().parents[2]


def rows() -> list[Row]:
    """Measure the balance page. It has no peer, so there is no reference."""
    port = free_port()
    with instance(port=port) as app:
        folder = app.extensions["twinpurse.settings"].folder
        code = _somebody_with_a_past()
        db.session.remove()
        serve = "from app.cli import main; main()"
        server = Child(
            [sys.executable, "-c", serve, "serve", str(folder), "--port", str(port)],
            env={name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"},
            cwd=ROOT,
            log=folder / "server.log",
        )
        with server:
            wait_port(port, server, timeout_s=30)
            cookie = _enter(port, code)
            ours, _ = side_by_side(lambda: _browse(port, cookie), None)
    return [Row(f"the balance page under granian, {CLIENTS} browsers, SQLite", "pages/s", ours)]


def _somebody_with_a_past() -> str:
    add_people(10)
    account = reading().scalars(select(Account).order_by(Account.id)).first()
    if account is None or account.user_id is None:
        raise RuntimeError("there is nobody to look at")
    account_id, user_id = account.id, account.user_id
    for number in range(ENTRIES):
        amount, source = (50_000_000, "adjustment") if number == 0 else (-50_000, "print")
        writing(
            lambda session, number=number, amount=amount, source=source: ledger.post(
                session,
                account_id=account_id,
                amount=amount,
                source=source,
                key=f"bench:{number}",
                now=clock.now(),
                title="Essay.pdf",
            )
        )
    return writing(lambda session: sessions.make_enter_code(session, user_id=user_id, now=clock.now()))


def _enter(port: int, code: str) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    connection.request("GET", f"/enter?code={code}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return str(answer.headers["Set-Cookie"]).split(";")[0]


def _browse(port: int, cookie: str) -> float:
    def browser(_number: int) -> float:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)

        def look() -> None:
            connection.request("GET", "/", headers={"Cookie": cookie})
            answer = connection.getresponse()
            page = answer.read()
            if answer.status != 200 or b"$47.05" not in page:
                raise RuntimeError(f"this is no balance page: {answer.status} {page[:300]!r}")

        found = per_second(look, SECONDS)
        connection.close()
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(browser, range(CLIENTS)))
