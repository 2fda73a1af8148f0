"""The access helper: decisions beside a helper that only echoes and one of Squid's own, and pages through a proxy."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import update

from app import clock
from app.api import tokens
from app.db import db, writing
from app.ledger.models import Account
from app.people.models import User
from tests.bench.place import instance
from tests.bench.table import Row, side_by_side
from tests.jobs.conftest import add_people
from tests.servers.origin import Origin
from tests.servers.process import LOOPBACK, Child, free_port, need, wait_port
from tests.servers.squid import Squid

PEOPLE = 5000
WINDOW = 100
REQUESTS = 100_000
LONE = 3_000
LONE_RUNS = 15  # short ones: the machine's mood changes within a second
PAGES = 400
RUNS = 5
ROOT = Path(__file__).resolve().parents[2]
TIME_QUOTA = "/usr/lib/squid/ext_time_quota_acl"
PYTHON = "/usr/bin/python3"
ECHO = """
import sys
for line in sys.stdin:
    sys.stdout.write(line.split(" ", 1)[0] + " OK\\n")
    sys.stdout.flush()
"""


class Helper:
    """A helper on two pipes."""

    def __init__(self, argv: list[str], log: Path) -> None:
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._to, self._from = self.process.stdin.fileno(), self.process.stdout.fileno()

    def rate(self, lines: list[bytes]) -> float:
        """Decisions a second, never more than WINDOW on the way: as many are sent as were answered."""
        begun, sent, answered = time.perf_counter(), 0, 0
        while answered < len(lines):
            more = min(WINDOW - (sent - answered), len(lines) - sent)
            if more:
                os.write(self._to, b"".join(lines[sent : sent + more]))
                sent += more
            answered += os.read(self._from, 65_536).count(b"\n")
        return len(lines) / (time.perf_counter() - begun)

    def lone_us(self, line: bytes) -> float:
        """The median time of one request alone, in microseconds."""
        times = []
        for _ in range(LONE):
            begun = time.perf_counter()
            self.ask(line)
            times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1e6

    def ask(self, line: bytes) -> bytes:
        """One answer, whole: ext_time_quota_acl writes its in three pieces, and Squid too waits for the line's end."""
        os.write(self._to, line)
        answer = os.read(self._from, 4096)
        while not answer.endswith(b"\n"):
            answer += os.read(self._from, 4096)
        return answer

    def close(self) -> None:
        """End it; not every helper ends with its pipe."""
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def serving() -> Iterator[tuple[Path, list[str]]]:
    """An instance that serves PEOPLE with no limit; yields an edge's config file for it, and their names."""
    port = free_port()
    with instance(port=port, charges=("internet",)) as app:
        folder = app.extensions["twinpurse.settings"].folder
        add_people(PEOPLE)

        def fill(session: db.Session) -> tuple[str, list[str]]:  # type: ignore[name-defined]
            session.execute(update(Account).values(floor=None))
            token = tokens.make_machine_token(session, name="bench", scope="internet", now=clock.now())
            return token, list(session.scalars(db.select(User.username).order_by(User.id)))

        token, names = writing(fill)
        db.session.remove()
        (folder / "edge-token").write_text(token)
        (folder / "edge-token").chmod(0o600)
        toml = folder / "edge.toml"
        toml.write_text(
            f'instance_url = "http://{LOOPBACK}:{port}"\ntoken_file = "{folder}/edge-token"\nserver = "bench"\n'
        )
        argv = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(folder), "--port", str(port)]
        environment = {name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"}
        with Child(argv, env=environment, cwd=ROOT, log=folder / "server.log") as child:
            wait_port(port, child, timeout_s=60)
            yield toml, names


def decisions(toml: Path, names: list[str], folder: Path) -> list[Row]:
    """A window of 100, and one request at a time."""
    need(TIME_QUOTA, "squid")
    lines = [b"%d %s www%d.example.org -\n" % (n % WINDOW, names[n % PEOPLE].encode(), n % 7) for n in range(REQUESTS)]
    quota = folder / "quota.txt"
    quota.write_text("".join(f"{name} 23h / 1d\n" for name in names[:100]))
    ours = Helper([PYTHON, "-m", "edge.squid_acl", "--config", str(toml)], folder / "ours.err")
    echo = Helper([PYTHON, "-c", ECHO], folder / "echo.err")
    theirs = Helper([TIME_QUOTA, "-b", str(folder / "quota.db"), str(quota)], folder / "theirs.err")
    time.sleep(2)  # the list is there
    assert b" OK" in ours.ask(lines[0]), (folder / "ours.err").read_text()
    assert theirs.ask(f"{names[0]}\n".encode()).startswith(b"OK"), (folder / "theirs.err").read_text()
    try:
        many = side_by_side(lambda: ours.rate(lines), lambda: echo.rate(lines), runs=RUNS)
        single = side_by_side(
            lambda: ours.lone_us(lines[0]), lambda: theirs.lone_us(f"{names[0]}\n".encode()), runs=LONE_RUNS
        )
    finally:
        for helper in (ours, echo, theirs):
            helper.close()
    return [
        Row(
            "access decisions, window 100 (beside a Python helper that only echoes, flushing each line)",
            "/s",
            *many,
            0.5,
        ),
        Row("one access decision at a time, median (beside ext_time_quota_acl)", "us", *single, 1, less_is_better=True),
    ]


def pages(toml: Path, names: list[str], origin: Origin) -> Row:
    """The median latency of a small page, with helper, meter and follower, beside the same proxy without them."""
    users = {names[0]: "word"}
    ours, bare = (Squid(edge_toml=toml, users=users) for _ in range(2))
    text = bare._config.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(external_acl_type|acl twinpurse_may|http_access deny !twinpurse_may).*$", "", text)
    bare._config.write_text(text, encoding="utf-8")
    try:
        ender = ours.meter_live().start()
        ours.start()
        bare.start()
        follower = ours.follower("--skip-old").start()
        for squid in (ours, bare):
            assert squid.fetch(names[0], "word", f"{origin.url}/bytes/1000").status == 200, squid.cache_log()
        found = side_by_side(
            lambda: page_ms(ours, names[0], origin.url), lambda: page_ms(bare, names[0], origin.url), runs=RUNS
        )
        assert follower.running, follower.log_tail()
        follower.stop()
        ender.stop()
    finally:
        ours.stop()
        bare.stop()
    return Row("a page of 10 kB through the proxy, median (beside it without ours)", "ms", *found, 1.15, True)


def page_ms(squid: Squid, user: str, url: str) -> float:
    """The median time of a page over one connection, in milliseconds."""
    connection = http.client.HTTPConnection(LOOPBACK, squid.port, timeout=10)
    headers = {"Proxy-Authorization": f"Basic {b64encode(f'{user}:word'.encode()).decode()}"}
    times = []
    for _ in range(PAGES):
        begun = time.perf_counter()
        connection.request("GET", f"{url}/bytes/10000", headers=headers)
        response = connection.getresponse()
        response.read()
        times.append(time.perf_counter() - begun)
        assert response.status == 200
    connection.close()
    return statistics.median(times) * 1000


def rows() -> list[Row]:
    """Measure all of it."""
    folder = Path(tempfile.mkdtemp(prefix="twinpurse-bench-", dir="/tmp"))
    try:
        with serving() as (toml, names), Origin() as origin:
            return [*decisions(toml, names, folder), pages(toml, names, origin)]
    finally:
        shutil.rmtree(folder)
