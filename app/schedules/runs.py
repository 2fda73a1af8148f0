"""A run from its making to its end. Whoever credits it, chunk by chunk, however often: each user is credited once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError, WrongStateError
from app.ledger.bulk import credit_many
from app.ledger.models import Account
from app.schedules import reach
from app.schedules.models import Run, RunEvent, RunGroup, Schedule
from language import _

CHUNK = 50_000
"""People a transaction: large enough that one statement does much, small enough that a charge waits for it briefly."""

STALE_AFTER = timedelta(seconds=15)
"""A running run whose last chunk is older than this lost its worker and is given to another."""

TO_CREDIT: Final = ("waiting", "running")
AT_WORK: Final = (*TO_CREDIT, "reversing")
ERROR_LENGTH_MAX = 500


def make(
    session: Session, *, schedule: Schedule, identity: str, due_at: datetime, now: datetime, asked_by: str = ""
) -> Run | None:
    """Make the run of one occurrence with a copy of the schedule's terms; None when there is one of that `identity`."""
    twin = select(Run.id).where(Run.schedule_id == schedule.id, Run.occurrence == identity)
    if session.scalar(twin) is not None:
        return None
    run = Run(
        schedule_id=schedule.id,
        occurrence=identity,
        due_at=due_at,
        title=schedule.name,
        amount=schedule.amount,
        top_up=schedule.top_up,
        cap=schedule.cap,
        everyone=schedule.everyone,
        asked_by=asked_by,
        created_at=now,
    )
    session.add(run)
    session.flush()
    session.add_all(RunGroup(run_id=run.id, group_id=group.id) for group in schedule.groups)
    return run


def run_now(session: Session, *, schedule_id: int, form_id: str, by: str, now: datetime) -> Run:
    """Make a run of a schedule at once, paused or not; when its occurrences fall due stays as it was.

    `form_id` is what the form carried: sending it twice makes one run and returns the first. `by` is named on the
    run's page. Raises NotFoundError for a schedule that is deleted, WrongStateError for one that is for new people:
    who is known already does not get that.
    """
    # Locked, so that a run and an edit at the same time do not mix two sets of terms.
    schedule = session.get(Schedule, schedule_id, with_for_update=True, populate_existing=True)
    if schedule is None or schedule.deleted_at is not None:
        raise NotFoundError(_("There is no such schedule."), schedule_id=schedule_id)
    check_has_runs(schedule)
    identity = f"now:{form_id}"
    run = make(session, schedule=schedule, identity=identity, due_at=now, now=now, asked_by=by)
    if run is None:
        run = session.scalars(select(Run).where(Run.schedule_id == schedule_id, Run.occurrence == identity)).one()
    session.flush()
    return run


def check_has_runs(schedule: Schedule) -> None:
    """Raise WrongStateError for a schedule that is for new people: who is known already does not get that."""
    if schedule.period == "first_seen":
        raise WrongStateError(_("This schedule is for people who are first seen here: it has no runs."))


def credit_chunk(session: Session, *, run_id: int, now: datetime, chunk: int = CHUNK) -> bool:
    """Credit the next `chunk` users of a run; True while there is more to do.

    The cursor moves in the transaction that credits, by a conditional UPDATE: two workers on one run cannot both take
    a chunk, a worker that dies takes nothing with it, and a run that was cancelled goes no further.
    Raises NotFoundError.
    """
    run = _get(session, run_id)
    if run.state not in TO_CREDIT:
        return False
    credit, before = reach.credit_of_run(session, run=run), run.cursor
    last, size = _next_users(session, credit.reached, after=before, limit=chunk)
    more = size == chunk
    taken = session.execute(
        update(Run)
        .where(Run.id == run_id, Run.cursor == before, Run.state.in_(TO_CREDIT))
        .values(
            cursor=last,
            state="running" if more else "done",
            people=reach.count(session, reached=credit.reached) if run.people is None else run.people,
            started_at=run.started_at or now,
            heartbeat_at=now,
            error="",
            finished_at=None if more else now,
            considered=Run.considered + size,
        )
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        return True  # another worker took this chunk, or somebody cancelled the run; look again
    if size:
        _credit(session, run, (*credit.reached, Account.user_id > before, Account.user_id <= last), now)
    session.expire(run)
    return more


def cancel(session: Session, *, run_id: int, by: str, now: datetime) -> Run:
    """Let a run credit nobody further; who was credited keeps it. Doing it again changes nothing.

    A chunk that is being credited at this moment is waited for. Raises NotFoundError, WrongStateError for a run that
    has come to its end.
    """
    if _change_state(session, run_id, TO_CREDIT, "cancelled", heartbeat_at=None, error=""):
        return _note(session, run_id, "cancelled", by, now)
    run = _get(session, run_id)
    if run.state != "cancelled":
        raise WrongStateError(_("This run has come to its end already: there is nothing left to cancel."))
    return run


def resume(session: Session, *, run_id: int, by: str, now: datetime) -> Run:
    """Let a cancelled run go on where it stopped. Doing it again changes nothing.

    Raises NotFoundError, WrongStateError for a run that is neither cancelled nor at work.
    """
    if _change_state(session, run_id, ("cancelled",), "running", heartbeat_at=None):
        return _note(session, run_id, "resumed", by, now)
    run = _get(session, run_id)
    if run.state not in TO_CREDIT:
        raise WrongStateError(_("This run was not cancelled: there is nothing to go on with."))
    return run


def unfinished(session: Session, *, now: datetime) -> list[int]:
    """Return the runs with work left that nobody does: never begun, or silent for longer than a chunk can take."""
    return list(
        session.scalars(
            select(Run.id)
            .where(
                Run.state.in_(AT_WORK),
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
        .where(Run.id == run_id, Run.state.in_(AT_WORK))
        .values(error=error[:ERROR_LENGTH_MAX])
        .execution_options(synchronize_session=False)
    )


def _get(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFoundError(_("There is no such run."), run_id=run_id)
    return run


def _next_users(session: Session, reached: Sequence[ColumnElement[bool]], *, after: int, limit: int) -> tuple[int, int]:
    """Return the highest user id of the next `limit` users above `after`, and how many these are."""
    users = select(Account.user_id).where(*reached, Account.user_id > after).order_by(Account.user_id).limit(limit)
    found = users.subquery()
    last, size = session.execute(select(func.max(found.c.user_id), func.count()).select_from(found)).one()
    return (after if last is None else int(last)), int(size)


def _credit(session: Session, run: Run, where: Sequence[ColumnElement[bool]], now: datetime) -> None:
    done = credit_many(
        session,
        where=where,
        amount=run.amount,
        top_up=run.top_up,
        cap=run.cap,
        key_prefix=run.key_prefix,
        now=now,
        at=now,
        title=run.title,
    )
    session.execute(
        update(Run)
        .where(Run.id == run.id)
        .values(credited=Run.credited + done.count, total=Run.total + done.total)
        .execution_options(synchronize_session=False)
    )


def _change_state(session: Session, run_id: int, of: Sequence[str], to: str, **values: object) -> bool:
    changed = session.execute(
        update(Run)
        .where(Run.id == run_id, Run.state.in_(of))
        .values(state=to, **values)
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    ).first()
    return changed is not None


def _note(session: Session, run_id: int, what: str, by: str, now: datetime) -> Run:
    run = session.get_one(Run, run_id, populate_existing=True)
    session.add(RunEvent(run_id=run_id, at=now, what=what, by=by, considered=run.considered))
    session.flush()
    return run
