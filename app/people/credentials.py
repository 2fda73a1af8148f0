"""Names and passwords against the network's directory, with our own brake before it; and names without passwords."""

from __future__ import annotations

import math
from datetime import datetime

from flask import current_app
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError, NotSignedInError, TooManyAttemptsError, UnavailableError
from app.people import rules, service
from app.people.models import SignInFailure, User
from app.settings import settings_of_app
from directory.interface import (
    BadCredentialsError,
    Directory,
    DirectoryError,
    is_plausible_password,
    is_plausible_username,
)
from directory.throttle import FORGET_AFTER_S, delay_s

REFUSED = "That name and password do not match. Use the ones that you use to sign in to the network."
ADDRESS_FREE_FAILURES = 50
"""Many people share one address (a computer room behind a NAT), so an address is braked much later than a name."""
ADDRESS_WAIT_S = 60


def check(*, username: str, password: str, address: str) -> int:
    """Return the user's id when the directory accepts the password; their record and groups are renewed by it.

    Each try is counted before the directory is asked, so that many at once are not free either, and taken back when
    it was right or not answered. Raises NotSignedInError (one text for every cause), TooManyAttemptsError with
    `wait_s`, UnavailableError.
    """
    if not (is_plausible_username(username) and is_plausible_password(password)):
        raise NotSignedInError(REFUSED)
    now = clock.now()
    name, place = f"name:{rules.name_key(username)}", f"address:{address}"
    wait_s = writing(lambda session: _admit(session, (name, place), now))
    if wait_s > 0:
        raise TooManyAttemptsError(f"Too many tries. Wait {_in_words(wait_s)}, then try again.", wait_s=wait_s)
    try:
        person = _directory().authenticate(username, password)
    except BadCredentialsError:
        raise NotSignedInError(REFUSED) from None
    except DirectoryError as exc:
        writing(lambda session: _take_back(session, (name, place)))
        current_app.logger.error("sign-in: the directory does not answer: %s", exc)
        raise UnavailableError("The network's directory does not answer. Nothing is lost; try again soon.") from exc

    def keep(session: Session) -> int:
        session.execute(delete(SignInFailure).where(SignInFailure.subject.in_((name, place))))
        return service.remember(session, person=person, admin_groups=_admin_groups(), now=now).id

    return writing(keep)


def identify(username: str, directory_id: str | None = None) -> User:
    """Return the user of that name, asking the directory for one who is new here.

    `directory_id`: who the caller says it is; another person of the same name is not found. Raises NotFoundError,
    UnavailableError.
    """
    user = service.find_user(reading(), username=username)
    if user is not None and directory_id in (None, user.directory_id):
        return user
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


def _admit(session: Session, subjects: tuple[str, str], now: datetime) -> int:
    """Count a try for each subject and return 0, or count nothing and return the seconds to wait."""
    rows = [session.get(SignInFailure, subject, with_for_update=True) for subject in subjects]
    wait_s = max(_wait_s(row, now) for row in rows)
    if wait_s == 0:
        for subject, row in zip(subjects, rows, strict=True):
            if row is None:
                session.add(SignInFailure(subject=subject, failures=1, last_at=now))
            else:
                row.failures = row.failures + 1 if (now - row.last_at).total_seconds() < FORGET_AFTER_S else 1
                row.last_at = now
    return wait_s


def _wait_s(row: SignInFailure | None, now: datetime) -> int:
    if row is None:
        return 0
    if row.subject.startswith("name:"):
        delay = delay_s(row.failures)
    else:
        delay = ADDRESS_WAIT_S if row.failures > ADDRESS_FREE_FAILURES else 0
    return max(0, math.ceil(delay - (now - row.last_at).total_seconds()))


def _take_back(session: Session, subjects: tuple[str, str]) -> None:
    session.execute(
        update(SignInFailure)
        .where(SignInFailure.subject.in_(subjects), SignInFailure.failures > 0)
        .values(failures=SignInFailure.failures - 1)
        .execution_options(synchronize_session=False)
    )


def _in_words(wait_s: int) -> str:
    return f"{wait_s} seconds" if wait_s < 120 else f"about {math.ceil(wait_s / 60)} minutes"
