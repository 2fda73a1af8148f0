"""Taking back what a run credited: every entry of it that still stands is reversed, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from app.errors import NotFoundError, WrongStateError
from app.ledger import rules as ledger_rules
from app.ledger.bulk import reverse_many
from app.ledger.models import Account, Entry
from app.schedules.models import Run, RunEvent
from app.schedules.runs import CHUNK
from language import _

ENDED: Final = ("done", "cancelled")


@dataclass(frozen=True)
class Reversible:
    """What taking a run back would do now: `count` entries still stand, `total` millionths in all, as credited.

    `spent` people have less than they got: their purses go below zero by it.
    """

    count: int
    total: int
    spent: int


def look_at(session: Session, *, run: Run) -> Reversible:
    """Count what taking a run back would do now; nothing is changed."""
    reversal = aliased(Entry)
    prefix = run.key_prefix
    row = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(Entry.amount), 0),
            func.count().filter(Account.balance < Entry.amount, Entry.amount > 0),
        )
        .join_from(Entry, Account, Account.id == Entry.account_id)
        .where(Entry.key >= prefix, Entry.key < ledger_rules.prefix_end(prefix))
        .where(~exists().where(reversal.reverses_id == Entry.id))
    ).one()
    return Reversible(row[0], int(row[1]), row[2])


def begin(session: Session, *, run_id: int, by: str, now: datetime) -> Run:
    """Have everything taken back that a run credited. Doing it again changes nothing.

    Raises NotFoundError, WrongStateError while the run is at work, or when it credited nobody.
    """
    run = _locked(session, run_id)
    if run.state in ("reversing", "reversed"):
        return run
    if run.state not in ENDED:
        raise WrongStateError(_("This run is still at work. Cancel it before you take back what it credited."))
    if not run.credited:
        raise WrongStateError(_("This run credited nobody: there is nothing to take back."))
    run.state, run.heartbeat_at, run.error = "reversing", None, ""
    session.add(RunEvent(run_id=run_id, at=now, what="reversed", by=by, considered=run.considered))
    session.flush()
    return run


def reverse_chunk(session: Session, *, run_id: int, now: datetime, chunk: int = CHUNK) -> bool:
    """Reverse up to `chunk` entries of a run that is being taken back; True while there is more to do.

    The place moves in the transaction that reverses, under the run's lock: two workers take turns, and a worker that
    dies takes nothing with it. Reversals are measured: a purse may go below zero by them. Raises NotFoundError.
    """
    run = _locked(session, run_id)
    if run.state != "reversing":
        return False
    done = reverse_many(
        session,
        key_prefix=run.key_prefix,
        after_key=run.reversed_key,
        limit=chunk,
        reversal_prefix="reversal:",
        now=now,
        title=_("Taken back: %(name)s", name=run.title),
    )
    run.reversed_count += done.count
    run.reversed_total -= done.total
    run.heartbeat_at, run.error = now, ""
    if done.last_key is None:
        run.state = "reversed"
    else:
        run.reversed_key = done.last_key
    session.flush()
    return done.last_key is not None


def _locked(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise NotFoundError(_("There is no such run."), run_id=run_id)
    return run
