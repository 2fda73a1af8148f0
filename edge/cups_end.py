"""Printing, and how it ended: what came out by the words of device backend and printer, and what CUPS is told."""

from __future__ import annotations

from typing import NamedTuple

from edge.cups_device import Device, FileDevice
from edge.cups_job import JobError
from edge.cups_journal import PrintJournal, settlement_of
from edge.cups_talk import CANCEL, HOLD, OK, Stop, say
from edge.cups_word import COMPLETED, Word, ask_printer
from edge.spool import Settlement

NEVER_STARTED = "the device backend could not be started"
UNKNOWN = "neither the printer nor the document says how many pages there are"


class End(NamedTuple):
    """The exit code for CUPS; what the instance hears, None when that is only known later; whether all came out."""

    code: int
    settlement: Settlement | None
    whole: bool = False


class Came(NamedTuple):
    """What came out: `pages`, None when nothing did or nobody knows, for the `reason`. `estimated`: by the count."""

    pages: int | None
    reason: str = ""
    estimated: bool = False


def print_documents(
    device: Device | FileDevice, journal: PrintJournal, documents: list[int], stop: Stop, printer_word_s: float
) -> End:
    """Print; return how it ended. `printer_word_s`: how many seconds the printer's last word is waited for."""
    header = journal.header
    if stop.asked:  # the request arrived while the instance was answering
        return End(CANCEL, settlement_of(header, None, "the job was cancelled before it was printed"))
    try:
        code = device.run(documents, journal)
    except JobError as error:
        say("ERROR", f"This job is held: {error}.")
        return End(HOLD, settlement_of(header, None, NEVER_STARTED))
    if code < 0 and not stop.asked:
        say("ERROR", "This job is held: the device backend broke down.")
        code = HOLD
    code = max(code, OK)
    word = ask_printer(device.handed, header.user, printer_word_s, _always) or Word("")
    if code != OK and device.handed and not word.final and not stop.asked:
        # The printer goes on with a job that its backend gave up: it is settled when it has ended.
        return End(code, None)
    if code == OK and word.failed:
        say("ERROR", f"The printer gave this job up ({word.reasons or word.state}).")
        code = CANCEL
    came = _what_came(device, code, word, header.counted, stop.asked and not device.ignored_stop)
    if came.reason == UNKNOWN:
        say("WARNING", "The printer does not say how many pages it printed, and the document could not be counted.")
    return End(code, settlement_of(header, *came), code == OK and not word.failed and not stop.asked)


def _always(seconds: float) -> bool:
    """Wait also when CUPS asks for the end: what a cancelled job left on the printer is heard then."""
    Stop().pause(seconds)
    return True


def _what_came(device: Device | FileDevice, code: int, word: Word, counted: int | None, cancelled: bool) -> Came:
    said = max(device.tally.pages, word.pages or 0)
    if said > 0:
        return Came(said)  # paper came out, however it ended
    if word.failed:
        return Came(None, f"the printer gave the job up ({word.reasons or word.state})")
    if word.state != COMPLETED:
        if cancelled:  # few pages or none, as a rule; charging all of them would punish who cancels in time
            return Came(None, "the job was cancelled")
        if code != OK:
            return Came(None, f"the device backend failed (code {code})")
    if counted is None:
        return Came(None, UNKNOWN)
    return Came(counted, "", True)  # it succeeded, and the printer does not count: what was asked for was printed
