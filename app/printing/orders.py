"""What print servers shall still do with jobs in their queues: let one go on, or throw one out; and what they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.ledger import service as ledger
from app.printing import job_words, told
from app.printing.models import PrintJob
from language import _

ORDERS_MAX = 500
"""So many are told at once; the print server asks again every few seconds."""


@dataclass(frozen=True)
class Order:
    """One thing to do: `verb` is "resume" or "cancel", `number` the job's in the queue, `reason` why, for people."""

    job: int
    number: int
    printer: str
    verb: str
    reason: str


def list_orders(session: Session, *, server: str) -> list[Order]:
    """Return what `server` shall do, the oldest job first, at most ORDERS_MAX. Reasons: in the language spoken now."""
    query = select(PrintJob).where(PrintJob.server == server, PrintJob.order != "").order_by(PrintJob.id)
    return [
        Order(job.id, job.job_number, job.printer, job.order, job_words.reason(job))
        for job in session.scalars(query.limit(ORDERS_MAX))
    ]


def note_done(session: Session, *, server: str, job_id: int, verb: str, done: bool, note: str, now: datetime) -> None:
    """Note what became of an order. Doing it again changes nothing; an order that was changed meanwhile stays.

    A job that goes on keeps its order until the print server asks about it: only then is it known to have gone on. Not
    `done`: the print server no longer has the job. A job that was to go on then ends, and its hold is released. Raises
    NotFoundError: there is no such job of this server.
    """
    job = session.get(PrintJob, job_id, with_for_update=True)
    if job is None or job.server != server:
        raise NotFoundError("There is no such job of this print server.", job=job_id)
    if job.order != verb or (verb == "resume" and done):
        return
    job.order, job.updated_at = "", now
    if verb == "resume" and not done and job.state == "waiting":
        if job.hold_id is not None:
            ledger.release(session, hold_id=job.hold_id, now=now)
        job.state, job.waits_for, job.expires_at = "cancelled", "", None
        why = told.in_words(note or told.GONE)
        job.reason = _("Not printed: %(why)s. Nothing was charged.", why=why)
