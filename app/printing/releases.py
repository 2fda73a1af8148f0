"""Hold and release: jobs that wait until their owner lets them print, and those that wait for an administrator.

Whose job it is is enforced here, not by the pages: for anybody else it is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.errors import NotAllowedError, NotFoundError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Hold
from app.people.rules import may
from app.printing.job_words import BY_OWNER, IN_TIME
from app.printing.models import PrintJob
from language import ENGLISH, _, speaking

WAITING_MAX: Final = 200
"""So many are listed at once: who has more waiting releases these first."""

EXPIRED_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Actor:
    """Who asks for something: their number, what they may do here besides, how they are named afterwards, and in which
    language what they did is written down: the instance's own."""

    user_id: int
    role: str
    signature: str
    language: str = ENGLISH.code

    def may(self, needed: str) -> bool:
        """Whether they may do what needs the role `needed`."""
        return may(self.role, needed)


@dataclass(frozen=True)
class Waiting:
    """A job that waits. `cost` in millionths; None: not known. `missing`: what the purse lacks for it, 0 for nothing.

    `is_held`: its price is set aside already, so it will be enough.
    """

    job: PrintJob
    cost: int | None
    is_held: bool
    missing: int

    @property
    def may_release(self) -> bool:
        """Whether its owner can let it print."""
        return self.job.waits_for == "release"


def list_waiting(session: Session, *, user_id: int, printer: str = "", server: str = "") -> list[Waiting]:
    """Return a user's jobs that wait, oldest first; those already released are left out. `printer` "" means any."""
    query = _waiting().where(PrintJob.user_id == user_id)
    if printer:
        query = query.where(PrintJob.printer == printer)
    if server:
        query = query.where(PrintJob.server == server)
    return beside(session, jobs=list(session.scalars(query.order_by(PrintJob.id).limit(WAITING_MAX))))


def beside(session: Session, *, jobs: list[PrintJob]) -> list[Waiting]:
    """Return each waiting job with what it costs, and whether its owner's purse has that."""
    return [_beside(session, job) for job in jobs]


def release(session: Session, *, job_id: int, by: Actor, now: datetime) -> PrintJob:
    """Let a job print that waits for its owner. Doing it again changes nothing.

    Owners release their own jobs, helpers and administrators anybody's; who did it stands with the job. Raises
    NotFoundError for somebody else's job as for none, WrongStateError for one that does not wait for that, or whose
    time is over.
    """
    job = _get(session, job_id, by)
    if job.state == "waiting" and job.released_at is not None:
        return job
    if job.state != "waiting" or job.waits_for != "release":
        raise WrongStateError(_("This job does not wait to be released."), job=job_id, state=job.state)
    if job.expires_at is not None and job.expires_at <= now:
        raise WrongStateError(_("The time to release this job is over. Print the document again."), job=job_id)
    job.released_at, job.released_by, job.order = now, by.signature, "resume"
    job.expires_at, job.updated_at = None, now
    session.flush()
    return job


def send_on(session: Session, *, job_id: int, by: Actor, now: datetime) -> PrintJob:
    """Have the print server ask again for a job that waits because its pages or its owner could not be found out.

    Doing it again changes nothing. Raises NotFoundError, NotAllowedError for who is no administrator, WrongStateError.
    """
    job = _get(session, job_id, by)
    if not by.may("admin"):
        raise NotAllowedError(_("Only administrators send on jobs that could not be counted."))
    if job.state != "waiting" or job.waits_for not in ("count", "directory"):
        raise WrongStateError(_("This job does not wait for an administrator."), job=job_id, state=job.state)
    job.order, job.released_by, job.updated_at = "resume", by.signature, now
    session.flush()
    return job


def cancel(session: Session, *, job_id: int, by: Actor, now: datetime) -> PrintJob:
    """Throw a waiting job out of its queue and give back what was held. Doing it again changes nothing.

    Raises NotFoundError for somebody else's job as for none, WrongStateError for one that prints or has printed.
    """
    job = _get(session, job_id, by)
    if job.state == "cancelled":
        return job
    if job.state != "waiting":
        raise WrongStateError(_("This job does not wait any more; it cannot be cancelled here."), job=job_id)
    with speaking(by.language):
        others = _("Cancelled by %(name)s. Nothing was charged.", name=by.signature)
    _end(session, job, BY_OWNER if job.user_id == by.user_id else others, now)
    return job


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether a job waits whose time is over."""
    return session.scalar(_due(now).with_only_columns(PrintJob.id).limit(1)) is not None


def expire_due(session: Session, *, now: datetime, limit: int = EXPIRED_AT_ONCE) -> int:
    """Throw out up to `limit` jobs that nobody released in time, and give back what was held; return how many."""
    due = session.scalars(_due(now).order_by(PrintJob.expires_at).limit(limit).with_for_update(skip_locked=True)).all()
    for job in due:
        _end(session, job, IN_TIME, now)
    return len(due)


def _waiting() -> Select[PrintJob]:
    return select(PrintJob).where(PrintJob.state == "waiting", PrintJob.released_at.is_(None))


def _due(now: datetime) -> Select[PrintJob]:
    return _waiting().where(PrintJob.expires_at <= now)


def _get(session: Session, job_id: int, by: Actor) -> PrintJob:
    """The job as it is now, locked; for who may neither use nor manage it, it is not there."""
    job = session.get(PrintJob, job_id, with_for_update=True, populate_existing=True)
    if job is None or not (job.user_id == by.user_id or by.may("helper")):
        raise NotFoundError(_("There is no such job of yours."), job=job_id)
    return job


def _end(session: Session, job: PrintJob, words: str, now: datetime) -> None:
    """End a waiting job unprinted. What it waited for stays readable; a hold that ran out is over already."""
    if job.hold_id is not None:
        ledger.release(session, hold_id=job.hold_id, now=now)
    job.state, job.reason, job.order = "cancelled", words, "cancel"
    job.expires_at, job.updated_at = None, now
    session.flush()


def _beside(session: Session, job: PrintJob) -> Waiting:
    cost = None if job.waits_for == "count" or job.pages_counted is None else job.cost
    placed = session.get(Hold, job.hold_id) if job.hold_id is not None else None
    if placed is not None and placed.state == "open":
        return Waiting(job, placed.amount, is_held=True, missing=0)
    missing = 0
    if cost is not None and job.user_id is not None:
        account = accounts.get_account(session, user_id=job.user_id)
        if account.floor is not None:
            missing = max(0, cost - (account.available - account.floor))
    return Waiting(job, cost, is_held=False, missing=missing)
