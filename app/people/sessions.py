"""Sessions of browsers: the one place that signs people in, and who is behind a request.

Flask-Login carries the session's token; the table `login_sessions` decides whether it still counts.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask_login import LoginManager, login_user, logout_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Row, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import NotAllowedError, UnavailableError
from app.people import header_sign_in, open_sessions, recheck, rules
from app.people.models import EnterCode, LoginSession, User
from app.web.peers import address_of_request
from language import _

SEEN_EVERY = timedelta(minutes=1)
STATION_SEEN_EVERY = timedelta(seconds=2)
INSTANCE_KEY = "instance"
AGENT_CHARACTERS_MAX = 256

login_manager = LoginManager()


@dataclass(frozen=True)
class Visitor:
    """The signed-in user as pages and Flask-Login see them."""

    id: int
    username: str
    display_name: str
    role: str
    token: str
    session_id: int = 0
    way: str = "password"

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def may(self, needed: str) -> bool:
        """Whether what needs the role `needed` may be done by them."""
        return rules.may(self.role, needed)

    def get_id(self) -> str:
        """Return what Flask-Login keeps in the cookie: the session's token, not the user's number."""
        return self.token

    @property
    def signature(self) -> str:
        """Who did something, as statements and reports show it: "Ada Min (admin)"."""
        return f"{self.display_name} ({self.username})"

    @property
    def initials(self) -> str:
        """One or two letters for the badge in the masthead."""
        return rules.initials(self.display_name)


def digest(token: str) -> str:
    """Return the form in which a secret token is stored and looked up."""
    return hashlib.sha256(token.encode()).hexdigest()


def sign_in(user_id: int, *, way: str = "password") -> None:
    """Sign the browser of this request in as `user_id`, in a fresh session. The only caller of login_user.

    `way`: "password", "portal", "header" or "station". Raises NotAllowedError for who is disabled or gone.
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    agent = "".join(char for char in flask.request.headers.get("User-Agent", "") if char.isprintable())

    def record(session: Session) -> Visitor:
        user = session.get_one(User, user_id)
        if not user.is_active:
            raise NotAllowedError(_("Your account is not active any more, so nobody can be signed in with it."))
        login = LoginSession(
            token_hash=digest(token),
            user_id=user_id,
            address=address_of_request(),
            agent=agent[:AGENT_CHARACTERS_MAX],
            way=way,
            created_at=now,
            seen_at=now,
        )
        session.add(login)
        session.flush()
        return _visitor(user, login, token)

    visitor = writing(record)
    flask.session.clear()
    flask.session[INSTANCE_KEY] = flask.current_app.config["INSTANCE_ID"]
    if way == "header":
        header_sign_in.note_name()
    login_user(visitor)
    generate_csrf()  # now, not on the first page with a form: that page would have to set another cookie


def sign_out() -> None:
    """End the session of this request, here and in every copy of its cookie."""
    token = digest(str(flask.session.get("_user_id", "")))
    writing(lambda session: open_sessions.end_token(session, token_hash=token, now=clock.now()))
    forget()


def shorten() -> None:
    """Make the session of this request one of a screen that many share: it ends soon after it was last touched."""
    token, now = digest(str(flask.session.get("_user_id", ""))), clock.now()
    short = update(LoginSession).where(LoginSession.token_hash == token).values(way="station", seen_at=now)
    writing(lambda session: session.execute(short))


def forget() -> None:
    """Take the session out of this browser."""
    logout_user()
    flask.session.clear()


@login_manager.user_loader  # type: ignore[untyped-decorator]  # Flask-Login carries no types
def load_visitor(token: str) -> Visitor | None:
    """Return who holds `token`; None when the session has ended, is too old, or is another instance's.

    None too for who may be here no more, and for who came by a proxy's header that names them no more.
    """
    if flask.session.get(INSTANCE_KEY) != flask.current_app.config["INSTANCE_ID"]:
        return None
    now = clock.now()
    row = _find(token)
    if row is None:
        return None
    login, user = row
    if login.ended_at is not None or not rules.session_lives(
        created_at=login.created_at, seen_at=login.seen_at, now=now, way=login.way
    ):
        return None
    if login.way == "header" and not header_sign_in.still_names():
        return None
    welcome = recheck.still_welcome(user, now)
    if welcome is None:
        return None
    visitor = _visitor(welcome, login, token)
    if now - login.seen_at >= (STATION_SEEN_EVERY if login.way == "station" else SEEN_EVERY):
        try:
            writing(lambda session: _touch(session, digest(token), now), patient=False)
        except (UnavailableError, SQLAlchemyError):  # a page that only reads is shown all the same
            flask.current_app.logger.warning("a session's last use could not be noted")
    return visitor


def _find(token: str) -> Row[LoginSession, User] | None:
    """Return the session and its user. A database that does not answer fails the request, not its error page too."""
    if flask.g.get("database_failed"):
        return None
    try:
        query = select(LoginSession, User).join(User).where(LoginSession.token_hash == digest(token))
        return reading().execute(query).first()
    except SQLAlchemyError:
        flask.g.database_failed = True
        raise


def make_enter_code(session: Session, *, user_id: int, now: datetime) -> str:
    """Return a code that lets one browser in as `user_id`, once, within 60 seconds."""
    code = secrets.token_urlsafe(32)
    session.add(EnterCode(code_hash=digest(code), user_id=user_id, expires_at=now + rules.ENTER_CODE_LIFE))
    return code


def redeem_enter_code(session: Session, *, code: str, now: datetime) -> int | None:
    """Use a code up and return its user; None for one that is unknown, used or too old."""
    return session.execute(
        update(EnterCode)
        .where(EnterCode.code_hash == digest(code), EnterCode.used_at.is_(None), EnterCode.expires_at > now)
        .values(used_at=now)
        .returning(EnterCode.user_id)
        .execution_options(synchronize_session=False)
    ).scalar()


def _visitor(user: User, login: LoginSession, token: str) -> Visitor:
    return Visitor(user.id, user.username, user.display_name, user.role, token, login.id, login.way)


def _touch(session: Session, token_hash: str, now: datetime) -> None:
    session.execute(update(LoginSession).where(LoginSession.token_hash == token_hash).values(seen_at=now))
