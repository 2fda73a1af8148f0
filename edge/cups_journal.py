"""The journal of a print that is going on, and what becomes of it when its backend dies.

One file per print in the spool, locked by the backend; the device backend inherits the lock. Lines are added as things
become known: that the device was started, which number the printer gave, how many pages it says. When the lock is
free and the file still there, the backend has died (SIGKILL, power cut) and the device backend has ended: the next one
that comes by asks the printer, and settles the print.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.cups_word import AT_WORK, COMPLETED, SILENT, Handed, Word, ask_printer, find_job
from edge.ipp import SCHEMES, IppError
from edge.spool import CaptureSpool, Settlement, SpoolError, new_stem

OPEN: Final = ".open"
WHOLE: Final = ".whole"
WHOLE_KEPT_S: Final = 900  # CUPS tries a job again within JobRetryInterval, five minutes unless it is set
PATIENCE_S: Final = 600
WAIT_S: Final = 0.5
STARTED: Final = b'{"started": true}\n'
MAX_JOURNAL_BYTES: Final = 4_000_000
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
INTERRUPTED: Final = "the print was interrupted before the printer said that a page came out"


class Header(NamedTuple):
    """The first line of a journal: which run of which job is printed where.

    `counted` are its impressions, None if unknown; `unasked` is the question that the instance was not asked, when it
    is away; `user` and `title` are as the device backend got them.
    """

    job: int
    run: int
    uuid: str
    user: str
    title: str
    device: str
    counted: int | None
    unasked: dict[str, Any] | None = None
    boot: str = ""


class Record(NamedTuple):
    """A journal as it was read."""

    header: Header
    started: bool
    handed: tuple[Handed, ...]
    pages: int
    whole: bool

    def settlement(self, pages: int | None, reason: str = "", estimated: bool = False) -> Settlement:
        """How this print ended, for the instance."""
        return settlement_of(self.header, pages, reason, estimated)


def settlement_of(header: Header, pages: int | None, reason: str = "", estimated: bool = False) -> Settlement:
    """How a print ended, for the instance. `pages` None: nothing came out, as far as anybody knows."""
    return Settlement(header.job, header.run, pages, reason, estimated, header.uuid, header.unasked)


class PrintJournal:
    """The record of a print that is going on; closing the file gives up the lock on it."""

    def __init__(self, spool: CaptureSpool, header: Header) -> None:
        """Open the journal; it is on disk and locked when this returns. A print unasked gets its key.

        Raises SpoolError.
        """
        stem = new_stem()
        unasked = {**header.unasked, "print_key": stem} if header.unasked is not None else None
        self.header = header._replace(unasked=unasked, boot=_boot())
        self._spool = spool
        self._stem = stem
        line = json.dumps(self.header._asdict()) + "\n"
        self.descriptor = spool.write(stem, OPEN, line.encode("ascii"), lock=True)

    def note(self, pages: int) -> None:
        """Note how many pages the printer says have come out so far. Raises SpoolError."""
        self._add(pages, sync=True)

    def note_started(self) -> None:
        """Note that the device backend runs. It does so itself, as the last thing before it becomes another program.

        So there is no moment at which it runs and nobody knows of it. A full disk stops no print.
        """
        with contextlib.suppress(OSError):
            os.write(self.descriptor, STARTED)

    def note_handed(self, handed: Handed) -> None:
        """Note a job that the printer has taken. Raises SpoolError."""
        self._add({"handed": list(handed)}, sync=True)

    def note_whole(self) -> None:
        """Note that all of the document came out. Raises SpoolError."""
        self._add({"whole": True}, sync=False)

    def _add(self, what: object, *, sync: bool) -> None:
        try:
            os.write(self.descriptor, json.dumps(what).encode("ascii") + b"\n")
            if sync:
                os.fdatasync(self.descriptor)
        except OSError as error:
            raise SpoolError(f"the spool cannot be written: {error.strerror}") from error

    def settle(self, settlement: Settlement) -> None:
        """Put the settlement into the spool in this journal's place. Raises SpoolError; the journal then stays."""
        _put(self._spool, self._stem, settlement)
        self.leave()

    def leave(self) -> None:
        """Give up the lock: whoever comes by settles this print when the printer has said how it ended."""
        os.close(self.descriptor)


def _put(spool: CaptureSpool, stem: str, settlement: Settlement) -> None:
    """Spool a settlement and forget the journal. Of a print that nobody was asked about nothing may have to be told."""
    if settlement.pages or settlement.unasked is None:
        spool.put(settlement, stem)
    spool.remove(stem + OPEN)


def _boot() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def read_journal(descriptor: int) -> Record | None:
    """What a journal says so far; None when it is none of ours. An unfinished last line does not count."""
    lines = os.pread(descriptor, MAX_JOURNAL_BYTES, 0).split(b"\n")[:-1]
    try:
        header = Header(**json.loads(lines[0]))
        if type(header.job) is not int or type(header.run) is not int or type(header.uuid) is not str:
            return None
        said = [json.loads(line) for line in lines[1:]]
        notes = [note for note in said if isinstance(note, dict)]
        handed = tuple(
            Handed(str(uri), int(job)) for uri, job in (note["handed"] for note in notes if "handed" in note)
        )
    except (IndexError, ValueError, TypeError, KeyError):
        return None
    pages = max((note for note in said if type(note) is int), default=0)
    return Record(
        header, any("started" in note for note in notes), handed, pages, any("whole" in note for note in notes)
    )


def conclude(record: Record, age_s: float) -> tuple[Settlement, bool] | None:
    """How the print of a dead backend ended, and whether all came out; None when the printer will still have to say.

    `age_s`: since when nothing was noted. After some minutes of a silent printer what was noted counts. What a
    device that cannot be asked was given is taken to be printed: it was not stopped when its backend's owner died.
    """
    header, patient = record.header, age_s < PATIENCE_S
    by_ipp = header.device.split(":", 1)[0] in SCHEMES
    handed = list(record.handed)
    try:
        if by_ipp and record.started and not handed:
            handed = find_job(header.device, user=header.user, title=header.title, since_s=max(age_s, 0))
    except IppError:
        if patient:
            return None
    word = ask_printer(handed, header.user, 0, lambda _: False) or Word("")
    if handed and patient and word.state in (AT_WORK, SILENT):
        return None
    pages, whole = max(record.pages, word.pages or 0), record.whole or word.state == COMPLETED
    if pages:
        return record.settlement(pages), whole
    sent = not by_ipp and record.started and header.boot == _boot()
    if header.counted and (whole or sent):
        return record.settlement(header.counted, estimated=True), True
    return record.settlement(None, INTERRUPTED), False


def settle_abandoned(spool: CaptureSpool) -> int:
    """Settle the prints whose backend died, where that can be said by now; return how many. Raises SpoolError."""
    spool.sweep()
    settled = 0
    try:
        for name in spool.names(OPEN):
            with contextlib.suppress(FileNotFoundError):  # another backend was faster
                settled += _settle_if_abandoned(spool, name)
        for name in spool.names(WHOLE):
            with contextlib.suppress(FileNotFoundError):
                if not 0 <= spool.age_s(name) < WHOLE_KEPT_S:
                    spool.remove(name)
    except OSError as error:
        raise SpoolError(f"the spool cannot be read: {error.strerror}") from error
    return settled


def _settle_if_abandoned(spool: CaptureSpool, name: str) -> bool:
    descriptor = spool.open(name, os.O_RDWR)
    try:
        if not spool.locked(descriptor, name):
            return False
        record = read_journal(descriptor)
        if record is None:
            spool.set_aside(name)
            return False
        found = conclude(record, spool.age_s(name))
        if found is None:
            return False
        settlement, whole = found
        if whole:
            spool.replace(_mark(record.header.uuid), b"")
        _put(spool, name.removesuffix(OPEN), settlement)
        return True
    finally:
        os.close(descriptor)


def _mark(uuid: str) -> str:
    """The name of the file that says that a job came out whole though its backend died."""
    return uuid.rpartition(":")[2] + WHOLE


def came_out_whole(spool: CaptureSpool, uuid: str, pause: Callable[[float], bool]) -> bool | None:
    """Whether an earlier passage of this job, whose backend died or still runs, has all come out; None when stopped.

    Waits for what is still printing. CUPS begins a job anew when its backend died, or when CUPS itself did; then it
    shall not come out twice. Raises SpoolError.
    """
    try:
        for name in spool.names(OPEN):
            with contextlib.suppress(FileNotFoundError):
                whole = _wait_for(spool, name, uuid, pause)
                if whole is not False:
                    return whole
        mark = _mark(uuid)
        with contextlib.suppress(FileNotFoundError):
            recent = 0 <= spool.age_s(mark) < WHOLE_KEPT_S
            spool.remove(mark)  # once: whoever asks for it again wants it again
            return recent
    except OSError as error:
        raise SpoolError(f"the spool cannot be read: {error.strerror}") from error
    return False


def _wait_for(spool: CaptureSpool, name: str, uuid: str, pause: Callable[[float], bool]) -> bool | None:
    """Wait until a print of this job has ended; False when the journal is another job's, or not all came out."""
    descriptor = spool.open(name, os.O_RDWR)
    try:
        record = read_journal(descriptor)
        if record is None or record.header.uuid != uuid:
            return False
        while True:
            ended = _is_free(descriptor)
            record = read_journal(descriptor) or record
            if ended and not spool.locked(descriptor, name):
                return record.whole  # its owner has settled it
            found = conclude(record, spool.age_s(name)) if ended else None
            if found is not None:
                _put(spool, name.removesuffix(OPEN), found[0])
                return found[1]
            if not pause(WAIT_S):
                return None
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
