"""Ending sessions: which run now, which a NAS must be told to end, and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.internet import rates
from app.ledger.models import Account
from app.people.models import User
from app.radius import rules
from app.radius.models import RadiusSession
from app.settings import Settings
from language import _

R = RadiusSession

SILENT_AFTER = timedelta(hours=24)
"""A session that nothing was heard of for so long is not shown as running: its NAS may be gone."""
ASK_MAX = 200
"""Sessions that the edge is told of at once."""


@dataclass(frozen=True)
class Running:
    """A session that runs. Bytes since it began; `user` is None for a name that nobody has."""

    row: RadiusSession
    user: User | None

    @property
    def is_ending(self) -> bool:
        """Whether an administrator asked for its end."""
        return self.row.end_asked_at is not None


def list_sessions(session: Session, *, now: datetime, user_id: int | None = None) -> list[Running]:
    """Return the sessions that run, of everybody or of one person, who used most first."""
    query = select(R, User).outerjoin(User, User.id == R.user_id).where(R.ended_at.is_(None))
    query = query.where(R.seen_at > now - SILENT_AFTER)
    if user_id is not None:
        query = query.where(R.user_id == user_id)
    return [Running(row, user) for row, user in session.execute(query.order_by((R.upload + R.download).desc(), R.id))]


def ask_to_end(session: Session, *, row_id: int, by: str, now: datetime) -> RadiusSession:
    """Note that an administrator wants a session ended; the NAS is told soon. Raises NotFoundError.

    One that has ended meanwhile stays as it is.
    """
    row = session.get(R, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(_("There is no such session."), session_id=row_id)
    if row.ended_at is None and row.end_asked_at is None:
        row.end_asked_at, row.end_asked_by = now, by[:256]
    return row


def to_end(session: Session, *, settings: Settings, now: datetime) -> Sequence[RadiusSession]:
    """Return the sessions that their NAS must be told to end, those that were tried least first.

    These are the ones that an administrator wants ended, and, where use is refused and open connections are ended, the
    ones of people who have nothing left or are not active any more.
    """
    query = select(R).where(R.ended_at.is_(None), R.seen_at > now - SILENT_AFTER)
    query = query.outerjoin(User, User.id == R.user_id).outerjoin(Account, Account.user_id == R.user_id)
    wanted: list[ColumnElement[bool]] = [R.end_asked_at.is_not(None)]
    at_empty, running = rates.policies(session)
    if settings.enforces:
        wanted.append(User.status != "active")
    if settings.enforces and (at_empty, running) == ("stop", "end"):
        wanted.append(and_(Account.floor.is_not(None), Account.balance - Account.reserved <= Account.floor))
    return session.scalars(query.where(or_(*wanted)).order_by(R.disconnect_tries, R.id).limit(ASK_MAX)).all()


def note_answer(session: Session, *, row_id: int, ended: bool, note: str, now: datetime) -> None:
    """Keep what a NAS answered: that the session is over, or why it is not. Raises NotFoundError.

    A Stop that comes later still counts; an Interim shows that the session goes on after all, and it is ended again.
    """
    row = session.get(R, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(_("There is no such session."), session_id=row_id)
    if row.ended_at is not None:
        return
    row.disconnect_tries += 1
    row.disconnect_note = "" if ended else note[:200]
    if ended:
        row.ended_at, row.end_cause = now, rules.DISCONNECTED
        row.end_asked_at, row.end_asked_by = None, ""
        row.station = row.address = ""


def forget_ended(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Delete what ended before a time; what it cost stays in the books. Return how many rows that were."""
    old = session.scalars(select(R).where(R.ended_at < before).order_by(R.id).limit(limit)).all()
    for row in old:
        session.delete(row)
    session.flush()
    return len(old)
