"""Names and passwords against the network's directory, with our own brake before it; and names without passwords."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Final

from flask import current_app
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import NotAllowedError, NotFoundError, NotSignedInError, TooManyAttemptsError, UnavailableError
from app.people import aliases, local, service, throttle
from app.people.models import User
from app.people.throttle import Try
from app.settings import settings_of_app
from directory.interface import (
    BadCredentialsError,
    Directory,
    DirectoryError,
    DirectoryNearLockoutError,
    Person,
    is_plausible_password,
    is_plausible_username,
)
from directory.presence import ASK_AGAIN_AFTER
from directory.refusals import WRONG, refusal_in_words
from directory.throttle import FIRST_WAIT_S
from language import N_, _, _n, numbers

AWAY: Final = N_("The network's directory does not answer. Nothing is lost; try again soon.")
UNSURE: Final = N_("The directory does not answer, so it is not known whether somebody has this name. Try again soon")
REFUSAL_TAKES_S = 0.4
"""A refusal takes at least so long: the clock shall not tell local people, of whom the directory is not asked."""


def check(*, username: str, password: str, address: str) -> int:
    """Return the user's id when the password is right; a directory person's record and groups are renewed by it.

    `address`: where the try comes from, as app.web.peers says it. Raises NotSignedInError (one text for an unknown name
    and a wrong password), TooManyAttemptsError with `wait_s`, UnavailableError, NotAllowedError for whose right name
    cannot be used here.
    """
    if not (is_plausible_username(username) and is_plausible_password(password)):
        raise NotSignedInError(_(WRONG))
    began = time.monotonic()
    try:
        return _check(username, password, address)
    except NotSignedInError:
        time.sleep(max(0.0, began + REFUSAL_TAKES_S - time.monotonic()))
        raise


def _check(username: str, password: str, address: str) -> int:
    """Each try is counted before anybody is asked, so that many at once are not free, and taken back when it was right
    or not answered."""
    now, settings = clock.now(), settings_of_app().config.directory
    made = writing(
        lambda session: throttle.begin(
            session, name=username, address=address, lockout_after=settings.lockout_after, now=now
        )
    )
    if made.wait_s:
        raise _too_many(made.wait_s)
    guest = local.find(reading(), typed=username, domains=settings.domains)
    if guest is not None:
        user_id = guest.user.id
        if not guest.accepts(password, now):
            raise NotSignedInError(_(WRONG))
        writing(lambda session: throttle.forgive(session, made=made))
        return user_id
    person = _authenticate(username, password, made)

    def keep(session: Session) -> int:
        throttle.forgive(session, made=made)
        return remember(session, person).id

    try:
        return writing(keep)
    except NotAllowedError:
        _take_back(made)
        raise


def _authenticate(username: str, password: str, made: Try) -> Person:
    """Ask the directory. Only a wrong password stays counted."""
    try:
        return directory_of_app().authenticate(username, password)
    except DirectoryNearLockoutError:
        _take_back(made)
        raise _too_many(math.ceil(FIRST_WAIT_S)) from None
    except BadCredentialsError as exc:
        if exc.reason:  # the password was right
            _take_back(made)
        else:
            local.seem_to_check(reading(), password=password)
        raise NotSignedInError(refusal_in_words(exc.reason)) from None
    except DirectoryError as exc:
        _take_back(made)
        current_app.logger.error("sign-in: the directory does not answer: %s", exc)
        raise UnavailableError(_(AWAY)) from exc


def identify(username: str, directory_id: str | None = None) -> User:
    """Return whose name that is (their own, an alias or a former one), asking the directory for one who is new here.

    `directory_id`: who the caller says it is; another person of the same name is not found. A former name or an alias
    may have been given to somebody else, so the directory is asked about it first; while it is away, the name leads to
    whom it led before. Raises NotFoundError, UnavailableError.
    """
    if not is_plausible_username(username):
        raise NotFoundError(_("Nobody has such a name."))
    domains = settings_of_app().config.directory.domains
    holder = aliases.find(reading(), typed=username, domains=domains)
    if holder is None or directory_id not in (None, holder.user.directory_id):
        return look_up(username, directory_id)
    if holder.kind != "own" and not aliases.was_asked(username):
        with suppress(NotFoundError, UnavailableError):
            look_up(username, directory_id)  # who is found is known from now on; it is theirs if they are called so
        holder = aliases.find(reading(), typed=username, domains=domains) or holder
        aliases.note_asked(username)
    return holder.user


def make_known(name: str) -> None:
    """Make somebody known who has the name in the directory and was not seen here yet: then it is not free.

    Raises UnavailableError.
    """
    try:
        identify(name)
    except NotFoundError:
        return
    except UnavailableError as exc:
        raise UnavailableError(_(UNSURE)) from exc


def renew(user: User) -> User:
    """Return the user with record, groups and rights as the directory has them; asked again after 15 minutes.

    Somebody who comes in by the portal never types a password here, so this is where their groups are renewed.
    Who has a role is asked about each time. While the directory is away, what is known counts for everybody else.
    Raises NotFoundError for somebody who has left or is disabled, UnavailableError for who has a role while it is away.
    """
    if user.origin != local.ORIGIN and (user.role or clock.now() - user.refreshed_at >= ASK_AGAIN_AFTER):
        try:
            user = look_up(user.username, user.directory_id)
        except UnavailableError:
            if user.role:
                raise
    if not user.is_active:
        raise NotFoundError(_("This person may not sign in any more."), username=user.username)
    return user


def remember(session: Session, person: Person) -> User:
    """Keep what the directory has just said of a person, and return them."""
    settings = settings_of_app().config.directory
    return service.remember(
        session,
        person=person,
        admin_groups=settings.admin_groups,
        helper_groups=settings.helper_groups,
        auditor_groups=settings.auditor_groups,
        now=clock.now(),
    )


def directory_of_app() -> Directory:
    """Return the directory of the instance that serves the present request."""
    directory: Directory = current_app.extensions["twinpurse.directory"]
    return directory


def look_up(username: str, directory_id: str | None = None) -> User:
    """Return the person whom the directory has under this name now, kept as it has them; see `identify`.

    Raises NotFoundError, also for one who cannot be known here under the name they have, UnavailableError.
    """
    if not is_plausible_username(username):
        raise NotFoundError(_("Nobody has such a name."))
    try:
        person = directory_of_app().find(username)
    except BadCredentialsError:
        person = None
    except DirectoryError as exc:
        raise UnavailableError(_("The network's directory does not answer.")) from exc
    if person is None or directory_id not in (None, person.directory_id):
        raise NotFoundError(_("The network's directory knows nobody of this name."), username=username)
    found = person
    try:
        return writing(lambda session: remember(session, found))
    except NotAllowedError as exc:
        raise NotFoundError(exc.message, username=username) from exc


def _take_back(made: Try) -> None:
    writing(lambda session: throttle.take_back(session, made=made))


def _too_many(wait_s: int) -> TooManyAttemptsError:
    if wait_s < 120:
        text = _n(
            "Too many tries. Wait %(num)s second, then try again.",
            "Too many tries. Wait %(num)s seconds, then try again.",
            wait_s,
        )
    else:
        minutes = numbers.count(math.ceil(wait_s / 60))
        text = _("Too many tries. Wait about %(minutes)s minutes, then try again.", minutes=minutes)
    return TooManyAttemptsError(text, wait_s=wait_s)
