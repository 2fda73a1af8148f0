"""One place to print for the CUPS tests: a real cupsd, a real IPP printer, and an instance that does as it is told."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.edge.instance_stub import TOKEN, InstanceStub
from tests.servers.cups import Cups
from tests.servers.documents import write_pdf
from tests.servers.ipp_printer import IppPrinter
from tests.servers.process import make_dir

QUEUE = "lab"
RAW_QUEUE = "lab-raw"
WAITING = "com.twinpurse.waiting-report"


class Place:
    """cupsd with a filtered and a raw queue to one printer; `document` is a PDF of three pages."""

    def __init__(self, cups: Cups, printer: IppPrinter, instance: InstanceStub) -> None:
        self.cups = cups
        self.printer = printer
        self.instance = instance
        self.document = write_pdf(cups.folder / "three.pdf", 3)
        self.edge_toml = cups.write_edge_toml(instance.url, TOKEN)
        self.spool = cups.folder / "edge" / "edge-spool"
        cups.add_queue(QUEUE, self.edge_toml, printer.uri)
        cups.add_queue(RAW_QUEUE, self.edge_toml, printer.uri, raw=True)

    def behave(self) -> None:
        """Before each test: no orders, nothing remembered."""
        self.printer.behave()
        self.instance.behave()
        for path in self.spool.glob("*"):
            path.unlink()

    def print(self, *options: str, queue: str = QUEUE, document: Path | None = None, title: str = "essay") -> int:
        """Print as anna; return the job's number."""
        return self.cups.print_file(queue, "anna", document or self.document, title, *options)

    def finish(self, job: int, *states: str) -> tuple[str, str]:
        """Wait until the job is finished or held; fail unless its state is one of `states`."""
        found = self.cups.wait_job(job, "completed", "canceled", "aborted", "held")
        assert found[0] in (states or ("completed",)), f"{found}\n{self.cups.log_of(job)}"
        return found

    def questions(self) -> list[dict[str, Any]]:
        """The bodies of what the instance was asked about jobs."""
        return [request.body for request in self.instance.asked("/print/jobs")]

    def captures(self) -> list[tuple[str, dict[str, Any]]]:
        """Path and body of each capture."""
        return [(request.path, request.body) for request in self.instance.asked("/capture")]

    def releases(self) -> list[dict[str, Any]]:
        """The bodies of the releases."""
        return [request.body for request in self.instance.asked("/release")]

    def left_in_spool(self) -> list[str]:
        """The names of the files in the capture spool, but for what is kept about printers."""
        return sorted(path.name for path in self.spool.glob("*") if path.suffix != ".plan")

    def queue_says(self) -> str:
        """What CUPS shows about the queue: state, reasons, message."""
        return self._attributes(f"ipp://127.0.0.1:{self.cups.port}/printers/{QUEUE}")

    def wait_until_printer_is_idle(self) -> None:
        """Wait until the printer has ended its job: for a busy one the ipp backend would wait ten seconds."""
        idle = "printer-state (enum) = idle"
        self.cups.wait_for(lambda: idle in self._attributes(self.printer.uri), "the printer is idle")

    def _attributes(self, uri: str) -> str:
        done = subprocess.run(
            ["ipptool", "-tv", uri, "get-printer-attributes.test"],
            env=self.cups.env,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout

    def wait_until_waiting(self, job: int) -> None:
        """Wait until CUPS shows that the queue waits for the instance."""
        self.cups.wait_for(lambda: WAITING in self.queue_says(), "the queue says that it waits", job=job)

    def wait_until_printed(self, documents: int) -> None:
        """Wait until so many documents came out."""
        self.cups.wait_for(lambda: len(self.printer.printed()) == documents, f"{documents} documents came out")

    def wait_until_spooled(self, ending: str) -> Path:
        """Wait until a file with this ending lies in the capture spool; return it."""
        self.cups.wait_for(lambda: bool(list(self.spool.glob("*" + ending))), f"a {ending} file in the spool")
        return next(self.spool.glob("*" + ending))

    def is_locked(self, ending: str) -> bool:
        """Whether somebody holds the lock of a file with this ending in the capture spool."""
        for path in self.spool.glob("*" + ending):
            with path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def backend_pid(self) -> int:
        """The process id of the one running backend: a child of our own cupsd."""
        own = self.cups.child.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        found = [int(pid) for pid in children if b"/twinpurse\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(found) == 1, f"running backends: {found}"
        return found[0]

    def what_came_out(self) -> list[dict[str, Any]]:
        """What the printer noted about each document."""
        return [json.loads(path.with_suffix(".json").read_text()) for path in self.printer.printed()]


@contextmanager
def open_place() -> Iterator[Place]:
    """Start everything, stop everything. cupsd must be started by root."""
    assert os.geteuid() == 0, "cupsd hands its backends to the user lp, so these tests must run as root"
    cups = Cups(make_dir("twinpurse-cups-"))
    printer = IppPrinter(make_dir("twinpurse-printer-"))
    instance = InstanceStub()
    try:
        cups.start()
        printer.start()
        instance.up()
        yield Place(cups, printer, instance)
    finally:
        instance.down()
        printer.stop()
        cups.stop()
