"""A place where printing is charged for real: cupsd, an IPP printer, a raw one, and an instance with its books."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pikepdf
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.api import tokens
from app.db import db, reading, writing
from app.factory import create_app
from app.folder import Plan, make_folder
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry, Hold
from app.people import service as people
from app.people.models import User
from app.printing import price_json, rule_versions
from app.printing.models import PrintJob
from app.printing.prices import Line, PriceBook, PriceList
from app.settings import Settings
from directory.memory import MemoryDirectory, MemoryPerson
from tests.conftest import CAST, person
from tests.edge.charge_table import Seen
from tests.servers.cups import PROJECT, SYSTEM_PYTHON, Cups
from tests.servers.documents import pdf
from tests.servers.ipp_printer import IppPrinter
from tests.servers.process import make_dir
from tests.servers.raw_printer import RawPrinter, pages_of
from tests.servers.web import WebServer

CENT = 10_000
GREY, TWO_SIDED, COLOUR, LARGE, LARGE_COLOUR = 5 * CENT, 4 * CENT, 20 * CENT, 10 * CENT, 40 * CENT
PRICES = PriceList(
    (
        Line(GREY),
        Line(TWO_SIDED, duplex=True),
        Line(COLOUR, colour=True),
        Line(LARGE, paper="a3"),
        Line(LARGE_COLOUR, paper="a3", colour=True),
    )
)
CREDIT = 5_000 * 100 * CENT
PDF_DRIVER = "/usr/share/ppd/cupsfilters/Generic-PDF_Printer-PDF.ppd"
POSTSCRIPT_DRIVER = "drv:///sample.drv/generic.ppd"
PCL_DRIVER = "drv:///sample.drv/generpcl.ppd"
SETTLED_S = 15
DOMAINS = ["SCHOOL"]
ENDED = ("completed", "canceled", "aborted", "held", "stopped")
A3_POINTS = (842, 1191)
_numbers = itertools.count(1)


@dataclass
class ChargedPlace:
    """Queues: "filtered" (IPP), "ipp-raw", "socket" (PDF driver, raw printer), "socket-raw"; alice has credit."""

    cups: Cups
    ipp: IppPrinter
    raw: RawPrinter
    app: Flask
    url: str
    edge_toml: Path = field(init=False)
    raster: IppPrinter | None = None
    why: str = ""
    log: str = ""

    def __post_init__(self) -> None:
        with self.app.app_context():
            token = writing(
                lambda session: tokens.make_machine_token(session, name="print-1", scope="print", now=clock.now())
            )
        self.edge_toml = self.cups.write_edge_toml(self.url, token)
        self.cups.add_queue("filtered", self.edge_toml, self.ipp.uri)
        self.cups.add_queue("ipp-raw", self.edge_toml, self.ipp.uri, raw=True)
        self.cups.add_queue("socket", self.edge_toml, self.raw.uri, model=PDF_DRIVER)
        self.cups.add_queue("socket-raw", self.edge_toml, self.raw.uri, raw=True)

    @contextlib.contextmanager
    def raster_printer(self, formats: str) -> Iterator[str]:
        """A third printer, which takes raster only, behind a queue whose name is yielded."""
        folder = make_dir("twinpurse-raster-")
        self.raster = IppPrinter(folder, formats).start()
        try:
            self.cups.add_queue("raster", self.edge_toml, self.raster.uri)
            yield "raster"
        finally:
            self.raster.stop()
            self.raster = None
            shutil.rmtree(folder, ignore_errors=True)

    def behave(self) -> None:
        """Before each case: printers that do as they are told."""
        for printer in (self.ipp, self.raw, self.raster):
            if printer is not None:
                printer.behave()

    def document(self, name: str, pages: int, *, colour: Collection[int] = (), a3: Collection[int] = ()) -> Path:
        """Write a PDF; `colour` and `a3` name the pages (from 1) that have colour, or are of that size."""
        path = self.cups.folder / f"{name}.pdf"
        path.write_bytes(coloured_pdf(pages, colour, a3) if colour or a3 else pdf(pages))
        path.chmod(0o644)
        return path

    def write(self, name: str, content: bytes) -> Path:
        """Write any document, for every user to read."""
        path = self.cups.folder / name
        path.write_bytes(content)
        path.chmod(0o644)
        return path

    def print(self, queue: str, document: Path, *options: str, user: str = "alice", title: str = "essay") -> int:
        """Print; return the job's number."""
        return self.cups.print_file(queue, user, document, title, *options)

    def finish(self, job: int, *states: str, timeout_s: float = 60) -> str:
        """Wait until the job has ended or is held; return its state."""
        state, self.why = self.cups.wait_job(job, *(states or ENDED), timeout_s=timeout_s)
        return state

    def came_out(self) -> int:
        """The pages that came out of all printers since behave(): by their own word where they were told what to do."""
        printers = [self.ipp, *([self.raster] if self.raster else [])]
        return sum(_printed(path) for printer in printers for path in printer.printed()) + self.raw.pages()

    def see(self, action: Callable[[], str]) -> Seen:
        """Do what a case does, which returns its job's last state; return what was printed and charged by it.

        What did not happen in time is said in the row, so that the table is whole.
        """
        self.behave()
        before = self.last_entry()
        try:
            state = action()
        except AssertionError as error:
            state, self.why = "NOT SEEN", str(error).split("\n", 1)[0]
            self.log = str(error)
            self.cups.run("cancel", "-a")
            self.behave()
        self._wait_until_settled()
        return replace(self.books(before, state), came_out=self.came_out(), why=self.why)

    def _wait_until_settled(self) -> None:
        """A backend hears its printer's last word after CUPS has said that a job is cancelled."""
        deadline = time.monotonic() + SETTLED_S
        while self.books(0).holds and time.monotonic() < deadline:
            time.sleep(0.1)

    def deliver(self) -> None:
        """Send what waits in the spool, as the service beside the print server does."""
        code = "import sys; from edge.cups import main; sys.exit(main(sys.argv))"
        command = [SYSTEM_PYTHON, "-c", code, "--deliver", str(self.edge_toml)]
        subprocess.run(command, cwd=PROJECT, user="lp", group="lp", extra_groups=[], check=False, timeout=60)

    def spooled(self) -> list[str]:
        """What the print server still has to tell."""
        return sorted(path.name for path in (self.cups.folder / "edge/edge-spool").glob("*") if path.suffix != ".plan")

    def books(self, after_entry: int, state: str = "") -> Seen:
        """What the books say since an entry: pages and money charged, entries, and holds that are still open."""
        with self.app.app_context():
            session = reading()
            entries = session.scalars(select(Entry).where(Entry.id > after_entry, Entry.source == "print")).all()
            holds = session.scalar(select(func.count()).select_from(Hold).where(Hold.state == "open"))
            users = session.execute(
                select(User.username).join(Account).where(Account.id.in_([one.account_id for one in entries]))
            ).scalars()
            return Seen(
                charged=sum(entry.quantity or 0 for entry in entries),
                money=-sum(entry.amount for entry in entries),
                entries=len(entries),
                holds=holds or 0,
                state=state,
                users=",".join(sorted(set(users))),
            )

    def last_entry(self) -> int:
        """The number of the last entry."""
        with self.app.app_context():
            return reading().scalar(select(func.max(Entry.id))) or 0

    def last_job(self) -> PrintJob:
        """The last run of a job that the instance knows."""
        with self.app.app_context():
            return reading().scalars(select(PrintJob).order_by(PrintJob.id.desc()).limit(1)).one()


@contextlib.contextmanager
def open_charged_place(folder: Path, empty_books: Path) -> Iterator[ChargedPlace]:
    """Make an instance in `folder`, the cast known and rich, and start the servers around it."""
    make_folder(folder, Plan(charges=("print",)))
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("domains = []", f"domains = {json.dumps(DOMAINS)}"))
    shutil.copy(empty_books, folder / "twinpurse.db")
    app = create_app(Settings.load(folder), directory=the_directory())
    with app.app_context():
        writing(_make_known)
        writing(_set_prices)
    with contextlib.ExitStack() as stack:
        folders = [make_dir(f"twinpurse-{name}-") for name in ("cups", "printer", "raw")]
        for folder in folders:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ipp = IppPrinter(folders[1]).start()
        stack.callback(ipp.stop)
        raw = stack.enter_context(RawPrinter(folders[2]))
        web = stack.enter_context(WebServer(app))
        cups = Cups(folders[0]).start()
        stack.callback(cups.stop)
        yield ChargedPlace(cups, ipp, raw, app, web.url)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def the_directory() -> MemoryDirectory:
    """The usual cast."""
    return MemoryDirectory([MemoryPerson(person(*row), f"demo-{row[0]}") for row in CAST], domains=DOMAINS)


def _make_known(session: object) -> None:
    now = clock.now()
    for row in CAST:
        user = people.remember(session, person=person(*row), admin_groups=["Administrators"], now=now)  # type: ignore[arg-type]
        account = accounts.get_account(session, user_id=user.id)  # type: ignore[arg-type]
        ledger.post(
            session,  # type: ignore[arg-type]
            account_id=account.id,
            amount=CREDIT,
            source="adjustment",
            key=f"table:{next(_numbers)}",
            now=now,
            title="Credit",
            measured=True,
        )


def _set_prices(session: object) -> None:
    book = price_json.book_to_json(PriceBook((PRICES,)))
    rule_versions.save(session, kind="prices", body=book, after=0, note="", by="test", now=clock.now())  # type: ignore[arg-type]


def coloured_pdf(pages: int, colour: Collection[int], a3: Collection[int] = ()) -> bytes:
    """A PDF with a black line on each page, a red square on those in `colour`, and A3 where `a3` says so."""
    document, out = pikepdf.Pdf.new(), io.BytesIO()
    for number in range(1, pages + 1):
        page = document.add_blank_page(page_size=A3_POINTS if number in a3 else (595, 842))
        drawing = b"0 0 0 RG 72 700 m 400 700 l S"
        if number in colour:
            drawing += b" 1 0 0 rg 100 100 200 100 re f"
        page.obj.Contents = document.make_stream(drawing)
    document.save(out)
    return out.getvalue()


def _printed(document: Path) -> int:
    """What an IPP printer did with a document; how many pages a PDF has is asked of a program that charges nothing."""
    note: dict[str, int] = json.loads(document.with_suffix(".json").read_text())
    by_poppler = pages_of(document) * note["copies"]
    return note["printed"] if note["ordered"] or not by_poppler else by_poppler
