"""Asking the instance whether a job may print, and what holds for it while nobody answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from edge.client import InstanceAwayError, InstanceClient
from edge.cups_count import Counted
from edge.cups_job import PrintJob
from edge.cups_plan import Plan
from edge.cups_talk import Stop, forward, say
from edge.settings import CupsSettings
from edge.settle import deliver, deliver_job
from edge.spool import CaptureSpool

WAITING: Final = "com.twinpurse.waiting-report"
PAUSE_S: Final = 0.1
REFUSED_AWAY: Final = "Not printed: the accounting server does not answer, and this printer prints only when it does."


class Decision(NamedTuple):
    """What to do with a job, and why in words.

    `action`: "print", "hold" or "cancel", as the instance says; "again" when it was away for so long that CUPS shall
    begin the job anew; "stop" when CUPS asked for the end. A "print" belongs to a `run` of the instance's `job`, or to
    none of them (0) when the instance was away and the printer prints all the same.
    """

    action: str
    reason: str = ""
    job: int = 0
    run: int = 0


def question_of(
    job: PrintJob, settings: CupsSettings, counted: Counted | None, doubt: str, *, copies: int
) -> dict[str, Any]:
    """The body that asks about a job. `counted` None: not counted, for the `doubt` or because nobody needs it."""
    question: dict[str, Any] = {
        "server": settings.instance.server,
        "printer": job.printer,
        "user": job.user,
        "job_id": job.number,
        "job_uuid": job.uuid,
        "title": job.title,
        "pages": None if counted is None else counted.pages * copies,
        "host": job.host,
    }
    if doubt:
        question["doubt"] = doubt
    if counted is not None:
        duplex = job.two_sided if counted.duplex is None else counted.duplex
        question["document"] = {"runs": [list(run) for run in counted.runs], "copies": copies, "duplex": duplex}
    return question


def decide(
    client: InstanceClient,
    settings: CupsSettings,
    spool: CaptureSpool,
    plan: Plan,
    question: Mapping[str, Any],
    stop: Stop,
) -> Decision:
    """Ask until the instance answers, or until the printer's policy for its absence says otherwise.

    What the spool holds about this job is told before the question: the answer must not be about a run that has
    ended. Raises InstanceRefusedError, SpoolError.
    """
    began, pause_s, waiting = time.monotonic(), settings.retry_first_s, False
    try:
        while not stop.asked:
            try:
                deliver_job(spool, client, question["job_uuid"])
                decision = _read_decision(client.post("/print/jobs", question))
            except InstanceAwayError as error:
                say("DEBUG", f"the instance is away: {error}")
                away_s = time.monotonic() - began
                if plan.away != "hold" and away_s >= settings.away_after_s:
                    return Decision("print") if plan.away == "print" else Decision("cancel", REFUSED_AWAY)
                if away_s >= settings.retry_whole_s:
                    return Decision("again")
                if not waiting and plan.away == "hold":
                    forward(f"STATE: +{WAITING}\n".encode("ascii"))
                    say("INFO", "Waiting for the accounting server: the job is printed when it answers.")
                    waiting = True
                stop.pause(pause_s)
                pause_s = min(pause_s * 2, settings.retry_most_s)
                continue
            if waiting:
                say("INFO", "The accounting server answers again.")
                deliver(spool, client, 0, PAUSE_S)
            return decision
        return Decision("stop")
    finally:
        if waiting:
            forward(f"STATE: -{WAITING}\n".encode("ascii"))


def _read_decision(answer: Mapping[str, object]) -> Decision:
    action, reason, job, run = (answer.get(name) for name in ("decision", "reason", "job", "run"))
    numbers_given = type(job) is int and type(run) is int
    if action not in ("print", "cancel", "hold") or (action == "print" and not numbers_given):
        raise InstanceAwayError("the instance's answer makes no sense")
    words = str(reason or "") or {"cancel": "The job was refused.", "hold": "The job is held."}.get(str(action), "")
    return Decision(str(action), words, job if type(job) is int else 0, run if type(run) is int else 0)
