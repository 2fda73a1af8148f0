"""The jobs of people: bring them up to date with the directory, and forget what has no use any more."""

from __future__ import annotations

import logging

from flask import current_app
from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.people import local, rules, sync, sync_watch, sync_work, throttle
from app.people.models import EnterCode, LoginSession
from app.settings import settings_of_app
from directory.interface import DirectoryError

log = logging.getLogger(__name__)


def sync_people(sync_id: int) -> bool:
    """Go on with a pass over the directory to its end, or until it waits for an administrator."""
    roster, settings = current_app.extensions["twinpurse.roster"], settings_of_app().config.directory
    return sync_work.work(sync_id, roster=roster, settings=settings)


def sync_changes() -> bool:
    """Apply what changed in the directory since the last time, and who of those present is not there any more.

    Guests whose time is over go at the same time: neither is to print or browse on.
    """
    now = clock.now()
    if local.has_expired(reading(), now=now):
        writing(lambda session: local.end_expired(session, now=now))
    roster, settings = current_app.extensions["twinpurse.roster"], settings_of_app().config.directory
    try:
        return sync_watch.look(roster=roster, settings=settings)
    except DirectoryError as exc:
        log.warning("the directory was not asked for changes: %s", exc)
        return False


def forget_old() -> None:
    """Delete sessions, codes and tries that no longer count."""
    now = clock.now()

    def forget(session: Session) -> None:
        over = or_(LoginSession.ended_at.is_not(None), LoginSession.created_at < now - rules.ABSOLUTE)
        session.execute(delete(LoginSession).where(over))
        session.execute(delete(EnterCode).where(EnterCode.expires_at < now))
        throttle.forget_old(session, now=now)
        sync.forget_old(session, now=now)

    writing(forget)
