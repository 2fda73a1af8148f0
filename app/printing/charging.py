"""After a job has printed: charge what came out, give back what did not, book what was printed meanwhile."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import KeyReusedError, NotFoundError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Hold
from app.printing import asking, charges, documents, price_json, prices, printers, rules, titles
from app.printing.asking import JobSeen
from app.printing.job_words import NO_PAPER
from app.printing.models import PrintJob
from app.settings import Settings
from language import _, numbers


class Charged(NamedTuple):
    """What was charged for so many pages, in millionths; 0 where nobody pays yet."""

    amount: int
    pages: int


class Printed(NamedTuple):
    """A print that happened while the instance was away: how it is called, what came out, and when."""

    print_key: str
    pages: int
    estimated: bool
    at: datetime


def capture(session: Session, *, job_id: int, run: int, pages: int, now: datetime, estimated: bool = False) -> Charged:
    """Charge a run for the `pages` that the printer says it printed, at the terms that it was held at.

    `estimated`: the printer could not say, and the pages are those that were counted before. Doing it again with the
    same pages changes nothing. 0 pages release the hold. Raises NotFoundError, KeyReusedError (other pages),
    WrongStateError (the run was refused or released).
    """
    job = _get(session, job_id, run)
    if job.state == "printed" or (job.state == "released" and pages == 0):
        if (job.pages_printed or 0) != pages:
            raise KeyReusedError(job=job_id, run=run, pages=job.pages_printed)
        return Charged(job.cost if job.hold_id and pages else 0, pages)
    if job.state != "held":
        raise WrongStateError(f"This run is {job.state}; it cannot be captured.", job=job_id, run=run)
    if pages == 0:
        release(session, job_id=job_id, run=run, reason=NO_PAPER, now=now)
        return Charged(0, 0)
    note_printed(job, pages=pages, estimated=estimated, now=now)
    if job.hold_id is None:
        return Charged(0, pages)
    ledger.capture(
        session,
        hold_id=job.hold_id,
        amount=job.cost,
        key=charges.keys_of(job)[0],
        now=now,
        title=titles.in_books(job.title),
        detail=told(job),
        quantity=pages,
    )
    return Charged(job.cost, pages)


def release(session: Session, *, job_id: int, run: int, reason: str, now: datetime) -> None:
    """End a run without charging. Doing it again changes nothing. Raises NotFoundError, WrongStateError (captured)."""
    job = _get(session, job_id, run)
    if job.state == "printed":
        raise WrongStateError("This run was already captured.", job=job_id, run=run)
    if job.state == "held" and job.hold_id is not None:
        ledger.release(session, hold_id=job.hold_id, now=now)
    if job.state == "held":
        job.state, job.reason, job.cost, job.updated_at = "released", reason[:500], 0, now


def book_printed(
    session: Session, *, seen: JobSeen, printed: Printed, user_id: int | None, settings: Settings, now: datetime
) -> tuple[PrintJob, Charged]:
    """Book a job that was printed while the instance was away, once for each print key, at the prices of now.

    It has happened, so it is charged whatever the purse holds. `user_id` None: it is kept under its name until that is
    somebody's. Raises KeyReusedError: the key was used for another print.
    """
    known = session.scalar(select(PrintJob).where(PrintJob.print_key == printed.print_key).with_for_update())
    if known is not None:
        if (known.server, known.job_uuid, known.pages_printed) != (seen.server, seen.job_uuid, printed.pages):
            raise KeyReusedError(job=known.id, run=known.run, pages=known.pages_printed)
        return known, Charged(known.cost if known.user_id else 0, printed.pages)
    job = asking.run_of(session, seen, now, print_key=printed.print_key)
    _end_hold(session, job, now)
    asking.note(job, seen, user_id=user_id, now=now)
    printer = printers.get_printer(session, server=seen.server, name=seen.printer, now=now)
    groups = asking.groups_of(session, user_id)
    asking.price(job, asking.terms_for(session, printer, groups, settings), seen.pages)
    job.print_key, job.order = printed.print_key, ""
    note_printed(job, pages=printed.pages, estimated=printed.estimated, now=min(printed.at, now))
    session.flush()
    if not printed.pages:
        job.state = "released"
    if user_id is None or not printed.pages:
        return job, Charged(0, printed.pages)
    ledger.post(
        session,
        account_id=accounts.get_account(session, user_id=user_id).id,
        amount=-job.cost,
        source="print",
        key=charges.keys_of(job)[0],
        now=now,
        at=min(printed.at, now),
        title=titles.in_books(job.title),
        detail=told(job),
        measured=True,
        quantity=printed.pages,
    )
    return job, Charged(job.cost, printed.pages)


def note_printed(job: PrintJob, *, pages: int, estimated: bool, now: datetime) -> None:
    """Take down what came out, and what it costs."""
    job.state, job.pages_printed, job.estimated, job.updated_at = "printed", pages, estimated, now
    job.cost = quote_of(job, pages).cost
    asking.note_paper(job, pages)


def quote_of(job: PrintJob, pages: int) -> prices.Quote:
    """Return what `pages` pages of a job cost at its own terms."""
    return prices.quote(price_json.terms_from_json(job.terms), documents.from_json(job.document), pages)


def told(job: PrintJob) -> str:
    """Return what a statement says of a job: "12 pages of 20, 3 in colour, Library 1, estimated"."""
    parts = [rules.pages_of_in_words(job.pages_printed or 0, job.pages_counted)]
    parts += [_("%(num)s in colour", num=numbers.count(job.colour_pages))] if job.colour_pages else []
    parts += [job.printer, *([_("estimated")] if job.estimated else [])]
    return ", ".join(parts)


def _end_hold(session: Session, job: PrintJob, now: datetime) -> None:
    placed = session.get(Hold, job.hold_id, populate_existing=True) if job.hold_id is not None else None
    if placed is not None and placed.state == "open":
        ledger.release(session, hold_id=placed.id, now=now)
    job.attempt += placed is not None


def _get(session: Session, job_id: int, run: int) -> PrintJob:
    job = session.get(PrintJob, job_id, with_for_update=True)
    if job is None or job.run != run:
        raise NotFoundError("There is no such run of a job.", job=job_id, run=run)
    return job
