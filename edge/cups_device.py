"""The wrapped device backend: started as CUPS itself would start it, and what it says about pages is listened to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from edge.cups_job import JobError, PrintJob
from edge.cups_journal import PrintJournal
from edge.cups_talk import OK, Stop, forward, say
from edge.cups_word import Handed
from edge.spool import SpoolError

BACK_CHANNEL_FDS: Final = (3, 4)  # CUPS: 3 is the back channel, 4 the side channel
MAX_LINE_BYTES: Final = 8192
COPY_BYTES: Final = 1 << 20
FILE_SCHEME: Final = "file"
TOTAL_LINE: Final = re.compile(rb"PAGE:\s+total\s+(\d{1,9})\s*")
PAGE_LINE: Final = re.compile(rb"PAGE:\s+(\d{1,9})\s+(\d{1,9})\s*")
PRINTER_LINE: Final = re.compile(rb"DEBUG: printer-uri uri ([a-z]+://[\x21-\x7e]+)\s*")
TAKEN_LINE: Final = re.compile(rb"(?:DEBUG|INFO): Print job accepted - job ID (\d{1,9})\.\s*")
IGNORED_SIGNALS: Final = re.compile(r"^SigIgn:\s*([0-9a-f]+)$", re.MULTILINE)


class PageTally:
    """How many pages a device backend says have come out.

    `PAGE: total N` is the printer's own running count for its job: the last one counts. `PAGE: number copies` lines
    are added up when there is no total. With files of its own (`has_files`) a backend writes one such line as a mere
    placeholder when a file has been sent, however many pages it has: it counts for nothing, but says that the
    printer's next job, with a total of its own, begins.
    """

    def __init__(self, has_files: bool) -> None:
        self._has_files = has_files
        self._earlier = self._total = self._lines = 0

    def hear(self, line: bytes) -> bool:
        """Take in one line of the backend's stderr; return whether the tally may have changed."""
        total = TOTAL_LINE.fullmatch(line)
        if total:
            self._total = int(total.group(1))
            return True
        page = PAGE_LINE.fullmatch(line)
        if page and self._has_files:
            self._earlier += self._total
            self._total = 0
        elif page:
            self._lines += int(page.group(2))
        return page is not None

    @property
    def pages(self) -> int:
        """The pages said so far; 0 when nothing was said (many printers say 0 when they do not count)."""
        return self._earlier + self._total or self._lines


class Device:
    """One run of the wrapped backend. stop() may be called from a signal handler, also before run().

    `handed` are the jobs that an IPP printer has taken, as CUPS's ipp backend tells when it is done.
    """

    def __init__(self, job: PrintJob) -> None:
        """Raises JobError when there is no such backend, or this user cannot run it."""
        self._job = job
        self._program = Path(job.environ.get("CUPS_SERVERBIN", "/usr/lib/cups")) / "backend" / job.wrapped_scheme
        if not os.access(self._program, os.X_OK):
            raise JobError(f"the backend {job.wrapped_scheme} is missing, or only root may run it")
        self._process: subprocess.Popen[bytes] | None = None
        self._printer = job.wrapped_uri
        self.stopped = False
        self.ignored_stop = False
        self.tally = PageTally(has_files=bool(job.documents))
        self.handed: list[Handed] = []

    def stop(self) -> None:
        """Ask the backend to give up its job (SIGTERM, as CUPS would).

        `ignored_stop` then says whether it ignores that: CUPS's own `socket` prints what it gets by stdin to the end.
        """
        self.stopped = True
        if self._process is not None and self._process.returncode is None:
            self.ignored_stop = _ignores_sigterm(self._process.pid)
            self._process.terminate()

    def run(self, documents: list[int], journal: PrintJournal) -> int:
        """Print; return the backend's exit code, negative when a signal ended it. Raises JobError.

        The document is handed over as stdin unless CUPS gave files. Every line of the backend's stderr goes on to
        CUPS as it comes; what it says of pages and of the printer's jobs is noted in the journal, whose lock it gets.
        """
        os.lseek(documents[0], 0, os.SEEK_SET)
        # An inheritable descriptor came from CUPS; any other that happens to have this number is ours.
        channels = [fd for fd in BACK_CHANNEL_FDS if _inheritable(fd)]
        try:
            self._process = subprocess.Popen(
                [self._job.wrapped_uri, *self._job.argv[1:]],
                executable=self._program,
                env={**self._job.environ, "DEVICE_URI": self._job.wrapped_uri},
                stdin=subprocess.DEVNULL if self._job.documents else documents[0],
                stderr=subprocess.PIPE,
                pass_fds=[*channels, journal.descriptor],
                preexec_fn=journal.note_started,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise JobError(f"the backend {self._job.wrapped_scheme} cannot be started: {error}") from None
        if self.stopped:
            self.stop()  # the signal came while the process was being made
        with self._process as process:
            while line := process.stderr.readline(MAX_LINE_BYTES) if process.stderr else b"":
                forward(line)
                self._hear(line, journal)
            return process.wait()

    def _hear(self, line: bytes, journal: PrintJournal) -> None:
        before = self.tally.pages
        if self.tally.hear(line) and self.tally.pages > before:
            self._note(lambda: journal.note(self.tally.pages))
        elif printer := PRINTER_LINE.fullmatch(line):
            self._printer = printer.group(1).decode("ascii")
        elif taken := TAKEN_LINE.fullmatch(line):
            handed = Handed(self._printer, int(taken.group(1)))
            self.handed.append(handed)
            self._note(lambda: journal.note_handed(handed))

    def _note(self, write: Callable[[], None]) -> None:
        try:
            write()
        except SpoolError as error:  # only a second line of defence: the print goes on
            say("WARNING", str(error))


class FileDevice:
    """A printer that is a file or a device node, as CUPS's own `file:` URIs are; it says nothing about pages."""

    def __init__(self, job: PrintJob) -> None:
        """Raises JobError when the URI names no file."""
        self._path = unquote(urlsplit(job.wrapped_uri).path)
        if not self._path.startswith("/"):
            raise JobError("the printer's URI must be file:/path")
        self._copies = job.copies if job.documents else 1  # as with every backend that is given files
        self.stopped = False
        self.ignored_stop = False
        self.tally = PageTally(has_files=False)
        self.handed: list[Handed] = []

    def stop(self) -> None:
        """Write no more."""
        self.stopped = True

    def run(self, documents: list[int], journal: PrintJournal) -> int:
        """Write the documents; return 0. Raises JobError when the file cannot be opened or written."""
        node = self._path.startswith("/dev/")
        flags = os.O_WRONLY | (0 if node else os.O_CREAT | os.O_TRUNC) | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            target = os.open(self._path, flags, 0o600)
            try:
                journal.note_started()
                for document in documents * self._copies:
                    self._copy(document, target)
            finally:
                os.close(target)
        except OSError as error:
            raise JobError(f"the printer's file cannot be written: {error.strerror}") from None
        return OK

    def _copy(self, document: int, target: int) -> None:
        os.lseek(document, 0, os.SEEK_SET)
        while not self.stopped and (chunk := os.read(document, COPY_BYTES)):
            left = memoryview(chunk)
            while left:
                left = left[os.write(target, left) :]


def open_device(job: PrintJob, stop: Stop) -> Device | FileDevice:
    """The device of a job; `stop` reaches it from now on. Raises JobError."""
    device = FileDevice(job) if job.wrapped_scheme == FILE_SCHEME else Device(job)
    stop.device = device
    return device


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
