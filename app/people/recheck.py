"""Whether the person of an open session may still be here: the directory is asked again after a quarter of an hour."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from flask import current_app
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import reading, writing
from app.errors import NotAllowedError, UnavailableError
from app.people import credentials, local, service
from app.people.models import LocalPassword, User
from directory.interface import DirectoryError, Person
from directory.presence import ASK_AGAIN_AFTER, REST_S, look_for

_RESTS_UNTIL: Final = "twinpurse.recheck_rests_until"


def still_welcome(user: User, now: datetime) -> User | None:
    """Return who an open session belongs to, with the rights that the directory gives them; None when it has to end.

    Who is disabled or gone in the directory is signed out everywhere. A directory that gives no answer leaves everybody
    as they are.
    """
    if not user.is_active:
        return None
    if user.origin == local.ORIGIN:
        password = reading().get(LocalPassword, user.id)
        welcome = password is not None and local.LocalPerson(user, password).may_sign_in(now)
        return user if welcome else None
    resting = time.monotonic() < current_app.extensions.get(_RESTS_UNTIL, 0.0)
    if resting or now - user.refreshed_at < ASK_AGAIN_AFTER:
        return user
    try:
        directory, roster = credentials.directory_of_app(), current_app.extensions.get("twinpurse.roster")
        is_there, person = look_for(directory, roster, user.username, user.directory_id)
    except (DirectoryError, TimeoutError) as exc:
        current_app.extensions[_RESTS_UNTIL] = time.monotonic() + REST_S
        current_app.logger.warning("sessions go on unasked: the directory does not answer: %s", exc)
        return user
    return _keep(user, is_there, person, now)


def _keep(user: User, is_there: bool, person: Person | None, now: datetime) -> User | None:
    """Keep the answer. What cannot be written now does not change what it says."""
    user_id = user.id

    def keep(session: Session) -> User | None:
        kept = user if person is None else credentials.remember(session, person)
        if person is None:
            session.execute(update(User).where(User.id == user_id).values(refreshed_at=now))
        if is_there and kept.is_active:
            return kept
        service.end_access(session, user_ids=[user_id], now=now)
        return None

    try:
        return writing(keep, patient=False)
    except (UnavailableError, NotAllowedError, SQLAlchemyError):
        current_app.logger.warning("what the directory says of somebody could not be kept now")
        return user if is_there else None
