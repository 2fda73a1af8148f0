"""Verbs of refunds: ask, withdraw, approve, refuse, give unasked. A job is refunded at most once.

What is given back is a reversal of the job's entry: of the whole, or of a part. Two who decide at once meet at the
locked row of the job; behind it stand two unique indexes, one of refunds and one of the books' reversals.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, lazyload

from app.accounts.rules import Allowance
from app.accounts.service import check_helper, helped_by
from app.errors import InvalidInputError, NotAllowedError, NotFoundError, WrongStateError
from app.ledger import service as ledger
from app.ledger.models import Account
from app.people.models import User
from app.printing import charges, titles
from app.printing.charges import Charged
from app.printing.models import PrintJob
from app.printing.releases import Actor
from app.refunds import rules
from app.refunds.models import Refund
from language import _, speaking


@dataclass(frozen=True)
class Row:
    """A refund in a list: what it is about, whose, and what the job was charged (millionths)."""

    refund: Refund
    job: PrintJob
    user: User | None
    charged: Charged


def ask(session: Session, *, job_id: int, user_id: int, reason: str, now: datetime) -> Refund:
    """Ask to have the charge of one's own job back. Asking again while it is open changes nothing.

    Raises NotFoundError for somebody else's job as for none, InvalidInputError (the reason), WrongStateError when
    nothing was charged, it was given back already, or this was refused before.
    """
    job = _job(session, job_id)
    if job.user_id != user_id:
        raise NotFoundError(_("There is no such job of yours."), job=job_id)
    reason = _text(reason, missing=rules.NO_REASON)
    refused = None
    for earlier in of_job(session, job_id=job_id):
        if earlier.state == "open":
            return earlier
        refused = refused or (earlier if earlier.state == "refused" else None)
    _refundable(session, job)
    if refused is not None:
        raise WrongStateError(_("A refund of this job was refused already. Ask the help desk."), refund=refused.id)
    refund = Refund(job_id=job_id, user_id=user_id, reason=reason, state="open", created_at=now)
    session.add(refund)
    session.flush()
    return refund


def withdraw(session: Session, *, job_id: int, user_id: int, now: datetime) -> Refund:
    """Take one's own open request back. Doing it again changes nothing.

    Raises NotFoundError, WrongStateError when it was decided meanwhile.
    """
    job = _job(session, job_id)
    mine = [refund for refund in of_job(session, job_id=job_id) if refund.asked and refund.user_id == user_id]
    if job.user_id != user_id or not mine:
        raise NotFoundError(_("There is no such request of yours."), job=job_id)
    if mine[0].state not in ("open", "withdrawn"):
        raise WrongStateError(_("This request was decided already."), refund=mine[0].id, state=mine[0].state)
    if mine[0].state == "open":
        mine[0].state, mine[0].decided_at = "withdrawn", now
        session.flush()
    return mine[0]


def approve(
    session: Session,
    *,
    refund_id: int,
    amount: int | None,
    answer: str,
    by: Actor,
    now: datetime,
    within: Allowance | None = None,
) -> Refund:
    """Give back what an open request asks for: the whole charge for None, or `amount` millionths of it.

    `within`: the helper who decides, and what they may in a day; this must run in `app.db.writing` then. Raises
    NotFoundError, NotAllowedError, InvalidInputError (more than was charged), WrongStateError when it was decided or
    withdrawn meanwhile, DailyLimitError.
    """
    refund = _open(session, refund_id, by)
    job = _job(session, refund.job_id)
    words = _text(answer)
    return _pay(session, refund=refund, job=job, amount=amount, words=words, by=by, now=now, within=within)


def refuse(session: Session, *, refund_id: int, answer: str, by: Actor, now: datetime) -> Refund:
    """Refuse an open request with words for who asked.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no words), WrongStateError.
    """
    refund = _open(session, refund_id, by)
    refund.answer = _text(answer, missing=rules.NO_ANSWER)
    refund.state, refund.decided_by, refund.decided_at = "refused", by.signature, now
    session.flush()
    return refund


def give(session: Session, *, job_id: int, amount: int | None, reason: str, by: Actor, now: datetime) -> Refund:
    """Give the charge of a job back unasked, whole or `amount` millionths; an open request is answered by it.

    Raises NotAllowedError for who is no administrator, and what `approve` raises.
    """
    if not by.may("admin"):
        raise NotAllowedError(_("Only administrators refund what nobody asked for."))
    job = _job(session, job_id)
    reason = _text(reason, missing=rules.NO_REASON)
    waiting = [refund for refund in of_job(session, job_id=job_id) if refund.state == "open"]
    refund = waiting[0] if waiting else Refund(job_id=job_id, user_id=job.user_id, asked=False, created_at=now)
    refund.reason = refund.reason or reason
    words = reason if waiting else ""
    return _pay(session, refund=refund, job=job, amount=amount, words=words, by=by, now=now, within=None)


def get(session: Session, *, refund_id: int) -> Refund:
    """Return one refund. Raises NotFoundError."""
    refund = session.get(Refund, refund_id)
    if refund is None:
        raise NotFoundError(_("There is no such request."), refund=refund_id)
    return refund


def of_job(session: Session, *, job_id: int) -> list[Refund]:
    """Return what was asked for and decided about a job, newest first."""
    return list(session.scalars(select(Refund).where(Refund.job_id == job_id).order_by(Refund.id.desc())))


def list_open(session: Session, *, after: int, limit: int) -> list[Row]:
    """Return open requests, oldest first, after the request `after`."""
    query = _rows().where(Refund.state == "open", Refund.id > after).order_by(Refund.id).limit(limit)
    return _with_charges(session, query)


def list_decided(session: Session, *, before: int | None, limit: int) -> list[Row]:
    """Return what was approved or refused, newest decision first, before the refund `before`."""
    query = _rows().where(Refund.state.in_(("approved", "refused")))
    edge = session.get(Refund, before) if before is not None else None
    if edge is not None and edge.decided_at is not None:
        same = and_(Refund.decided_at == edge.decided_at, Refund.id < edge.id)
        query = query.where(Refund.decided_at <= edge.decided_at, or_(Refund.decided_at < edge.decided_at, same))
    return _with_charges(session, query.order_by(Refund.decided_at.desc(), Refund.id.desc()).limit(limit))


def count_open(session: Session) -> int:
    """Return how many requests wait for somebody."""
    return int(session.scalar(select(func.count()).select_from(Refund).where(Refund.state == "open")) or 0)


def _pay(
    session: Session,
    *,
    refund: Refund,
    job: PrintJob,
    amount: int | None,
    words: str,
    by: Actor,
    now: datetime,
    within: Allowance | None,
) -> Refund:
    charged = _refundable(session, job)
    amount = charged.amount if amount is None else amount
    try:
        parts = rules.split([charge.amount for charge in charged.charges], amount)
    except ValueError:
        problem = _("Give back more than 0, and at most what was charged")
        raise InvalidInputError(problem, fields={"amount": problem}) from None
    first = next(charge for charge, part in zip(charged.charges, parts, strict=True) if part)
    key = f"refund:{first.entry_id}"
    if within is not None:
        key = helped_by(within.helper_id) + key
        account = session.get_one(Account, first.account_id)
        check_helper(session, account=account, amount=amount, key=key, within=within)
    with speaking(by.language):
        title = _("Refund: %(title)s", title=titles.in_books(job.title))
        detail = _("%(reason)s, by %(name)s", reason=words or refund.reason, name=by.signature)
    for number, (charge, part) in enumerate(zip(charged.charges, parts, strict=True)):
        if part:
            ledger.reverse(
                session,
                entry_id=charge.entry_id,
                part=part,
                key=key if charge is first else f"{key}:{number}",
                now=now,
                title=title,
                detail=detail,
            )
    refund.state, refund.amount, refund.answer = "approved", amount, words
    refund.decided_by, refund.decided_at = by.signature, now
    session.add(refund)
    session.flush()
    return refund


def _refundable(session: Session, job: PrintJob) -> Charged:
    """What may be given back for a job. Raises WrongStateError for nothing, and for what was given back already."""
    charged = charges.of_job(session, job=job)
    if charged.is_given_back:
        raise WrongStateError(_("This job was refunded already. A job is refunded once."), job=job.id)
    if job.state != "printed" or charged.amount <= 0:
        raise WrongStateError(_("Nothing was charged for this job, so there is nothing to give back."), job=job.id)
    return charged


def _job(session: Session, job_id: int) -> PrintJob:
    """The job, locked: whoever decides over its refund at this moment waits, and then finds it decided."""
    job = session.get(PrintJob, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise NotFoundError(_("There is no such job."), job=job_id)
    return job


def _open(session: Session, refund_id: int, by: Actor) -> Refund:
    if not by.may("helper"):
        raise NotAllowedError(_("Helpers and administrators decide over refunds."))
    _job(session, get(session, refund_id=refund_id).job_id)  # jobs first, as everywhere
    refund = session.get_one(Refund, refund_id, with_for_update=True, populate_existing=True)
    if refund.state != "open":
        raise WrongStateError(_decided(refund), refund=refund_id, state=refund.state)
    if refund.user_id == by.user_id and not by.may("admin"):
        raise NotAllowedError(_("Somebody else has to decide over your own request."))
    return refund


def _decided(refund: Refund) -> str:
    if refund.state == "approved":
        return _("This request was approved already by %(name)s.", name=refund.decided_by)
    if refund.state == "refused":
        return _("This request was refused already by %(name)s.", name=refund.decided_by)
    return _("This request was withdrawn already.")


def _text(typed: str, *, missing: str = "") -> str:
    problem = rules.problem_of_text(typed, missing=missing)
    if problem:
        raise InvalidInputError(problem, fields={"text": problem})
    return typed.strip()


def _rows() -> Select[Refund, PrintJob, User]:
    return (
        select(Refund, PrintJob, User)
        .join(PrintJob, PrintJob.id == Refund.job_id)
        .outerjoin(User, User.id == Refund.user_id)
        .options(lazyload(User.groups))
    )


def _with_charges(session: Session, query: Select[Refund, PrintJob, User]) -> list[Row]:
    found = session.execute(query).all()
    charged = charges.of_jobs(session, jobs=[job for _, job, _ in found])
    return [Row(refund, job, user, charged[job.id]) for refund, job, user in found]
