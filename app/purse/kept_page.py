"""The balance page, kept for seconds while nothing that it shows has changed: looked at again, it costs one question.

It is the page that everybody opens, and opens again to see whether something has come. The question asks who the
browser's session belongs to, whether it still counts, and how the purse stands; where the answer is the one with which
the page was made, the same bytes go out. What the question does not ask (schedules, prices, groups, how much waits
elsewhere) is as of `TERMS_LAST_S` ago at most, and of this very moment after any form that was sent to this process.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import flask
from flask import Flask
from sqlalchemy import bindparam, case, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.errors import UnavailableError
from app.ledger.models import Account, Hold
from app.people import rules, sessions
from app.people.local import ORIGIN as LOCAL
from app.people.models import LoginSession, User
from app.printing.models import PrintJob
from app.quick_read import QuickRow
from directory.presence import ASK_AGAIN_AFTER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAGES_MAX: Final = 1_000
PAGE_BYTES_MAX: Final = 100_000
TERMS_LAST_S: Final = 3.0
JOBS_LOOKED_AT: Final = 20
NOTED: Final = "twinpurse.balance_page"
WAYS: Final = ("password", "portal")
"""Of a session: one by a proxy's header lasts while the header names the same, one at a station a minute."""

_last_jobs = (
    select(PrintJob.state, PrintJob.updated_at)
    .where(PrintJob.user_id == User.id)
    .order_by(PrintJob.id.desc())
    .limit(JOBS_LOOKED_AT)
    .correlate(User)
    .subquery()
)
_refused = or_(_last_jobs.c.state == "cancelled", _last_jobs.c.state == "waiting")
_purse = (
    select(LoginSession.way, LoginSession.created_at, LoginSession.seen_at, LoginSession.ended_at, User.refreshed_at)
    .add_columns(User.status, User.origin, User.role, User.id, User.username, User.display_name)
    .add_columns(Account.sequence, Account.balance, Account.reserved, Account.floor)
    .add_columns(
        select(func.max(Hold.id)).where(Hold.account_id == Account.id, Hold.state == "open").scalar_subquery(),
        select(func.max(case((_refused, _last_jobs.c.updated_at)))).scalar_subquery(),
        select(func.count(case((_refused, 1)))).scalar_subquery(),
    )
    .join_from(LoginSession, User)
    .join(Account, Account.user_id == User.id)
    .where(LoginSession.token_hash == bindparam("digest"))
)
HOW_IT_STANDS: Final = QuickRow(_purse)

Standing = tuple[Any, ...]
"""A row of HOW_IT_STANDS."""


@dataclass(frozen=True)
class Page:
    """A page as it went out: whose session it was made for (a digest), how the purse stood, and of which minute."""

    digest: str
    standing: Standing
    minute: int
    terms: int
    made_at: float
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class KeptPages:
    """A WSGI application around another: it answers for the balance page where it can.

    Pages are found by what may change them in a request: its cookies, language and host.
    """

    app: Flask
    inner: WSGIApplication
    pages: OrderedDict[tuple[str, ...], Page] = field(default_factory=OrderedDict)
    terms: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or have the application answer and keep its page."""
        if environ["REQUEST_METHOD"] != "GET":
            return self._after_a_form(environ, start_response)
        if environ.get("PATH_INFO") != "/" or environ.get("QUERY_STRING") or not environ.get("HTTP_COOKIE"):
            return self.inner(environ, start_response)
        key = tuple(environ.get(name, "") for name in ("HTTP_COOKIE", "HTTP_ACCEPT_LANGUAGE", "HTTP_HOST"))
        page = self.pages.get(key)
        if page is not None and self._still_holds(page):
            start_response("200 OK", page.headers)
            return [page.body]
        return self._make(key, environ, start_response)

    def _still_holds(self, page: Page) -> bool:
        now = clock.now()
        if page.terms != self.terms or page.minute != _minute(now) or time.monotonic() - page.made_at > TERMS_LAST_S:
            return False
        with self.app.app_context():
            try:
                standing = HOW_IT_STANDS.read(digest=page.digest)
            except (UnavailableError, SQLAlchemyError):
                return False  # the application knows how to say so
        return standing == page.standing and may_be_kept(standing, now)

    def _after_a_form(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """What a form has changed shows on the next page. Machines charge all the time, and the question sees that."""
        try:
            return self.inner(environ, start_response)
        finally:
            if not environ.get("PATH_INFO", "").startswith("/api/"):
                self.terms += 1

    def _make(self, key: tuple[str, ...], environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        now, terms, made_at = clock.now(), self.terms, time.monotonic()
        said: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            said[:] = [status, headers]
            return start_response(status, headers, *error)

        answer = self.inner(environ, start)
        if NOTED not in environ or not said[0].startswith("200") or any(name == "Set-Cookie" for name, _ in said[1]):
            return answer
        try:
            body = b"".join(answer)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        digest, standing = environ[NOTED]
        page = Page(digest, standing, _minute(now), terms, made_at, list(said[1]), body)
        if len(body) <= PAGE_BYTES_MAX:
            with self.lock:
                self.pages[key] = page
                self.pages.move_to_end(key)
                while len(self.pages) > PAGES_MAX:
                    self.pages.popitem(last=False)
        return [body]


def note(token: str) -> None:
    """Say, before anything is read, for whose session the balance page is being made, so that it can be kept.

    Read first, the standing may only be older than the page: then the page is made anew, and never kept wrongly.
    """
    digest = sessions.digest(token)
    standing = HOW_IT_STANDS.read(digest=digest)
    if standing is not None and may_be_kept(standing, clock.now()):
        flask.request.environ[NOTED] = (digest, standing)


def may_be_kept(standing: Standing, now: datetime) -> bool:
    """Whether such a page may be shown again without looking further: the session counts, and nothing is due for it.

    People whom the directory is to be asked about again, and sessions whose last use is to be noted, take the long way.
    """
    way, created_at, seen_at, ended_at, refreshed_at, status, origin, *_purse = standing
    return (
        ended_at is None
        and status == "active"
        and way in WAYS
        and now - seen_at < sessions.SEEN_EVERY
        and (origin == LOCAL or now - refreshed_at < ASK_AGAIN_AFTER)
        and rules.session_lives(created_at=created_at, seen_at=seen_at, now=now, way=way)
    )


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60


def init_app(app: Flask) -> None:
    """Have `app` keep its balance pages."""
    app.wsgi_app = KeptPages(app, app.wsgi_app)  # type: ignore[method-assign]  # as Flask's manual says to wrap it
