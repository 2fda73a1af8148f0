"""Verbs of print jobs: ask before printing, capture what was printed, release what was not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InsufficientBalanceError, KeyReusedError, NotFoundError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Hold
from app.money import Unit
from app.people.models import User
from app.people.rules import name_key
from app.printing import rules
from app.printing.models import PrintJob


@dataclass(frozen=True)
class JobSeen:
    """A job as a print server describes it. `pages`: impressions counted, copies included; None: not countable."""

    server: str
    printer: str
    user: str
    job_id: int
    job_uuid: str
    title: str
    pages: int | None


@dataclass(frozen=True)
class Terms:
    """What the instance charges for printing, and whether it refuses."""

    price_per_page: int
    unit: Unit
    enforce: bool


@dataclass(frozen=True)
class Answer:
    """What the print server shall do with a job: "print", "cancel" or "hold". `price` in millionths."""

    decision: str
    reason: str
    job: int
    run: int
    price: int


def ask(
    session: Session, *, seen: JobSeen, user_id: int | None, terms: Terms, now: datetime, looked_up: bool = True
) -> Answer:
    """Decide over a job before it prints, and hold its price.

    Asking again before the run is finished is the same run, for the pages that are named now; after a capture it is a
    new one. Raises KeyReusedError when another user asks for the same run. `user_id` None: the
    directory knows nobody of that name or, when not `looked_up`, did not answer: then only this job waits. In monitor
    mode the answer is always "print".
    """
    job = _run_of(session, seen, terms, now)
    placed = session.get(Hold, job.hold_id, populate_existing=True) if job.hold_id is not None else None
    if job.state == "held" and placed is not None and placed.state == "open":
        if job.pages_counted == seen.pages:
            return _answer(job, "print", "", placed.amount)
        ledger.release(session, hold_id=placed.id, now=now)
    if job.hold_id is not None:
        job.attempt += 1
    job.hold_id, job.user_id, job.pages_counted = None, user_id, seen.pages
    job.updated_at = now
    cost = rules.price(pages=seen.pages or 0, price_per_page=terms.price_per_page)
    if terms.enforce and not looked_up:
        return _refuse(
            job, "waiting", "The network's directory does not answer: it is not known whose job this is.", cost
        )
    if terms.enforce and user_id is None:
        return _refuse(job, "cancelled", f"No purse is known for the name {seen.user}. Nothing was charged.", cost)
    if terms.enforce and user_id is not None and not session.get_one(User, user_id).is_active:
        return _refuse(job, "cancelled", f"The network account {seen.user} is disabled. Nothing was charged.", cost)
    if terms.enforce and seen.pages is None:
        return _refuse(job, "waiting", "The pages of this job could not be counted. Ask the help desk.", cost)
    if user_id is not None:
        try:
            job.hold_id = _hold(session, job, user_id, cost, terms, now)
        except InsufficientBalanceError as exc:
            available, floor = (int(str(exc.facts[name])) for name in ("available_micro", "floor_micro"))
            return _refuse(job, "cancelled", _too_short(seen.pages or 0, cost, available - floor, terms.unit), cost)
    job.state, job.reason = "held", ""
    session.flush()
    return _answer(job, "print", "", cost)


def capture(session: Session, *, job_id: int, run: int, pages: int, now: datetime) -> tuple[int, int]:
    """Charge a run for the `pages` that the printer says it printed; return (millionths charged, pages).

    Doing it again with the same pages changes nothing. 0 pages release the hold. Raises NotFoundError,
    KeyReusedError (other pages), WrongStateError (the run was refused or released).
    """
    job = _get(session, job_id, run)
    if job.state == "printed" or (job.state == "released" and pages == 0):
        if (job.pages_printed or 0) != pages:
            raise KeyReusedError(job=job_id, run=run, pages=job.pages_printed)
        return rules.price(pages=pages, price_per_page=job.price_per_page) if job.hold_id else 0, pages
    if job.state != "held":
        raise WrongStateError(f"This run is {job.state}; it cannot be captured.", job=job_id, run=run)
    if pages == 0:
        release(session, job_id=job_id, run=run, reason="The printer printed nothing.", now=now)
        return 0, 0
    job.state, job.pages_printed, job.updated_at = "printed", pages, now
    if job.hold_id is None:
        return 0, pages
    cost = rules.price(pages=pages, price_per_page=job.price_per_page)
    ledger.capture(
        session,
        hold_id=job.hold_id,
        amount=cost,
        key=f"print:{job.server}:{job.job_uuid}:{run}",
        now=now,
        title=job.title or "Print job",
        detail=_told(job, pages),
        quantity=pages,
    )
    return cost, pages


def release(session: Session, *, job_id: int, run: int, reason: str, now: datetime) -> None:
    """End a run without charging. Doing it again changes nothing. Raises NotFoundError, WrongStateError (captured)."""
    job = _get(session, job_id, run)
    if job.state == "printed":
        raise WrongStateError("This run was already captured.", job=job_id, run=run)
    if job.state == "held" and job.hold_id is not None:
        ledger.release(session, hold_id=job.hold_id, now=now)
    if job.state == "held":
        job.state, job.reason, job.updated_at = "released", reason[:500], now


def list_jobs(session: Session, *, user_id: int, limit: int) -> list[PrintJob]:
    """Return the user's last jobs, newest first."""
    return list(
        session.scalars(select(PrintJob).where(PrintJob.user_id == user_id).order_by(PrintJob.id.desc()).limit(limit))
    )


def _run_of(session: Session, seen: JobSeen, terms: Terms, now: datetime) -> PrintJob:
    last = session.scalar(
        select(PrintJob)
        .where(PrintJob.server == seen.server, PrintJob.job_uuid == seen.job_uuid)
        .order_by(PrintJob.run.desc())
        .limit(1)
        .with_for_update()
    )
    if last is not None and last.state != "printed":
        if name_key(last.username) != name_key(seen.user):
            raise KeyReusedError("This job was asked for by somebody else.", job=last.id, run=last.run)
        return last
    job = PrintJob(
        server=seen.server,
        job_uuid=seen.job_uuid,
        run=last.run + 1 if last else 1,
        job_number=seen.job_id,
        printer=seen.printer,
        username=seen.user,
        title=seen.title,
        price_per_page=terms.price_per_page,
        state="waiting",
        attempt=1,
        created_at=now,
        updated_at=now,
    )
    session.add(job)
    session.flush()
    return job


def _hold(session: Session, job: PrintJob, user_id: int, cost: int, terms: Terms, now: datetime) -> int:
    account = accounts.get_account(session, user_id=user_id)
    placed = ledger.hold(
        session,
        account_id=account.id,
        amount=cost,
        source="print",
        key=f"print:{job.server}:{job.job_uuid}:{job.run}:hold:{job.attempt}",
        now=now,
        expires_at=now + rules.HOLD_LIFE,
        enforce=terms.enforce,
    )
    job.price_per_page = terms.price_per_page
    return placed.id


def _get(session: Session, job_id: int, run: int) -> PrintJob:
    job = session.get(PrintJob, job_id, with_for_update=True)
    if job is None or job.run != run:
        raise NotFoundError("There is no such run of a job.", job=job_id, run=run)
    return job


def _refuse(job: PrintJob, state: str, reason: str, cost: int) -> Answer:
    job.state, job.reason = state, reason
    return _answer(job, "cancel" if state == "cancelled" else "hold", reason, cost)


def _answer(job: PrintJob, decision: str, reason: str, cost: int) -> Answer:
    return Answer(decision, reason, job.id, job.run, cost)


def _too_short(pages: int, cost: int, available: int, unit: Unit) -> str:
    return (
        f"Not printed: {rules.pages_in_words(pages)} cost {unit.price(cost)}, "
        f"and {unit.text(available)} is left. Nothing was charged."
    )


def _told(job: PrintJob, pages: int) -> str:
    counted = job.pages_counted
    of = f" of {counted}" if counted is not None and counted != pages else ""
    return f"{rules.pages_in_words(pages)}{of}, {job.printer}"
