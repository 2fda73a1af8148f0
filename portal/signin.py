"""Signing in at the portal: the one place that does it, the brake before it, and who is behind a request."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask_login import LoginManager, login_user, logout_user

from directory.interface import (
    BadCredentialsError,
    Directory,
    DirectoryError,
    DirectoryNearLockoutError,
    require_plausible,
)
from directory.peers import Peers, client_address
from directory.presence import ASK_AGAIN_AFTER, REST_S, look_for
from directory.throttle import FIRST_WAIT_S, FORGET_AFTER_S, rules_of_try
from portal import rules
from portal.store import SessionRow, Store, Try

log = logging.getLogger(__name__)

IDLE_LIMIT = timedelta(minutes=30)
ABSOLUTE_LIMIT = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
CARDS_LIMIT = timedelta(days=90)
PORTAL_KEY = "portal"


@dataclass(frozen=True)
class Visitor:
    """Who is signed in, as pages and Flask-Login see them."""

    username: str
    directory_id: str
    display_name: str
    token: str

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def initials(self) -> str:
        """One or two letters for the badge in the masthead."""
        return rules.initials(self.display_name)

    def get_id(self) -> str:
        """Return what Flask-Login keeps in the cookie: the session's token."""
        return self.token


class WaitError(Exception):
    """Too many wrong passwords for this name; `wait_s` seconds must pass before the next try."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"wait {wait_s:.0f} seconds")
        self.wait_s = wait_s


class SignIn:
    """Signs people in and out, with sessions that lie in the store: a copied cookie ends with its session."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        clock: Callable[[], datetime],
        portal_id: str,
        *,
        lockout_after: int,
        proxies: Peers,
    ) -> None:
        """`clock` gives the present time, aware; `lockout_after` and `proxies` as the settings have them."""
        self._store = store
        self._directory = directory
        self._clock = clock
        self._portal_id = portal_id
        self._lockout_after = lockout_after
        self._proxies = proxies
        self._rests_until = 0.0
        self.manager = LoginManager()
        self.manager.user_loader(self._load)

    def sign_in(self, username: str, password: str) -> None:
        """Sign the browser of this request in, in a fresh session. The only caller of login_user.

        Raises BadCredentialsError (unknown name, wrong or empty password: all the same; with a reason only for who
        typed the right one), WaitError, and the other DirectoryErrors when the directory gives no answer.
        """
        require_plausible(username, password)  # the directory is not asked about others, so they are no tries
        now = self._clock()
        made = self._store.begin_try(rules_of_try(username, self._address(), self._lockout_after), now)
        if made.wait_s > 0:
            raise WaitError(made.wait_s)
        try:
            person = self._directory.authenticate(username, password)
        except DirectoryNearLockoutError:
            self._take_back(made)
            raise WaitError(FIRST_WAIT_S) from None
        except BadCredentialsError as error:
            if error.reason:  # the password was right
                self._take_back(made)
            raise
        except BaseException:
            self._take_back(made)
            raise
        self._store.forgive(made)
        self._forget_old(now)
        token = secrets.token_urlsafe(32)
        row = SessionRow(person.username, person.directory_id, person.display_name or person.username, now, now, now)
        self._store.add_session(token, row)
        flask.session.clear()
        flask.session[PORTAL_KEY] = self._portal_id
        login_user(_visitor(row, token))

    def sign_out(self) -> None:
        """End the session of this request, here and in every copy of its cookie."""
        self._store.end_session(str(flask.session.get("_user_id", "")))
        logout_user()
        flask.session.clear()

    def _load(self, token: str) -> Visitor | None:
        """Return who holds `token`; None when the session has ended, is too old, or is another program's."""
        if flask.session.get(PORTAL_KEY) != self._portal_id:
            return None
        row = self._find(token)
        if row is None:
            return None
        now = self._clock()
        idle, whole = now - row.seen_at, now - row.created_at
        if idle >= IDLE_LIMIT or whole >= ABSOLUTE_LIMIT:
            self._try_to_note("end a session", lambda: self._store.end_session(token))
            return None
        if now - row.checked_at >= ASK_AGAIN_AFTER and not self._may_stay(row, now):
            return None
        # A page that loads itself again is not a sign of its owner.
        if idle >= SEEN_EVERY and flask.request.args.get("retry") != "auto":
            self._try_to_note("keep when a session was used", lambda: self._store.touch_session(token, now))
        return _visitor(row, token)

    def _may_stay(self, row: SessionRow, now: datetime) -> bool:
        """Ask the directory about the person of an open session. Only its word ends a session, not its silence."""
        if time.monotonic() < self._rests_until:
            return True
        try:
            is_there, _ = look_for(self._directory, None, row.username, row.directory_id)
        except (DirectoryError, TimeoutError) as error:
            self._rests_until = time.monotonic() + REST_S
            log.warning("sessions go on unasked: the directory does not answer: %s", error)
            return True
        if is_there:
            self._try_to_note("keep who may stay", lambda: self._store.check_sessions(row.directory_id, now))
        else:
            self._try_to_note("end sessions", lambda: self._store.end_sessions(row.directory_id))
        return is_there

    def _try_to_note(self, what: str, write: Callable[[], None]) -> None:
        """Write what any later request can write as well. A file that is locked or full costs a reader no page."""
        try:
            write()
        except sqlite3.Error as error:
            log.warning("the store could not %s: %s", what, error)

    def _address(self) -> str:
        """Where this request comes from."""
        forwarded_for = flask.request.headers.get("X-Forwarded-For", "")
        return client_address(flask.request.environ.get("REMOTE_ADDR", ""), forwarded_for, self._proxies)

    def _take_back(self, made: Try) -> None:
        """Take the try back. When that fails too, the directory's failure is still what the person is told."""
        try:
            self._store.take_back_try(made)
        except sqlite3.Error as error:
            log.warning("the store could not take a try back: %s", error)

    def _find(self, token: str) -> SessionRow | None:
        """Return the session's row. A store that cannot be read fails the request once, not its error page too."""
        if flask.g.get("store_failed"):
            return None
        try:
            return self._store.find_session(token)
        except sqlite3.Error:
            flask.g.store_failed = True
            raise

    def _forget_old(self, now: datetime) -> None:
        self._store.forget_old(
            sessions_before=now - IDLE_LIMIT,
            failures_before=now - timedelta(seconds=FORGET_AFTER_S),
            cards_before=now - CARDS_LIMIT,
        )


def _visitor(row: SessionRow, token: str) -> Visitor:
    return Visitor(row.username, row.directory_id, row.display_name, token)
