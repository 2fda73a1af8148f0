"""Names and passwords against the network's directory, with our own brake before it; and names without passwords."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import delete
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError, NotSignedInError, TooManyAttemptsError, UnavailableError
from app.people import service
from app.people.models import SignInFailure, User
from app.settings import settings_of_app
from directory.interface import (
    BadCredentialsError,
    Directory,
    DirectoryError,
    is_plausible_password,
    is_plausible_username,
)
from directory.throttle import FORGET_AFTER_S, delay_s, throttle_key

Tries = tuple[int, datetime] | None
"""(failures, when the last one was) of a name; None where nothing is counted."""
RENEW_AFTER = timedelta(minutes=15)
REFUSED = "That name and password do not match. Use the ones that you use to sign in to the network."


def check(*, username: str, password: str) -> int:
    """Return the user's id when the directory accepts the password; their record and groups are renewed by it.

    Each try is counted before the directory is asked, so that many at once are not free either, and taken back when
    it was right or not answered. Only names are counted: a whole school may come from one address. Raises
    NotSignedInError (one text for every cause), TooManyAttemptsError with `wait_s`, UnavailableError.
    """
    if not (is_plausible_username(username) and is_plausible_password(password)):
        raise NotSignedInError(REFUSED)
    now = clock.now()
    name = throttle_key(username)
    wait_s, before = writing(lambda session: _admit(session, name, now))
    if wait_s > 0:
        raise TooManyAttemptsError(f"Too many tries. Wait {_in_words(wait_s)}, then try again.", wait_s=wait_s)
    try:
        person = _directory().authenticate(username, password)
    except BadCredentialsError:
        raise NotSignedInError(REFUSED) from None
    except DirectoryError as exc:
        writing(lambda session: _take_back(session, name, before))
        current_app.logger.error("sign-in: the directory does not answer: %s", exc)
        raise UnavailableError("The network's directory does not answer. Nothing is lost; try again soon.") from exc

    def keep(session: Session) -> int:
        session.execute(delete(SignInFailure).where(SignInFailure.username == name))
        return service.remember(session, person=person, admin_groups=_admin_groups(), now=now).id

    return writing(keep)


def identify(username: str, directory_id: str | None = None) -> User:
    """Return the user of that name, asking the directory for one who is new here.

    `directory_id`: who the caller says it is; another person of the same name is not found. Raises NotFoundError,
    UnavailableError.
    """
    if not is_plausible_username(username):
        raise NotFoundError("Nobody has such a name.")
    user = service.find_user(reading(), username=username)
    if user is not None and directory_id in (None, user.directory_id):
        return user
    return _look_up(username, directory_id)


def renew(user: User) -> User:
    """Return the user with record, groups and rights as the directory has them; asked again after 15 minutes.

    Somebody who comes in by the portal never types a password here, so this is where their groups are renewed.
    Administrators are asked about each time. While the directory is away, what is known counts for everybody else.
    Raises NotFoundError for somebody who has left, UnavailableError for an administrator while it is away.
    """
    if not user.is_admin and clock.now() - user.refreshed_at < RENEW_AFTER:
        return user
    try:
        return _look_up(user.username, user.directory_id)
    except UnavailableError:
        if user.is_admin:
            raise
        return user


def _look_up(username: str, directory_id: str | None) -> User:
    try:
        person = _directory().find(username)
    except BadCredentialsError:
        person = None
    except DirectoryError as exc:
        raise UnavailableError("The network's directory does not answer.") from exc
    if person is None or directory_id not in (None, person.directory_id):
        raise NotFoundError("The network's directory knows nobody of this name.", username=username)
    found = person
    return writing(
        lambda session: service.remember(session, person=found, admin_groups=_admin_groups(), now=clock.now())
    )


def _directory() -> Directory:
    directory: Directory = current_app.extensions["twinpurse.directory"]
    return directory


def _admin_groups() -> list[str]:
    return settings_of_app().config.directory.admin_groups


def _admit(session: Session, name: str, now: datetime) -> tuple[int, Tries]:
    """Count a try; return (0, what stood there before), or count nothing and return the seconds to wait."""
    row = session.get(SignInFailure, name, with_for_update=True)
    if row is None:
        session.add(SignInFailure(username=name, failures=1, last_at=now))
        return 0, None
    before = (row.failures, row.last_at)
    age_s = (now - row.last_at).total_seconds()
    wait_s = max(0, math.ceil(delay_s(row.failures) - age_s))
    if wait_s == 0:
        row.failures = row.failures + 1 if age_s < FORGET_AFTER_S else 1
        row.last_at = now
    return wait_s, before


def _take_back(session: Session, name: str, before: Tries) -> None:
    """Put back what stood there before a try that the directory did not answer."""
    row = session.get(SignInFailure, name, with_for_update=True)
    if row is not None and before is None:
        session.delete(row)
    elif row is not None and before is not None:
        row.failures, row.last_at = before


def _in_words(wait_s: int) -> str:
    return f"{wait_s} seconds" if wait_s < 120 else f"about {math.ceil(wait_s / 60)} minutes"
