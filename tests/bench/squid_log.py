"""From a proxy's log to posted entries: the follower and a served instance, beside programs that only add bytes up."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, insert, select

from app import clock
from app.api import tokens
from app.db import db, reading, writing
from app.internet import hours
from app.internet.models import UsageCarry, UsageHour
from app.internet.rate_models import InternetRates, SiteList
from app.ledger.models import Account, Entry
from app.people.models import User
from tests.bench import squid_lines
from tests.bench.place import instance
from tests.bench.table import Row
from tests.edge.served_books import descendants
from tests.servers.process import LOOPBACK, Child, free_port, need, wait_port

LINES, USERS, SITES, LISTS = 2_000_000, 5_000, 1_000, 10
GOACCESS_LINES, CALAMARIS_LINES = 500_000, 200_000
RUNS = 3
ROOT = Path(__file__).resolve().parents[2]
BY_USER = '{b[$8]+=$5} END{for(u in b) printf "%s %.0f\\n",u,b[u]}'
# goaccess's preset SQUID does not read Squid's native log.
GOACCESS = [
    "goaccess",
    "{log}",
    "--no-global-config",
    "--no-progress",
    "--date-format=%s",
    "--time-format=%s",
    "--datetime-format=%s",
    "-o",
    "{out}.json",
]
GOACCESS_FORMAT = "--log-format=%x.%^ %~%L %h %^/%s %b %m %U %e %^"
CALAMARIS = ["calamaris", "-a", "-n", "{log}"]


def rows() -> list[Row]:
    """Measure in turns: ours, mawk, goaccess, calamaris."""
    for program in ("mawk", "goaccess", "calamaris"):
        need(f"/usr/bin/{program}", program)
    folder = Path(tempfile.mkdtemp(prefix="twinpurse-bench-log-", dir="/tmp"))
    try:
        log = folder / "access.log"
        squid_lines.write(log, lines=LINES, users=USERS)
        _head(log, folder / "goaccess.log", GOACCESS_LINES)
        _head(log, folder / "calamaris.log", CALAMARIS_LINES)
        return _flat(folder, log) + _by_site(folder, log)
    finally:
        shutil.rmtree(folder)


def _flat(folder: Path, log: Path) -> list[Row]:
    ours, mawk, goaccess, calamaris = [], [], [], []
    with _served(folder, log) as site:
        for _ in range(RUNS):
            ours.append(LINES / site.book())
            mawk.append(LINES / _mawk(log))
            goaccess.append(GOACCESS_LINES / _run([*GOACCESS, GOACCESS_FORMAT], folder, "goaccess.log"))
            calamaris.append(CALAMARIS_LINES / _run(CALAMARIS, folder, "calamaris.log"))
        site.check()
        name = f"a log of {LINES:,} lines of {USERS:,} people, from the file to posted entries, SQLite"
        middle = [statistics.median(each) for each in (ours, mawk, goaccess, calamaris)]
        return [
            Row(f"{name} (beside mawk that adds up bytes)", "lines/s", middle[0], middle[1], bar=0.35),
            Row(f"{name} (beside goaccess)", "lines/s", middle[0], middle[2], bar=5),
            Row(f"{name} (beside calamaris)", "lines/s", middle[0], middle[3], bar=5),
            *site.costs("the same"),
        ]


def _by_site(folder: Path, log: Path) -> list[Row]:
    ours, mawk = [], []
    with _served(folder, log, sites=SITES) as site:
        for _ in range(RUNS):
            ours.append(LINES / site.book())
            mawk.append(LINES / _mawk(log))
        site.check()
        name = f"the same with {SITES:,} site rules in {LISTS} lists (beside mawk that adds up bytes)"
        reference = statistics.median(mawk)
        return [
            Row(name, "lines/s", statistics.median(ours), reference, bar=0.2),
            *site.costs(f"the same with {SITES:,} site rules in {LISTS} lists"),
        ]


class _Site:
    """A served instance, a log, and what booking it took."""

    def __init__(self, folder: Path, log: Path, url: str, token: str, server: Child) -> None:
        self._folder, self._log, self._url, self._server = folder, log, url, server
        self._token = folder / "token"
        self._token.write_text(token)
        self._token.chmod(0o600)
        self._runs = 0
        self._cpu: list[tuple[float, float]] = []
        self._memory: list[float] = []

    def book(self) -> float:
        """Book the whole log under another name; return the seconds from the follower's start to its end."""
        self._runs += 1
        config = self._folder / "edge.toml"
        config.write_text(f'instance_url = "{self._url}"\ntoken_file = "{self._token}"\nserver = "bench{self._runs}"\n')
        command = [sys.executable, "-m", "edge.squid_log", "--config", str(config), "--log", str(self._log)]
        before, start = _cpu_of(self._server.process.pid), time.perf_counter()
        follower = subprocess.Popen([*command, "--format", "squid", "--once"], cwd=ROOT, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(follower.pid, 0)
        seconds = time.perf_counter() - start
        follower.returncode = status
        if status:
            raise RuntimeError("the follower failed")
        self._cpu.append((usage.ru_utime + usage.ru_stime, _cpu_of(self._server.process.pid) - before))
        self._memory.append(usage.ru_maxrss / 1024)
        begun = time.perf_counter()
        while self._waits():
            time.sleep(0.1)
        self._added = time.perf_counter() - begun
        return seconds

    def _waits(self) -> bool:
        db.session.remove()  # it would see the books as they were
        found = hours.anything_waits(reading())
        db.session.remove()
        return found

    def costs(self, name: str) -> list[Row]:
        """What it takes in all: processor time, and until the pages show the use by hour."""
        follower, server = (statistics.median(column) for column in zip(*self._cpu, strict=True))
        return [
            Row(f"{name}: processor time of the follower's {os.cpu_count()} processes", "s", follower),
            Row(f"{name}: processor time of the instance until all is posted", "s", server),
            Row(f"{name}: until the pages have the use by hour, after the last entry", "s", self._added),
            Row(f"{name}: memory of the follower's largest process, at most", "MB", max(self._memory)),
            Row(f"{name}: memory of the instance's largest process, at most", "MB", _peak_mb(self._server.process.pid)),
        ]

    def check(self) -> None:
        """Raise RuntimeError unless everybody's charged bytes equal a plain count of the log, by user."""
        booked = select(User.username, func.sum(Entry.quantity)).join(Account, Account.user_id == User.id)
        booked = booked.join(Entry, Entry.account_id == Account.id).group_by(User.username)
        charged = Counter({name: int(size) for name, size in reading().execute(booked)})
        carried = select(User.username, UsageCarry.bytes).join(UsageCarry, UsageCarry.user_id == User.id)
        charged.update({str(row[0]): int(row[1]) for row in reading().execute(carried)})
        hourly = select(User.username, func.sum(UsageHour.download)).join(UsageHour).group_by(User.username)
        by_hour = {name: int(size) for name, size in reading().execute(hourly)}
        expected = {name: size * self._runs for name, size in _count(self._log).items()}
        for what, found in (("charged", +charged), ("shown by hour", by_hour)):
            wrong = [(name, found.get(name, 0), size) for name, size in expected.items() if found.get(name, 0) != size]
            if wrong or len(found) != len(expected):
                raise RuntimeError(f"what was {what} is not what the log says: {wrong[:3]}")


@contextmanager
def _served(folder: Path, log: Path, sites: int = 0) -> Iterator[_Site]:
    port = free_port()
    with instance(port=port, charges=("internet",), domains='["example", "example.org"]') as app:
        _people(USERS)
        if sites:
            _rules(sites)
        token = writing(lambda session: tokens.make_machine_token(session, name="b", scope="internet", now=clock.now()))
        db.session.remove()
        settings = app.extensions["twinpurse.settings"]
        server = Child(
            [
                sys.executable,
                "-c",
                "from app.cli import main; main()",
                "serve",
                str(settings.folder),
                "--port",
                str(port),
            ],
            env={name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"},
            cwd=ROOT,
            log=folder / "server.log",
        )
        with server:
            wait_port(port, server, timeout_s=30)
            urllib.request.urlopen(f"http://{LOOPBACK}:{port}/healthz").close()  # the port is there before the rest
            yield _Site(folder, log, f"http://{LOOPBACK}:{port}", token, server)


def _people(count: int) -> None:
    now = clock.now()
    names = [_account(name) for name in squid_lines.plain_names(count)]
    people = [
        {"directory_id": f"d{n}", "username": name, "display_name": name, "created_at": now, "refreshed_at": now}
        for n, name in enumerate(names)
    ]
    writing(lambda session: session.execute(insert(User), people))
    ids = reading().execute(select(User.id, User.username)).all()
    purses = [{"kind": "user", "name": name, "user_id": number, "created_at": now} for number, name in ids]
    writing(lambda session: session.execute(insert(Account), purses))


def _rules(count: int) -> None:
    """Prices for data, and so many domains in LISTS lists of sites: the most visited half of the log's hosts."""
    now = clock.now()
    hosts = squid_lines.hosts()[:count]
    lists = [{"name": f"list {n}", "percent": 20 * n, "domains": "\n".join(hosts[n::LISTS])} for n in range(LISTS)]
    prices = {"price_per_mb_down": 10_000, "price_per_mb_up": 10_000, "changed_at": now}
    writing(lambda session: session.execute(insert(SiteList), lists))
    writing(lambda session: session.execute(insert(InternetRates), {"id": 1, **prices}))


def _account(name: str) -> str:
    return name.removeprefix("example\\").removesuffix("@example.org")


def _count(log: Path) -> dict[str, int]:
    """Bytes by user, counted line by line as the log's description says, by nothing of ours."""
    names = dict(zip(squid_lines.user_names(USERS), squid_lines.plain_names(USERS), strict=True))
    found: Counter[str] = Counter()
    with log.open(encoding="ascii") as file:
        for line in file:
            fields = line.split()
            if fields[7] != "-" and not fields[3].startswith(("TCP_DENIED", "NONE")):
                found[_account(names[fields[7]])] += int(fields[4])
    return dict(found)


def _mawk(log: Path) -> float:
    start = time.perf_counter()
    subprocess.run(["mawk", BY_USER, str(log)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _run(command: list[str], folder: Path, log: str) -> float:
    filled = [part.replace("{log}", str(folder / log)).replace("{out}", str(folder / "report")) for part in command]
    start = time.perf_counter()
    subprocess.run(filled, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def _head(log: Path, out: Path, lines: int) -> None:
    with out.open("wb") as file:
        subprocess.run(["head", "-n", str(lines), str(log)], check=True, stdout=file)


def _cpu_of(pid: int) -> float:
    """Seconds of processor time of a process and all below it that run now."""
    return sum(_seconds(each) for each in (pid, *descendants(pid)))


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    """The most memory that one of a process and those below it has held."""
    found = 0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(OSError, IndexError):
            found = max(found, int(Path(f"/proc/{each}/status").read_text().split("VmHWM:")[1].split()[0]))
    return found / 1024
