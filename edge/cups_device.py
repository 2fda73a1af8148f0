"""The wrapped device backend: started as CUPS itself would start it, and what it says about pages is listened to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.cups_job import JobError, PrintJob

BACK_CHANNEL_FDS: Final = (3, 4)  # CUPS: 3 is the back channel, 4 the side channel
MAX_LINE_BYTES: Final = 8192
TOTAL_LINE: Final = re.compile(rb"PAGE:\s+total\s+(\d{1,9})\s*")
PAGE_LINE: Final = re.compile(rb"PAGE:\s+(\d{1,9})\s+(\d{1,9})\s*")

IGNORED_SIGNALS: Final = re.compile(r"^SigIgn:\s*([0-9a-f]+)$", re.MULTILINE)


@dataclass
class PageTally:
    """How many pages a device backend says have come out.

    `PAGE: total N` is the printer's own running count for its job: the last one counts. `PAGE: number copies` lines
    are added up when there is no total. With files of its own (`has_files`) a backend writes one such line as a mere
    placeholder when a file has been sent, however many pages it has: it counts for nothing, but says that the
    printer's next job, with a total of its own, begins.
    """

    has_files: bool
    _earlier: int = 0
    _total: int = 0
    _lines: int = 0

    def hear(self, line: bytes) -> bool:
        """Take in one line of the backend's stderr; return whether the tally may have changed."""
        total = TOTAL_LINE.fullmatch(line)
        if total:
            self._total = int(total.group(1))
            return True
        page = PAGE_LINE.fullmatch(line)
        if page and self.has_files:
            self._earlier += self._total
            self._total = 0
        elif page:
            self._lines += int(page.group(2))
        return page is not None

    @property
    def pages(self) -> int:
        """The pages said so far; 0 when nothing was said (many printers say 0 when they do not count)."""
        return self._earlier + self._total or self._lines


def check_device(job: PrintJob) -> Path:
    """The wrapped backend's program. Raises JobError when it is not there or this user cannot run it."""
    path = Path(job.environ.get("CUPS_SERVERBIN", "/usr/lib/cups")) / "backend" / job.wrapped_scheme
    if not os.access(path, os.X_OK):
        raise JobError(f"the backend {job.wrapped_scheme} is missing, or only root may run it")
    return path


class Device:
    """One run of the wrapped backend. stop() may be called from a signal handler, also before run()."""

    def __init__(self, job: PrintJob) -> None:
        """Raises JobError as check_device does."""
        self._job = job
        self._program = check_device(job)
        self._process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self.ignored_stop = False
        self.tally = PageTally(has_files=bool(job.documents))

    def stop(self) -> None:
        """Ask the backend to give up its job (SIGTERM, as CUPS would).

        `ignored_stop` then says whether it ignores that: CUPS's own `socket` prints what it gets by stdin to the end.
        """
        self.stopped = True
        if self._process is not None and self._process.returncode is None:
            self.ignored_stop = _ignores_sigterm(self._process.pid)
            self._process.terminate()

    def run(self, document: int, note: Callable[[int], None]) -> int:
        """Print; return the backend's exit code, negative when a signal ended it. Raises JobError.

        `document` is handed over as stdin unless CUPS gave files. Every line of the backend's stderr goes on to
        CUPS as it comes; `note` is told the page count whenever it grows.
        """
        os.lseek(document, 0, os.SEEK_SET)
        # An inheritable descriptor came from CUPS; any other that happens to have this number is ours.
        channels = [fd for fd in BACK_CHANNEL_FDS if _inheritable(fd)]
        try:
            self._process = subprocess.Popen(
                [self._job.wrapped_uri, *self._job.argv[1:]],
                executable=self._program,
                env={**self._job.environ, "DEVICE_URI": self._job.wrapped_uri},
                stdin=subprocess.DEVNULL if self._job.documents else document,
                stderr=subprocess.PIPE,
                pass_fds=channels,
            )
        except OSError as error:
            raise JobError(f"the backend {self._job.wrapped_scheme} cannot be started: {error.strerror}") from None
        if self.stopped:
            self.stop()  # the signal came while the process was being made
        with self._process as process:
            noted = 0
            while line := process.stderr.readline(MAX_LINE_BYTES) if process.stderr else b"":
                forward(line)
                if self.tally.hear(line) and self.tally.pages > noted:
                    noted = self.tally.pages
                    note(noted)
            return process.wait()


def forward(line: bytes) -> None:
    """Write one line to CUPS. A CUPS that no longer listens must not stop a print from being settled."""
    try:
        os.write(2, line)
    except OSError:
        return


def _ignores_sigterm(pid: int) -> bool:
    """Whether a process ignores SIGTERM, by its mask in /proc (proc(5), SigIgn)."""
    try:
        found = IGNORED_SIGNALS.search(Path(f"/proc/{pid}/status").read_text(errors="replace"))
    except OSError:
        return False
    return found is not None and bool(int(found.group(1), 16) >> (signal.SIGTERM - 1) & 1)


def _inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False
