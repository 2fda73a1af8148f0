"""Crediting a run, chunk by chunk. Whoever does it, however often, each user is credited once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.ledger.bulk import credit_many
from app.ledger.models import Account
from app.schedules.models import Run, RunGroup
from app.schedules.service import accounts_of

CHUNK = 1000
STALE_AFTER = timedelta(seconds=15)
"""A running run whose last chunk is older than this lost its worker and is given to another."""

ERROR_LENGTH_MAX = 500

log = logging.getLogger(__name__)


def credit_chunk(session: Session, *, run_id: int, now: datetime, chunk: int = CHUNK) -> bool:
    """Credit the next `chunk` users of a run; True while there is more to do.

    The cursor moves in the transaction that credits, by a conditional UPDATE: two workers on one run cannot both take
    a chunk, and a worker that dies takes nothing with it. Raises NotFoundError.
    """
    run = session.get(Run, run_id)
    if run is None:
        raise NotFoundError("There is no such run.", run_id=run_id)
    if run.state == "done":
        return False
    group_ids = session.scalars(select(RunGroup.group_id).where(RunGroup.run_id == run_id)).all()
    rows = session.execute(
        accounts_of(everyone=run.everyone, group_ids=group_ids)
        .add_columns(Account.user_id)
        .where(Account.user_id > run.cursor)
        .order_by(Account.user_id)
        .limit(chunk)
    ).all()
    before = run.cursor
    taken = session.execute(
        update(Run)
        .where(Run.id == run_id, Run.cursor == before, Run.state != "done")
        .values(
            cursor=rows[-1][1] if rows else before,
            state="running" if len(rows) == chunk else "done",
            heartbeat_at=now,
            error="",
            finished_at=None if len(rows) == chunk else now,
        )
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        return True  # another worker took this chunk; look again
    if rows:
        done = credit_many(
            session,
            account_ids=[row[0] for row in rows],
            amount=run.amount,
            top_up=run.top_up,
            cap=run.cap,
            key_prefix=f"allocation:{run.schedule_id}:{run.occurrence}:",
            now=now,
            at=now,
            title=run.title,
        )
        session.execute(
            update(Run)
            .where(Run.id == run_id)
            .values(
                considered=Run.considered + done.considered,
                credited=Run.credited + done.count,
                total=Run.total + done.total,
            )
            .execution_options(synchronize_session=False)
        )
    session.expire(run)
    return len(rows) == chunk


def unfinished(session: Session, *, now: datetime) -> list[int]:
    """Return the runs that nobody works on: never begun, or silent for longer than a chunk can take."""
    return list(
        session.scalars(
            select(Run.id)
            .where(
                Run.state != "done",
                or_(
                    Run.heartbeat_at.is_(None),
                    Run.heartbeat_at < now - STALE_AFTER,
                    Run.heartbeat_at > now + STALE_AFTER,  # the clock was set back
                ),
            )
            .order_by(Run.due_at, Run.id)
        )
    )


def note_asked(session: Session, *, run_ids: Sequence[int], now: datetime) -> None:
    """Note that a worker was asked for these runs, so that they are not asked for again at every tick."""
    session.execute(
        update(Run).where(Run.id.in_(run_ids)).values(heartbeat_at=now).execution_options(synchronize_session=False)
    )


def note_error(session: Session, *, run_id: int, error: str) -> None:
    """Keep what stopped a run, for its page; the run stays unfinished and is asked for again when it falls silent."""
    session.execute(
        update(Run)
        .where(Run.id == run_id, Run.state != "done")
        .values(error=error[:ERROR_LENGTH_MAX])
        .execution_options(synchronize_session=False)
    )
