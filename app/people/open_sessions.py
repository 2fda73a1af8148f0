"""The sessions of a person that are open: listed, and ended one by one; service.end_access ends all."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.people import rules
from app.people.models import LoginSession
from language import _

SHOWN_MAX: Final = 100


def list_open(session: Session, *, user_id: int, now: datetime) -> list[LoginSession]:
    """Return the sessions that still count, the one that was used last first; at most a hundred."""
    rows = session.scalars(
        select(LoginSession)
        .where(
            LoginSession.user_id == user_id,
            LoginSession.ended_at.is_(None),
            LoginSession.seen_at > now - rules.IDLE,
            LoginSession.created_at > now - rules.ABSOLUTE,
        )
        .order_by(LoginSession.seen_at.desc(), LoginSession.id.desc())
        .limit(SHOWN_MAX)
    )
    return list(rows)


def end_one(session: Session, *, user_id: int, session_id: int, now: datetime) -> None:
    """End one session of this person, here and in every copy of its cookie. Raises NotFoundError."""
    ended = session.execute(
        update(LoginSession)
        .where(LoginSession.id == session_id, LoginSession.user_id == user_id)
        .values(ended_at=now)
        .returning(LoginSession.id)
        .execution_options(synchronize_session=False)
    ).first()
    if ended is None:
        raise NotFoundError(_("You have no such session."))


def end_token(session: Session, *, token_hash: str, now: datetime) -> None:
    """End the session that a browser holds the token of."""
    session.execute(
        update(LoginSession)
        .where(LoginSession.token_hash == token_hash, LoginSession.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
