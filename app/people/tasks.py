"""The job of people: forget what has no use any more."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from app import clock
from app.db import writing
from app.people import rules
from app.people.models import EnterCode, LoginSession, SignInFailure
from directory.throttle import FORGET_AFTER_S


def forget_old() -> None:
    """Delete sessions and enter codes that have ended, and failed sign-ins that no longer count."""
    now = clock.now()

    def forget(session: Session) -> None:
        over = or_(LoginSession.ended_at.is_not(None), LoginSession.created_at < now - rules.ABSOLUTE)
        session.execute(delete(LoginSession).where(over))
        session.execute(delete(EnterCode).where(EnterCode.expires_at < now))
        counted_until = now - timedelta(seconds=FORGET_AFTER_S)
        session.execute(delete(SignInFailure).where(SignInFailure.last_at < counted_until))

    writing(forget)
