"""One passage of a job through the backend: count, ask, print, tell what came out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.cups_ask import PAUSE_S, decide, question_of
from edge.cups_count import PAGES_MAX, Counted, CountError, count_pages, in_grey, joined
from edge.cups_device import Device, FileDevice, open_device
from edge.cups_end import End, print_documents
from edge.cups_job import JobError, PrintJob, read_job, spooled_documents
from edge.cups_journal import Header, PrintJournal, came_out_whole, settle_abandoned, settlement_of
from edge.cups_plan import Plan, plan_of
from edge.cups_talk import CANCEL, FAILED, HOLD, OK, RETRY_AT_ONCE, Stop, say
from edge.settings import CupsSettings, SettingsError, load_cups
from edge.settle import deliver, send
from edge.spool import CaptureSpool, Settlement, SpoolError

FLUSH_BEFORE_S: Final = 2.0
PLAN_ANSWER_S: Final = 2.0  # without an answer the last one counts, so nobody waits for long
UTC_TIME: Final = "%Y-%m-%dT%H:%M:%S+00:00"


def print_job(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Let a job pass, as CUPS started it; return the exit code. Whatever goes wrong, it is held and CUPS told why."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    return _guarded(lambda: _print(argv, environ, stop))


def deliver_only(config: str) -> int:
    """Send what waits in the spool of this config; return 0, or 1 when something still waits."""

    def send_all() -> int:
        settings = load_cups(Path(config))
        spool = CaptureSpool(settings.spool_dir)
        settle_abandoned(spool)
        return OK if _deliver(spool, InstanceClient(settings.instance), settings.deliver_s) else FAILED

    return _guarded(send_all)


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
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


def _deliver(spool: CaptureSpool, client: InstanceClient, seconds: float) -> bool:
    done = deliver(spool, client, seconds, PAUSE_S)
    for words in done.refused:
        say("WARNING", f"The instance did not accept a settlement: {words}")
    if done.away:
        say("INFO", f"The pages are charged later: {done.away}.")
    return not (done.away or done.refused)


class _Passage(NamedTuple):
    """One passage of a job through the backend, and all that it needs."""

    job: PrintJob
    settings: CupsSettings
    client: InstanceClient
    spool: CaptureSpool
    device: Device | FileDevice
    stop: Stop


def _print(argv: Sequence[str], environ: Mapping[str, str], stop: Stop) -> int:
    job = read_job(argv, environ)
    settings = load_cups(job.config)
    if os.geteuid() == 0:
        raise JobError("the backend must not run as root: its file must have mode 0755")
    device = open_device(job, stop)
    client, spool = InstanceClient(settings.instance), CaptureSpool(settings.spool_dir)
    with spooled_documents(job) as documents:
        whole = came_out_whole(spool, job.uuid, stop.pause)
        settle_abandoned(spool)
        _deliver(spool, client, min(FLUSH_BEFORE_S, settings.deliver_s))
        if whole:
            say("INFO", "This job came out before its print was interrupted: it is not printed again.")
            return OK
        if stop.asked:
            return CANCEL
        return _ask_and_print(_Passage(job, settings, client, spool, device, stop), documents)


def _ask_and_print(passage: _Passage, documents: list[int]) -> int:
    job, settings, client, spool, device, stop = passage
    hurried = min(settings.instance.answer_timeout_s, PLAN_ANSWER_S)
    asker = InstanceClient(settings.instance._replace(answer_timeout_s=hurried))
    plan = plan_of(asker, spool, server=settings.instance.server, printer=job.printer)
    counted, doubt = _count(job, settings, plan, documents, stop)
    if doubt and plan.away == "print":
        plan = plan._replace(away="hold")  # nobody could say later what it costs
    question = question_of(job, settings, counted, doubt, copies=job.printed_copies)
    decision = decide(client, settings, spool, plan, question, stop)
    if decision.action == "stop":
        return CANCEL
    if decision.action == "again":
        return RETRY_AT_ONCE
    if decision.action != "print":
        # An instance that says why does so in brackets, in a language of its own.
        untold = decision.action == "hold" and doubt and "(" not in decision.reason
        say("ERROR", f"{decision.reason} ({doubt})" if untold else decision.reason)
        return CANCEL if decision.action == "cancel" else HOLD
    expected = 1 if plan.counting == "none" else question["pages"]
    header = Header(decision.job, decision.run, job.uuid, job.argv[2], job.title, job.wrapped_uri, expected)
    if not decision.job:
        header = header._replace(unasked={**question, "at": time.strftime(UTC_TIME, time.gmtime())})
    try:
        journal = PrintJournal(spool, header)
    except SpoolError:
        _tell_at_once(client, settlement_of(header, None, "the print server's disk is full"))
        raise
    end = print_documents(device, journal, documents, stop, settings.printer_word_s)
    _settle(spool, journal, client, end, settings.deliver_s if decision.job else 0)  # while it is away, nobody waits
    return end.code


def _settle(spool: CaptureSpool, journal: PrintJournal, client: InstanceClient, end: End, seconds: float) -> None:
    """Spool how the print ended, and deliver it. Paper is out: nothing here may hold the job and print it again."""
    if end.settlement is None:
        journal.leave()
        return
    try:
        if end.whole:
            journal.note_whole()
        journal.settle(end.settlement)
        _deliver(spool, client, seconds)
    except (SpoolError, OSError) as error:
        say("WARNING", f"{error}; trying to report the pages without it")
        _tell_at_once(client, end.settlement)


def _tell_at_once(client: InstanceClient, settlement: Settlement) -> None:
    """The last resort when the spool cannot be written; what the journal holds is settled by the next job."""
    try:
        send(client, settlement)
    except (InstanceAwayError, InstanceRefusedError) as error:
        say("WARNING", f"the instance could not be told either: {error}")


def _count(
    job: PrintJob, settings: CupsSettings, plan: Plan, documents: Sequence[int], stop: Stop
) -> tuple[Counted | None, str]:
    """What the documents hold, or None and why they could not be counted ("" when nobody needs to know)."""
    if plan.counting == "none":
        return None, ""
    try:
        counts = [
            count_pages(
                settings.count_program,
                document,
                settings.count_time_s,
                settings.count_memory_mb,
                lambda: stop.asked,
                colour=plan.counting == "colour",
            )
            for document in documents
        ]
        counted = joined(counts)
        if counted.pages * job.printed_copies > PAGES_MAX:
            raise CountError(f"there are more than {PAGES_MAX} pages")
    except CountError as error:
        say("INFO", f"The pages could not be counted: {error}.")
        return None, str(error)
    return in_grey(counted) if job.printed_in_grey else counted, ""
