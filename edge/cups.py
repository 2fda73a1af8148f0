"""`twinpurse-cups`, the CUPS backend: asks the instance before a job is printed, tells it what came out afterwards.

It wraps the real backend of the printer. Its exit codes are those of backend(7); codes that make CUPS try again at
once are never its own, only handed on from the wrapped backend.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.cups_device import Device, forward
from edge.cups_job import CountError, JobError, PrintJob, count_pages, device_uri, read_job, spooled_documents
from edge.settings import CupsSettings, SettingsError, load_cups
from edge.settle import deliver, deliver_run, send
from edge.spool import CaptureSpool, PrintJournal, Settlement, SpoolError

__all__ = ["device_uri", "main", "write_launcher"]

OK: Final = 0
FAILED: Final = 1
HOLD: Final = 3
CANCEL: Final = 5
DISCOVERY: Final = 'direct twinpurse "Unknown" "Charged printing"'
DELIVER_OPTION: Final = "--deliver"
WAITING: Final = "com.twinpurse.waiting-report"
ARGUMENTS_OF_A_JOB: Final = 6
FLUSH_BEFORE_S: Final = 2.0
PAUSE_S: Final = 0.1
MAX_WORDS: Final = 400


class Stop:
    """Whether CUPS asked for the end (SIGTERM), and the device that must hear of it too."""

    def __init__(self) -> None:
        self.asked = False
        self.device: Device | None = None

    def __call__(self, *_: object) -> None:
        self.asked = True
        if self.device is not None:
            self.device.stop()


@dataclass(frozen=True)
class Decision:
    """The instance's answer to a job: what to do, the reason in words, and the run that a `print` belongs to."""

    action: str
    reason: str
    job: int
    run: int


def say(level: str, words: str) -> None:
    """Tell CUPS something on one line; control characters cannot start a second line, which CUPS might obey."""
    line = "".join(letter if letter.isprintable() else " " for letter in words)[:MAX_WORDS]
    forward(f"{level}: {line}\n".encode("utf-8", "replace"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as CUPS does: no argument lists the device, five or more print a job; returns the exit code.

    `--deliver CONFIG` sends what waits in the spool and is not for CUPS.
    """
    words = list(sys.argv if argv is None else argv)
    if len(words) == 1:
        print(DISCOVERY)
        return OK
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    try:
        if words[1] == DELIVER_OPTION and len(words) == 3:
            return _deliver_only(Path(words[2]))
        if len(words) < ARGUMENTS_OF_A_JOB:
            say("ERROR", "usage: twinpurse job-id user title copies options [file]")
            return FAILED
        return _print(words, dict(os.environ), stop)
    except (JobError, SpoolError) as error:
        say("ERROR", f"This job is held: {error}.")
    except SettingsError as error:
        for problem in error.problems:
            say("ERROR", f"This job is held: {error.path}: {problem}.")
    except InstanceRefusedError as error:
        say("ERROR", f"This job is held: the print server's request was refused ({error}).")
    except Exception as error:  # whatever it is: a held job can be released again, a loop or a lost job cannot
        say("ERROR", f"This job is held: the print server has a fault ({type(error).__name__}).")
        say("DEBUG", f"fault: {error!r}")
    return HOLD


def _deliver_only(config: Path) -> int:
    settings = load_cups(config)
    spool = CaptureSpool(settings.spool_dir)
    spool.settle_abandoned()
    return OK if _deliver(spool, InstanceClient(settings.instance), settings.deliver_s) else FAILED


def _deliver(spool: CaptureSpool, client: InstanceClient, seconds: float) -> bool:
    done = deliver(spool, client, seconds, PAUSE_S)
    _warn(done.refused)
    if done.away:
        say("INFO", f"The pages are charged later: {done.away}.")
    return not (done.away or done.refused)


def _warn(refused: Sequence[str]) -> None:
    for words in refused:
        say("WARNING", f"The instance did not accept a settlement: {words}")


def _print(argv: Sequence[str], environ: Mapping[str, str], stop: Stop) -> int:
    job = read_job(argv, environ)
    settings = load_cups(job.config)
    if os.geteuid() == 0:
        raise JobError("the backend must not run as root: its file must have mode 0755")
    device = Device(job)
    client = InstanceClient(settings.instance)
    spool = CaptureSpool(settings.spool_dir)
    with spooled_documents(job) as documents:
        spool.settle_abandoned()
        _deliver(spool, client, min(FLUSH_BEFORE_S, settings.deliver_s))
        pages, doubt = _count(job, settings, documents, stop)
        if stop.asked:
            return CANCEL
        decision = _decide(client, settings, spool, job, pages, stop)
        if decision is None:
            return CANCEL
        if decision.action == "cancel":
            say("ERROR", decision.reason)
            return CANCEL
        if decision.action == "hold":
            say("ERROR", f"{decision.reason} ({doubt})" if doubt else decision.reason)
            return HOLD
        try:
            journal = spool.begin(decision.job, decision.run)
        except SpoolError:
            _tell_at_once(client, Settlement(decision.job, decision.run, None, "the print server's disk is full"))
            raise
        stop.device = device
        code, settlement = _run_device(device, journal, documents[0], pages, stop)
        _settle(spool, journal, client, settlement, settings.deliver_s)
        return code


def _settle(
    spool: CaptureSpool, journal: PrintJournal, client: InstanceClient, settlement: Settlement, seconds: float
) -> None:
    """Spool how the print ended, and deliver it. Paper is out: nothing here may hold the job and print it again."""
    try:
        journal.settle(settlement)
        _deliver(spool, client, seconds)
    except (SpoolError, OSError) as error:
        say("WARNING", f"{error}; trying to report the pages without it")
        _tell_at_once(client, settlement)


def _tell_at_once(client: InstanceClient, settlement: Settlement) -> None:
    """The last resort when the spool cannot be written; what the journal holds is settled by the next job."""
    try:
        send(client, settlement)
    except (InstanceAwayError, InstanceRefusedError) as error:
        say("WARNING", f"the instance could not be told either: {error}")


def _count(job: PrintJob, settings: CupsSettings, documents: Sequence[int], stop: Stop) -> tuple[int | None, str]:
    """The impressions that the job asks for, or None and why they could not be counted."""
    try:
        counts = [
            count_pages(
                settings.count_program,
                document,
                settings.count_time_s,
                settings.count_memory_mb,
                lambda: stop.asked,
            )
            for document in documents
        ]
    except CountError as error:
        say("INFO", f"The pages could not be counted: {error}.")
        return None, str(error)
    return sum(counts) * job.printed_copies, ""


def _decide(
    client: InstanceClient, settings: CupsSettings, spool: CaptureSpool, job: PrintJob, pages: int | None, stop: Stop
) -> Decision | None:
    """Ask the instance until it answers; None when CUPS asked for the end before.

    While it is away the job waits: printing anyway would be free, and giving up would lose the job. What the spool
    holds is told before the question. Raises InstanceRefusedError, SpoolError.
    """
    question = {
        "server": settings.instance.server,
        "printer": job.printer,
        "user": job.user,
        "job_id": job.number,
        "job_uuid": job.uuid,
        "title": job.title,
        "pages": pages,
    }
    pause_s, waiting = settings.retry_first_s, False
    while not stop.asked:
        try:
            if waiting:
                _deliver(spool, client, 0)
            decision = _read_decision(client.post("/print/jobs", question))
            if decision.action == "print" and _told_earlier_end(spool, client, decision):
                continue  # the answer was about a run that has ended meanwhile
        except InstanceAwayError as error:
            if not waiting:
                forward(f"STATE: +{WAITING}\n".encode("ascii"))
                say("INFO", "Waiting for the accounting server: the job is printed when it answers.")
            waiting = True
            say("DEBUG", f"the instance is away: {error}")
            _pause(pause_s, stop)
            pause_s = min(pause_s * 2, settings.retry_most_s)
            continue
        finally:
            if waiting and stop.asked:
                forward(f"STATE: -{WAITING}\n".encode("ascii"))
        if waiting:
            forward(f"STATE: -{WAITING}\n".encode("ascii"))
            say("INFO", "The accounting server answers again.")
        return decision
    return None


def _told_earlier_end(spool: CaptureSpool, client: InstanceClient, decision: Decision) -> bool:
    """Tell how this very run ended, if the spool still knows of it; return whether it did.

    Printing on the answer would put new pages on a run that is about to be given back, or charged for the pages
    before. Raises InstanceAwayError, SpoolError.
    """
    done = deliver_run(spool, client, decision.job, decision.run)
    _warn(done.refused)
    return bool(done.sent or done.refused)


def _pause(seconds: float, stop: Stop) -> None:
    """Sleep, but notice within a moment that CUPS asks for the end (a signal alone does not end time.sleep)."""
    until = time.monotonic() + seconds
    while not stop.asked and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, PAUSE_S))


def _read_decision(answer: Mapping[str, object]) -> Decision:
    action, reason, job, run = (answer.get(name) for name in ("decision", "reason", "job", "run"))
    numbers_needed = action == "print"
    numbers_given = type(job) is int and type(run) is int
    if action not in ("print", "cancel", "hold") or (numbers_needed and not numbers_given):
        raise InstanceAwayError("the instance's answer makes no sense")
    words = str(reason or "") or ("The job was refused." if action == "cancel" else "The job is held.")
    return Decision(str(action), words, job if type(job) is int else 0, run if type(run) is int else 0)


def _run_device(
    device: Device, journal: PrintJournal, document: int, counted: int | None, stop: Stop
) -> tuple[int, Settlement]:
    """Print; return the exit code for CUPS, and how it ended for the instance."""
    if stop.asked:  # the request arrived while the instance was answering
        return CANCEL, journal.settlement(None, "the job was cancelled before it was printed")

    def note(pages: int) -> None:
        try:
            journal.note(pages)
        except SpoolError as error:  # only a second line of defence: the print goes on
            say("WARNING", str(error))

    try:
        code = device.run(document, note)
    except JobError as error:
        say("ERROR", f"This job is held: {error}.")
        return HOLD, journal.settlement(None, "the device backend could not be started")
    if code < 0 and not stop.asked:
        say("ERROR", "This job is held: the device backend broke down.")
        code = HOLD
    cancelled = stop.asked and not device.ignored_stop
    return max(code, OK), journal.settlement(*_pages_and_reason(device.tally.pages, code, counted, cancelled))


def _pages_and_reason(said: int, code: int, counted: int | None, cancelled: bool) -> tuple[int | None, str]:
    """What to capture, or None and why the hold is given back."""
    if said > 0:
        return said, ""  # paper came out, however it ended
    if cancelled:  # few pages or none, as a rule; charging all of them would punish who cancels in time
        return None, "the job was cancelled"
    if code != OK:
        return None, f"the device backend failed (code {code})"
    if counted is None:
        say("WARNING", "The printer does not say how many pages it printed, and the document could not be counted.")
        return None, "neither the printer nor the document says how many pages there are"
    return counted, ""  # it succeeded, and the printer does not count: what was asked for was printed


LAUNCHER: Final = """\
#!{python} -sE
import sys

sys.path[:0] = {paths!r}
from {program} import main

sys.exit(main())
"""


def write_launcher(
    path: Path,
    python: str = sys.executable,
    project: Path | None = None,
    more_paths: Sequence[Path] = (),
    program: str = "edge.cups",
) -> Path:
    """Write an executable that runs `program`'s main from the folder `project`; return its path.

    For CUPS it must belong to root and have mode 0755: then CUPS runs it as its own user (lp), which must be able
    to run `python` and to read `project`.
    """
    root = Path(__file__).resolve().parents[1] if project is None else project
    text = LAUNCHER.format(python=python, paths=[str(root), *map(str, more_paths)], program=program)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


if __name__ == "__main__":
    sys.exit(main())
