"""Print jobs under names that nobody has: refused ones, and those that monitor mode let print and nobody paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from app.db import one_of
from app.errors import KeyReusedError
from app.ledger.batch import Posting, post_many
from app.ledger.models import Account
from app.printing import rules, titles
from app.printing.job_words import NOT_CHARGED
from app.printing.models import PrintJob
from language import ENGLISH, _, speaking

CHUNK = 5_000
"""Jobs that are dealt with in one transaction."""

REFUSED_FOR = timedelta(days=14)
"""How long a refused job is worth a look: nothing was charged, and the person has printed it again by then."""

REFUSED = PrintJob.state.in_(("cancelled", "waiting"))
UNPAID = and_(PrintJob.state == "printed", PrintJob.hold_id.is_(None), PrintJob.reason == "")


@dataclass(frozen=True)
class Seen:
    """What one name sent to one print server: jobs not printed, and pages printed that nobody paid for.

    `cost` in millionths, at the price of the time.
    """

    username: str
    server: str
    refused: int
    pages: int
    cost: int
    first_at: datetime
    last_at: datetime


def list_seen(session: Session, *, now: datetime) -> list[Seen]:
    """Return what nobody's names sent, a line for each name and print server."""
    pages = func.coalesce(PrintJob.pages_printed, 0)
    rows = session.execute(
        select(
            PrintJob.username,
            PrintJob.server,
            func.count(case((REFUSED, 1))),
            func.coalesce(func.sum(case((UNPAID, pages))), 0),
            func.coalesce(func.sum(case((UNPAID, PrintJob.cost))), 0),
            func.min(PrintJob.created_at),
            func.max(PrintJob.updated_at),
        )
        .where(*_of_nobody(now))
        .group_by(PrintJob.username, PrintJob.server)
        .order_by(PrintJob.username, PrintJob.server)
    )
    return [Seen(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6]) for row in rows]


def assign_chunk(
    session: Session,
    *,
    names: Sequence[str],
    user_id: int,
    now: datetime,
    limit: int = CHUNK,
    language: str = ENGLISH.code,
) -> tuple[int, int]:
    """Give up to `limit` jobs under `names` to a person and charge the printed ones, each once.

    Returns (jobs, millionths charged). Charges are measured, at the price and the time of the printing.
    `language`: the instance's own, in which the books have it.
    """
    account_id = session.scalars(select(Account.id).where(Account.user_id == user_id).with_for_update()).one()
    query = select(PrintJob).where(*_of_nobody(now), one_of(session, PrintJob.username, names))
    jobs = list(session.scalars(query.order_by(PrintJob.id).limit(limit).with_for_update()))
    with speaking(language):
        postings = [_posting(job, account_id) for job in jobs if job.state == "printed"]
    for job in jobs:
        job.user_id = user_id
    session.flush()
    for posting, outcome in zip(postings, post_many(session, postings=postings, now=now), strict=True):
        if outcome.refusal:
            raise KeyReusedError(key=posting.key)
    return len(jobs), -sum(posting.amount for posting in postings)


def dismiss(session: Session, *, names: Sequence[str], reason: str, by: str) -> int:
    """Charge nobody for what `names` printed; the jobs stay, with the reason. Return how many these are."""
    dismissed = session.execute(
        update(PrintJob)
        .where(PrintJob.user_id.is_(None), UNPAID, one_of(session, PrintJob.username, names))
        .values(reason=NOT_CHARGED.format(reason=reason, by=by))
        .execution_options(synchronize_session=False)
    )
    return int(dismissed.rowcount)  # type: ignore[attr-defined]  # SQLAlchemy types a session's result without it


def _of_nobody(now: datetime) -> tuple[ColumnElement[bool], ...]:
    recent = and_(REFUSED, PrintJob.updated_at >= now - REFUSED_FOR)
    return PrintJob.user_id.is_(None), or_(recent, UNPAID)


def _posting(job: PrintJob, account_id: int) -> Posting:
    pages = job.pages_printed or 0
    return Posting(
        account_id=account_id,
        amount=-job.cost,
        source="print",
        key=f"print-unmatched:{job.id}",
        title=titles.in_books(job.title),
        detail=_(
            "%(pages)s, %(printer)s, as %(name)s, job %(number)s",
            pages=rules.pages_in_words(pages),
            printer=job.printer,
            name=job.username,
            number=job.id,
        ),
        measured=True,
        at=job.updated_at,
        quantity=pages,
    )
