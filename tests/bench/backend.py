"""What charging adds to a print job: real cupsd, instance and raw printer, and the same queue without us beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.api import tokens
from app.db import db, reading, writing
from app.ledger import service as ledger
from app.ledger.models import Account, Entry
from app.printing import price_json, rule_versions
from app.printing.prices import Line, PriceBook, PriceList
from app.printing.scope import Scope
from edge.cups_launcher import write_launcher
from edge.ipp import get_job
from tests.bench.place import instance
from tests.bench.table import Row
from tests.jobs.conftest import add_people
from tests.servers.cups import PROJECT, SYSTEM_PYTHON, Cups
from tests.servers.documents import write_pdf
from tests.servers.process import LOOPBACK, Child, free_port, make_dir, wait_port
from tests.servers.raw_printer import RawPrinter

SERVER = "bench"
STARTS, JOBS, BURST = 25, 15, 50
COMPLETED = 9
START_MS, PLAIN_MS, COUNTED_MS = 60, 150, 350
PRICE = 50_000
SECONDS_MOST = 60.0
NO_CONFIG = {"DEVICE_URI": "twinpurse:/nowhere/print.toml?wrap=socket://printer"}


def rows() -> list[Row]:
    """Measure start, jobs one by one, and a burst. Where the reference is a limit that was set, the row says so."""
    with _place() as place:
        found = [
            _limit("the print backend from its start to its config, all of it loaded", _starts_ms(place.cups), START_MS)
        ]
        medians = place.medians_ms("plain", "uncounted", "counted")
        for queue, words, limit in (
            ("uncounted", "what charging adds to a job that needs no count", PLAIN_MS),
            ("counted", "what charging adds to a job whose PDF pages are counted", COUNTED_MS),
        ):
            found.append(_limit(words, medians[queue] - medians["plain"], limit))
        plain_s, charged_s, accounted = place.burst("plain"), place.burst("counted"), place.entries()
    found.append(Row(f"a burst of {BURST} jobs on one queue, each charged once", "jobs", accounted, BURST, 1))
    found.append(Row("the same burst from first to last (beside the queue without charging)", "s", charged_s, plain_s))
    return found


def _limit(what: str, ours: float, limit: float) -> Row:
    return Row(f"{what} (beside the limit)", "ms", ours, limit, 1, less_is_better=True)


def _starts_ms(cups: Cups) -> float:
    backend = cups.folder / "bench-backend"
    write_launcher(backend, python=SYSTEM_PYTHON, project=PROJECT)
    took = []
    for _ in range(STARTS + 1):
        before = time.perf_counter()
        done = subprocess.run(
            [backend, "1", "user1", "essay", "1", ""], env=NO_CONFIG, stderr=subprocess.PIPE, check=False
        )
        took.append(1000 * (time.perf_counter() - before))
        if b"cannot be read" not in done.stderr:
            raise RuntimeError(done.stderr.decode())
    return statistics.median(took[1:])


class _Place:
    """Three queues to one printer: "plain" without us, "uncounted" (only a base price) and "counted" (by page)."""

    def __init__(self, cups: Cups, printer: RawPrinter, url: str, token: str) -> None:
        self.cups = cups
        self._document = write_pdf(cups.folder / "bench.pdf", 3)
        self._before = 0
        toml = cups.write_edge_toml(url, token, server=SERVER, more="")
        cups.run("lpadmin", "-p", "plain", "-E", "-v", printer.uri)
        for queue in ("uncounted", "counted"):
            cups.add_queue(queue, toml, printer.uri, raw=True)

    def medians_ms(self, *queues: str) -> dict[str, float]:
        """From before `lp` to the job's end, in turns, so that a noisy minute meets all; the first of each warms up."""
        took: dict[str, list[float]] = {queue: [] for queue in queues}
        for _ in range(JOBS + 1):
            for queue in queues:
                before = time.perf_counter()
                self._wait(queue, self._print(queue))
                took[queue].append(1000 * (time.perf_counter() - before))
        return {queue: statistics.median(times[1:]) for queue, times in took.items()}

    def burst(self, queue: str) -> float:
        """Print many at once; return the seconds until the last has ended."""
        self._before = _last_entry()
        before = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            numbers = list(pool.map(lambda _: self._print(queue), range(BURST)))
        for number in numbers:
            self._wait(queue, number)
        return time.perf_counter() - before

    def entries(self) -> int:
        """How many jobs of the last burst are in the books."""
        db.session.remove()
        return reading().scalar(select(func.count()).select_from(Entry).where(Entry.id > self._before)) or 0

    def _print(self, queue: str) -> int:
        return self.cups.print_file(queue, "user1", self._document)

    def _wait(self, queue: str, number: int) -> None:
        uri, deadline = f"ipp://{LOOPBACK}:{self.cups.port}/printers/{queue}", time.monotonic() + SECONDS_MOST
        while get_job(uri, number, user="user1", wanted=["job-state"], seconds=5)["job-state"] != [COMPLETED]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{queue}: job {number} does not end: {self.cups.log_of(number)}")
            time.sleep(0.003)


@contextlib.contextmanager
def _place() -> Iterator[_Place]:
    port = free_port()
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(instance(port=port))
        add_people(2)
        token = writing(_fill)
        db.session.remove()
        folder = app.extensions["twinpurse.settings"].folder
        serve = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(folder), "--port", str(port)]
        environment = {name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"}
        server = stack.enter_context(Child(serve, env=environment, cwd=PROJECT, log=folder / "server.log"))
        wait_port(port, server, timeout_s=60)
        folders = [_removed(stack, make_dir(f"twinpurse-{name}-")) for name in ("cups", "raw")]
        printer = stack.enter_context(RawPrinter(folders[1]))
        cups = Cups(folders[0]).start()
        stack.callback(cups.stop)
        yield _Place(cups, printer, f"http://{LOOPBACK}:{port}", token)


def _removed(stack: contextlib.ExitStack, folder: Path) -> Path:
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _fill(session: Session) -> str:
    """Give everybody credit, set the prices, make a token."""
    now = clock.now()
    for account in session.scalars(select(Account)):
        ledger.post(
            session,
            account_id=account.id,
            amount=10**12,
            source="adjustment",
            key=f"bench:{account.id}",
            now=now,
            title="Credit",
            measured=True,
        )
    uncounted = PriceList((Line(0),), Scope(server=SERVER, printer="uncounted"), base=PRICE)
    book = price_json.book_to_json(PriceBook((PriceList((Line(PRICE),)), uncounted)))
    rule_versions.save(session, kind="prices", body=book, after=0, note="", by="bench", now=now)
    return tokens.make_machine_token(session, name=SERVER, scope="print", now=now)


def _last_entry() -> int:
    db.session.remove()
    return reading().scalar(select(func.max(Entry.id))) or 0
