"""How many balance pages a second a signed-in browser gets, against the barest page that the same framework can make.

Both are served by granian as `twinpurse serve` starts it, and asked by wrk in turns.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from app import clock
from app.db import db, reading, writing
from app.ledger import batch
from app.ledger.batch import Posting
from app.ledger.models import Account
from app.people import sessions
from tests.bench.place import instance, vacuum
from tests.bench.table import Row, side_by_side
from tests.jobs.conftest import add_people
from tests.servers.process import LOOPBACK, Child, free_port, wait_port

SECONDS = 5
CLIENTS = 4
ENTRIES = 10_000
ROOT = Path(__file__).resolve().parents[2]
RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")


def rows() -> list[Row]:
    """Measure the balance page of somebody with 10,000 entries: looked at again, and made anew each time."""
    port = free_port()
    with instance(port=port) as app:
        folder = app.extensions["twinpurse.settings"].folder
        code = _somebody_with_a_past()
        vacuum()
        db.session.remove()
        serve = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(folder), "--port", str(port)]
        with _serving(serve, port, folder / "server.log"), _bare(folder) as bare:
            cookie, bare_cookie = _enter(port, f"/enter?code={code}"), _enter(bare, "/enter")
            _check(port, cookie, b"47.05")
            _check(bare, bare_cookie, b"47.05")
            again = side_by_side(lambda: _wrk(port, cookie), lambda: _wrk(bare, bare_cookie))
            anew = side_by_side(lambda: _wrk(port, cookie, "/?anew=1"), lambda: _wrk(bare, bare_cookie))
    name = f"the balance page, {ENTRIES:,} entries, {CLIENTS} connections of wrk, SQLite"
    return [
        Row(f"{name}: looked at again, kept 3 s (bare page: one SELECT)", "pages/s", *again, bar=1.0),
        Row(f"{name}: made anew each time", "pages/s", *anew),
    ]


def _somebody_with_a_past() -> str:
    add_people(10)
    account = reading().scalars(select(Account).order_by(Account.id)).first()
    if account is None or account.user_id is None:
        raise RuntimeError("there is nobody to look at")
    account_id, user_id, now = account.id, account.user_id, clock.now()
    postings = [
        Posting(account_id, 547_000_000 if number == 0 else -50_000, "print", f"bench:{number}", "Essay.pdf", at=now)
        for number in range(ENTRIES)
    ]
    writing(lambda session: batch.post_many(session, postings=postings, now=now))
    return writing(lambda session: sessions.make_enter_code(session, user_id=user_id, now=now))


@contextmanager
def _bare(folder: Path) -> Iterator[int]:
    """Serve the bare page as `twinpurse serve` would, with a database of its own."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", LOOPBACK, "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "4", "--no-ws", "--log-level", "warning"]
    environment = {"BARE_PAGE_DATABASE": f"sqlite:///{folder / 'bare.db'}"}
    with _serving([*command, "tests.bench.bare_page:app"], port, folder / "bare.log", environment):
        yield port


@contextmanager
def _serving(command: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    inherited = {name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"}
    with Child(command, env=inherited | (environment or {}), cwd=ROOT, log=log) as server:
        wait_port(port, server, timeout_s=30)
        yield


def _enter(port: int, address: str) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    connection.request("GET", address)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return str(answer.headers["Set-Cookie"]).split(";")[0]


def _check(port: int, cookie: str, figure: bytes) -> None:
    """Raise unless the page that wrk will ask for is the one that it should be."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    for _ in range(2):
        connection.request("GET", "/", headers={"Cookie": cookie})
        answer = connection.getresponse()
        page = answer.read()
        if answer.status != 200 or figure not in page:
            raise RuntimeError(f"this is no balance page: {answer.status} {page[:300]!r}")
    connection.close()


def _wrk(port: int, cookie: str, path: str = "/") -> float:
    """Return the pages a second that wrk got. Raises RuntimeError when one was refused."""
    command = ["wrk", "--threads", "1", "--connections", str(CLIENTS), "--duration", f"{SECONDS}s"]
    said = subprocess.run(
        [*command, "--header", f"Cookie: {cookie}", f"http://{LOOPBACK}:{port}{path}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = RATE.search(said)
    if rate is None or REFUSED.search(said):
        raise RuntimeError(f"wrk was refused: {said}")
    return float(rate[1])
