"""The desktop client: how soon its window is there, what it weighs, and how many of them one instance can answer."""

from __future__ import annotations

import http.client
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import select

from app import clock
from app.db import db, reading, writing
from app.people import devices
from app.people.models import User
from tests.bench.place import instance
from tests.bench.table import Row, per_second, side_by_side
from tests.jobs.conftest import add_people
from tests.servers.process import LOOPBACK, Child, free_port, wait_port

SECONDS = 3.0
CLIENTS = 4
ROOT = Path(__file__).resolve().parents[2]
UNCHANGED = 304


def polls() -> Row:
    """Unchanged polls a second beside a bare Flask "hello" under the same server with the same options."""
    port, hello_port = free_port(), free_port()
    with instance(port=port) as app:
        folder = app.extensions["twinpurse.settings"].folder
        add_people(10)
        user_id = reading().scalars(select(User.id).order_by(User.id)).first()
        _, token = writing(lambda session: devices.make(session, user_id=user_id or 0, name="bench", now=clock.now()))
        db.session.remove()
        environment = {name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"}
        serve = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(folder), "--port", str(port)]
        granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", LOOPBACK, "--workers", "1"]
        granian += ["--blocking-threads", "8", "--no-ws", "--log-level", "warning", "--port", str(hello_port)]
        hello = [*granian, "tests.bench.hello:app"]
        with (
            Child(serve, env=environment, cwd=ROOT, log=folder / "server.log") as server,
            Child(hello, env=environment, cwd=ROOT, log=folder / "hello.log") as bare,
        ):
            wait_port(port, server, timeout_s=30)
            wait_port(hello_port, bare, timeout_s=30)
            headers = {"Authorization": f"Bearer {token}"}
            tag = _get(http.client.HTTPConnection(LOOPBACK, port), "/api/v1/client/balance", headers)[1]
            headers["If-None-Match"] = tag
            ours, reference = side_by_side(
                lambda: _rate(port, "/api/v1/client/balance", headers, UNCHANGED),
                lambda: _rate(hello_port, "/hello", {}, 200),
            )
    name = f"unchanged polls of desktop clients (304), {CLIENTS} connections, SQLite (beside a bare Flask hello)"
    return Row(name, "polls/s", ours, reference, 0.4)


def rows() -> list[Row]:
    """Measure all of it."""
    return [polls()]


def _rate(port: int, path: str, headers: dict[str, str], expected: int) -> float:
    def browse(_number: int) -> float:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
        try:
            return per_second(lambda: _expect(connection, path, headers, expected), SECONDS)
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(browse, range(CLIENTS)))


def _expect(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], expected: int) -> None:
    status, _ = _get(connection, path, headers)
    if status != expected:
        raise RuntimeError(f"{path} was answered {status}")


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("ETag", "")


