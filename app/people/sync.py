"""A pass over the directory from its making to its end: one at a time, taken over when its worker falls silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError, WrongStateError
from app.people import sync_compare, sync_staging
from app.people.sync_models import SYNC_CHANGES, DirectoryPlace, DirectorySync
from language import N_, _

STALE_AFTER: Final = timedelta(minutes=1)
"""A pass that gave no sign of life for so long lost its worker; another may go on with it."""

ASKED_AGAIN: Final = timedelta(seconds=15)
"""A pass that nobody has begun is asked for again after this."""

FULL_EVERY: Final = timedelta(days=1)
FULL_AGAIN: Final = timedelta(hours=1)
"""After a full pass that failed the next one comes sooner."""

AT_WORK: Final = ("reading", "applying")
BUSY: Final = {"full": 1, "preview": 1, "changes": 2}
"""One pass of each number works at a time."""

CHANGES: Final = "changes"
"""The place in the directory where the changes begin that were not read yet."""

CHANGES_KEPT: Final = timedelta(days=90)
MESSAGE_LENGTH_MAX: Final = 500

LOST_WORKER: Final = N_("It lost its worker")
REPLACED: Final = N_("A later pass took its place")
"""Messages are kept as they stand here, and translated where they are shown."""


class LostError(Exception):
    """The pass is somebody else's by now, or was cancelled: whoever worked on it stops and changes nothing more."""


def begin(session: Session, *, kind: str, asked_by: str, now: datetime) -> DirectorySync:
    """Make a pass, to be worked on by whoever takes it; "full", "preview" or "changes".

    One of the same number that lost its worker is ended as failed. Raises WrongStateError while one is at work.
    """
    lost = select(DirectorySync).where(DirectorySync.busy == BUSY[kind], _silent(now, STALE_AFTER))
    for sync in session.scalars(lost):
        end(session, sync=sync, state="failed", now=now, message=LOST_WORKER)
    if session.scalar(select(DirectorySync.id).where(DirectorySync.busy == BUSY[kind])) is not None:
        raise WrongStateError(_("The people are being read already. Wait until that has ended."))
    made = DirectorySync(
        kind=kind, state="reading", busy=BUSY[kind], asked_by=asked_by, started_at=now, alive_at=now, holder=""
    )
    session.add(made)
    session.flush()
    return made


def take(session: Session, *, sync_id: int, holder: str, now: datetime) -> DirectorySync | None:
    """Return a pass that has work left and nobody who does it, now held by `holder`; None for any other.

    What was read is read anew, since the directory may have changed; what is being applied goes on where it stopped.
    """
    taken = session.execute(
        update(DirectorySync)
        .where(
            DirectorySync.id == sync_id,
            DirectorySync.state.in_(AT_WORK),
            or_(DirectorySync.holder == "", _silent(now, STALE_AFTER)),
        )
        .values(holder=holder, alive_at=now)
        .returning(DirectorySync.id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        return None
    sync = session.get_one(DirectorySync, sync_id, populate_existing=True)
    if sync.state == "reading":
        _forget(session, sync_id)
        sync.read, sync.started_at = 0, now
    session.flush()
    return sync


def hold(session: Session, *, sync_id: int, holder: str, now: datetime) -> DirectorySync:
    """Return the pass, locked, with a sign of life. Raises LostError when it is not `holder`'s any more."""
    mine = session.execute(
        update(DirectorySync)
        .where(DirectorySync.id == sync_id, DirectorySync.holder == holder, DirectorySync.state.in_(AT_WORK))
        .values(alive_at=now)
        .returning(DirectorySync.id)
        .execution_options(synchronize_session=False)
    ).first()
    if mine is None:
        raise LostError
    return session.get_one(DirectorySync, sync_id, populate_existing=True)


def decide(session: Session, *, sync: DirectorySync, leavers: int, now: datetime) -> None:
    """Say what comes after comparing: nothing for a preview, a yes to wait for, or applying.

    What an earlier pass waits to apply is discarded: this one knows better.
    """
    if sync.kind == "preview":
        end(session, sync=sync, state="done", now=now)
        return
    if sync.kind == "full":
        for older in session.scalars(select(DirectorySync).where(DirectorySync.state == "waiting")):
            end(session, sync=older, state="discarded", now=now)
            older.message = REPLACED
    if sync_compare.wants_yes(sync, leavers=leavers):
        sync.state, sync.busy, sync.holder = "waiting", None, ""
    else:
        sync.state = "applying"
    session.flush()


def end(session: Session, *, sync: DirectorySync, state: str, now: datetime, message: str = "") -> None:
    """End a pass and forget what it read; what it changed, or would have, is kept.

    A full pass that is done leaves behind where the directory's changes begin, unless a later place is known.
    """
    sync.state, sync.busy, sync.holder, sync.ended_at = state, None, "", now
    sync.message = message[:MESSAGE_LENGTH_MAX]
    sync_staging.forget(session, sync_id=sync.id)
    if state == "done" and sync.kind == "full" and sync.place is not None:
        known = session.get(DirectoryPlace, CHANGES)
        if known is None:
            session.add(DirectoryPlace(name=CHANGES, place=sync.place, updated_at=now))
        elif known.updated_at < sync.started_at:
            known.place, known.updated_at = sync.place, now
    session.flush()


def drop_idle(session: Session, *, sync_id: int) -> bool:
    """Delete a pass that is done and had nothing to apply; True when it had."""
    sync = get(session, sync_id=sync_id)
    if sync.state != "done" or sync.applied:
        return bool(sync.applied)
    session.execute(delete(SYNC_CHANGES).where(SYNC_CHANGES.c.sync_id == sync_id))
    session.delete(sync)
    return False


def approve(session: Session, *, sync_id: int, by: str, now: datetime) -> DirectorySync:
    """Have a waiting pass applied, just as it stands. Doing it again changes nothing.

    Raises NotFoundError, WrongStateError for one that does not wait, or while another is at work.
    """
    sync = get(session, sync_id=sync_id, lock=True)
    if sync.state in ("applying", "done") and sync.decided_by:
        return sync
    if sync.state != "waiting":
        raise WrongStateError(_("This pass does not wait for an answer any more."))
    if session.scalar(select(DirectorySync.id).where(DirectorySync.busy == BUSY[sync.kind])) is not None:
        raise WrongStateError(_("The people are being read again at this moment. Wait until that has ended."))
    sync.state, sync.busy, sync.holder, sync.alive_at = "applying", BUSY[sync.kind], "", now
    sync.decided_by, sync.decided_at = by, now
    session.flush()
    return sync


def discard(session: Session, *, sync_id: int, by: str, now: datetime) -> DirectorySync:
    """Let a waiting pass change nothing. Doing it again changes nothing. Raises NotFoundError, WrongStateError."""
    sync = get(session, sync_id=sync_id, lock=True)
    if sync.state == "discarded":
        return sync
    if sync.state != "waiting":
        raise WrongStateError(_("This pass does not wait for an answer any more."))
    end(session, sync=sync, state="discarded", now=now)
    sync.decided_by, sync.decided_at = by, now
    session.flush()
    return sync


def cancel(session: Session, *, sync_id: int, by: str, now: datetime) -> DirectorySync:
    """Stop a pass at its next page or chunk; what it has changed by then stays. Doing it again changes nothing.

    Raises NotFoundError, WrongStateError for one that has come to its end.
    """
    sync = get(session, sync_id=sync_id, lock=True)
    if sync.state == "cancelled":
        return sync
    if sync.state not in AT_WORK:
        raise WrongStateError(_("This pass has come to its end already: there is nothing left to cancel."))
    end(session, sync=sync, state="cancelled", now=now)
    sync.decided_by, sync.decided_at = by, now
    session.flush()
    return sync


def get(session: Session, *, sync_id: int, lock: bool = False) -> DirectorySync:
    """Return a pass. Raises NotFoundError."""
    sync = session.get(DirectorySync, sync_id, with_for_update=lock or None, populate_existing=lock)
    if sync is None:
        raise NotFoundError(_("There is no such pass."), sync_id=sync_id)
    return sync


def full_due(session: Session, *, now: datetime) -> bool:
    """Whether a full pass is due: none was made yet, or the last began a day ago, or an hour ago and failed."""
    last = session.execute(
        select(DirectorySync.started_at, DirectorySync.state)
        .where(DirectorySync.kind == "full")
        .order_by(DirectorySync.id.desc())
        .limit(1)
    ).first()
    if last is None:
        return True
    started_at, state = last
    if state in AT_WORK:
        return False
    return bool(started_at + (FULL_AGAIN if state == "failed" else FULL_EVERY) <= now)


def unattended(session: Session, *, now: datetime) -> list[int]:
    """Return the full passes and previews with work left that nobody does: not begun, or silent for too long."""
    not_begun = (DirectorySync.holder == "") & _silent(now, ASKED_AGAIN)
    return list(
        session.scalars(
            select(DirectorySync.id)
            .where(DirectorySync.busy == BUSY["full"], or_(not_begun, _silent(now, STALE_AFTER)))
            .order_by(DirectorySync.id)
        )
    )


def note_asked(session: Session, *, sync_ids: Sequence[int], now: datetime) -> None:
    """Note that a worker was asked for these passes, so that they are not asked for again at every tick."""
    session.execute(
        update(DirectorySync)
        .where(DirectorySync.id.in_(sync_ids))
        .values(holder="", alive_at=now)
        .execution_options(synchronize_session=False)
    )


def forget_old(session: Session, *, now: datetime) -> None:
    """Delete what passes changed, person by person, once that is old; the passes with their figures stay."""
    old = select(DirectorySync.id).where(DirectorySync.ended_at < now - CHANGES_KEPT)
    session.execute(delete(SYNC_CHANGES).where(SYNC_CHANGES.c.sync_id.in_(old)))


def newest(session: Session, *, kind: str = "full") -> DirectorySync | None:
    """Return the newest pass of a kind."""
    newest_id = select(func.max(DirectorySync.id)).where(DirectorySync.kind == kind).scalar_subquery()
    return session.scalar(select(DirectorySync).where(DirectorySync.id == newest_id))


def _forget(session: Session, sync_id: int) -> None:
    sync_staging.forget(session, sync_id=sync_id)
    session.execute(delete(SYNC_CHANGES).where(SYNC_CHANGES.c.sync_id == sync_id))


def _silent(now: datetime, limit: timedelta) -> ColumnElement[bool]:
    """Nobody gave a sign of life for so long, or only one from the time before the clock was set back."""
    return or_(DirectorySync.alive_at < now - limit, DirectorySync.alive_at > now + limit)
