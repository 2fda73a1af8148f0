"""Names and passwords against the network's directory, with our own brake before it; and names without passwords."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError, NotSignedInError, TooManyAttemptsError, UnavailableError
from app.people import rules, service
from app.people.models import SignInFailure, User
from app.settings import settings_of_app
from directory.interface import BadCredentialsError, Directory, DirectoryError
from directory.throttle import delay_s

FORGOTTEN_AFTER = timedelta(minutes=15)
REFUSED = "That name and password do not match. Use the ones that you use to sign in to the network."


def check(*, username: str, password: str, address: str) -> int:
    """Return the user's id when the directory accepts the password; their record and groups are renewed by it.

    Raises NotSignedInError (one text for every cause), TooManyAttemptsError with `wait_s`, UnavailableError.
    """
    now = clock.now()
    subjects = [f"name:{rules.name_key(username)[:280]}", f"address:{address}"]
    wait_s = max(_wait_s(reading(), subject, now) for subject in subjects)
    if wait_s > 0:
        raise TooManyAttemptsError(f"Too many tries. Wait {wait_s} seconds, then try again.", wait_s=wait_s)
    try:
        person = _directory().authenticate(username, password)
    except BadCredentialsError:
        writing(lambda session: _count_all(session, subjects, now))
        raise NotSignedInError(REFUSED) from None
    except DirectoryError as exc:
        current_app.logger.error("sign-in: the directory does not answer: %s", exc)
        raise UnavailableError("The network's directory does not answer. Nothing is lost; try again soon.") from exc

    def keep(session: Session) -> int:
        session.execute(delete(SignInFailure).where(SignInFailure.subject == subjects[0]))
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


def _wait_s(session: Session, subject: str, now: datetime) -> int:
    row = session.scalar(select(SignInFailure).where(SignInFailure.subject == subject))
    if row is None:
        return 0
    # Many people can share one address (a computer room behind a NAT), so it is braked ten times later than a name.
    failures = row.failures if subject.startswith("name:") else row.failures // 10
    free_at = row.last_at + timedelta(seconds=delay_s(failures))
    return max(0, -int(-(free_at - now).total_seconds() // 1))


def _count_all(session: Session, subjects: list[str], now: datetime) -> None:
    for subject in subjects:
        _count(session, subject, now)


def _count(session: Session, subject: str, now: datetime) -> None:
    row = session.get(SignInFailure, subject)
    if row is None:
        session.add(SignInFailure(subject=subject, failures=1, last_at=now))
    else:
        row.failures = row.failures + 1 if now - row.last_at < FORGOTTEN_AFTER else 1
        row.last_at = now
