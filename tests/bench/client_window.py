"""The desktop client: how soon its window is there, what it weighs, and how many of them one instance can answer."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import select

from app import clock
from app.db import db, reading, writing
from app.people import devices
from app.people.models import User
from tests.bench.place import instance
from tests.bench.table import Row, per_second, side_by_side
from tests.client.building import build
from tests.client.instance_stub import InstanceStub
from tests.jobs.conftest import add_people
from tests.servers.authority import Authority
from tests.servers.display import Display
from tests.servers.process import LOOPBACK, Child, free_port, wait_port

SECONDS = 2.0
CLIENTS = 4
STARTS = 5
COLOUR = "f5e6ff"
INSIDE = (4, 60)
SOURCE = [sys.executable, "-m", "client"]
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
        granian += ["--blocking-threads", "4", "--no-ws", "--log-level", "warning", "--port", str(hello_port)]
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
                runs=7,
            )
    name = f"unchanged polls of desktop clients (304), {CLIENTS} connections, SQLite (beside a bare Flask hello)"
    return Row(name, "polls/s", ours, reference, 0.4)


def rows() -> list[Row]:
    """Measure all of it. Where the reference is a limit that was set, the row says so."""
    folder = Path(tempfile.mkdtemp(prefix="twinpurse-bench-", dir="/tmp"))
    try:
        _, program = build(folder)
        with Display() as screen:
            source, one_file = _Starts(folder, screen, SOURCE), _Starts(folder, screen, [str(program)])
            return [
                _limit("the desktop client from its start to a visible window", "s", source.seconds(), 0.6),
                _limit("the same, resident memory with a balance fetched over TLS", "MB", source.megabytes(), 45),
                _limit("the client as one file", "MB", program.stat().st_size / 1e6, 25),
                _limit("the client as one file from its start to a visible window", "s", one_file.seconds(), 2),
                polls(),
            ]
    finally:
        shutil.rmtree(folder)


def _limit(what: str, unit: str, ours: float, limit: float) -> Row:
    return Row(f"{what} (beside the limit)", unit, ours, limit, 1, less_is_better=True)


class _Starts:
    """Starts of one kind of program on a screen of its own."""

    def __init__(self, folder: Path, screen: Display, command: list[str]) -> None:
        self._folder, self._screen, self._command = folder, screen, command

    def seconds(self) -> float:
        """Return the median of the seconds until the window's colour is on the screen; the first start warms up."""
        found = []
        for _ in range(STARTS + 1):
            before = time.perf_counter()
            with self._start("--server-url", "http://127.0.0.1:9"):
                while self._screen.pixel(*INSIDE) != COLOUR:
                    if time.perf_counter() - before > 30:
                        raise RuntimeError("the window does not appear")
                    time.sleep(0.002)
                found.append(time.perf_counter() - before)
            while self._screen.pixel(*INSIDE) == COLOUR:
                time.sleep(0.01)
        return statistics.median(found[1:])

    def megabytes(self) -> float:
        """Return what is resident when the balance is shown."""
        authority = Authority(self._folder / "ca")
        with InstanceStub(authority.sign("server")) as stub:
            state = self._folder / ".local/state/twinpurse-client/bench"
            state.mkdir(parents=True, exist_ok=True)
            (state / "remembered.json").unlink(missing_ok=True)
            (state / "token").write_text(json.dumps({"server": stub.url, "token": "tpd_known"}))
            with self._start("--server-url", stub.url, "--ca-file", str(authority.ca_file)) as child:
                while not (state / "remembered.json").exists():
                    time.sleep(0.05)
                time.sleep(1)
                status = Path(f"/proc/{child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000

    def _start(self, *arguments: str) -> Child:
        look = ["--windowposition", "top-left", "--background-color", COLOUR, "--profile", "bench"]
        environment = {"HOME": str(self._folder), "PYTHONPATH": str(ROOT)} | self._screen.environment
        log = self._folder / "client.log"
        return Child([*self._command, *look, *arguments], env=environment, cwd=self._folder, log=log).start()


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
