"""What every page gets: who and where it is, its headers, its filters, and what it says when something is wrong."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

import flask
from flask import Blueprint, Flask, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError
from werkzeug.wrappers import Response

from app import clock
from app.api.access import public
from app.db import reading
from app.error_map import http_status
from app.errors import NotAllowedError, NotSignedInError, TwinpurseError, UnavailableError
from app.purse import rules as words
from app.settings import Settings, settings_of_app
from app.web.addresses import safe_next

CSP = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
NOT_MODIFIED = 304
THEMES = ("system", "light", "dark")
PLACES = (
    ("/admin/people", "People", "auditor"),
    ("/admin/people/sync", "Sync", "auditor"),
    ("/admin/people/unknown", "Unknown names", "auditor"),
    ("/admin/people/leavers", "Leavers", "auditor"),
    ("/admin/people/relink", "Relink", "auditor"),
    ("/admin/groups", "Groups", "auditor"),
    ("/admin/guests", "Guests", "auditor"),
    ("/admin/directory", "Directory", "admin"),
    ("/admin/client", "Desktop client", "auditor"),
)
"""The pages around people and the directory, and who may open them; they share a tab."""

INTERNET_PLACES = (
    ("/admin/internet-use", "Use", "auditor"),
    ("/admin/internet-use/running", "Running now", "auditor"),
    ("/admin/internet-use/wifi", "Wi-Fi now", "auditor"),
    ("/admin/internet-rates", "Rates", "auditor"),
    ("/admin/site-lists", "Site lists", "auditor"),
    ("/admin/internet-rates/calculator", "Calculator", "auditor"),
    ("/admin/internet-use/privacy", "Privacy", "auditor"),
    ("/admin/internet-setup", "Set-up", "auditor"),
)
"""The same around the Internet, where the instance charges it."""

PRINTING_PLACES = (
    ("/admin/print-jobs", "Jobs", "auditor"),
    ("/admin/printers", "Printers", "auditor"),
    ("/admin/print-prices", "Prices", "auditor"),
    ("/admin/print-limits", "Limits", "auditor"),
    ("/admin/print-cost", "Calculator", "auditor"),
    ("/admin/refunds", "Refunds", "auditor"),
    ("/admin/print-privacy", "Privacy", "auditor"),
)
"""The same around printing, where the instance charges it."""

COUNTS = "twinpurse.counts"
"""The extension that says of a page how many things wait there: address -> function of a reading session."""

ACCOUNTS_PLACES = (
    ("/admin/accounts", "Shared accounts", "auditor"),
    ("/admin/cards", "Cards", "auditor"),
)
"""The same around what is no one person's."""

blueprint = Blueprint("frame", __name__)


def init_app(app: Flask) -> None:
    """Give `app` the frame of its pages."""
    settings: Settings = app.extensions["twinpurse.settings"]
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        money=settings.unit.text,
        change=settings.unit.change,
        price=settings.unit.price,
        local=lambda at: at.astimezone(settings.zone),
        day=lambda at: words.day_in_words(at.astimezone(settings.zone).date(), _today(settings)),
        short_day=lambda at: words.day_in_short(at.astimezone(settings.zone).date(), _today(settings)),
        clock=lambda at: at.astimezone(settings.zone).strftime("%H:%M"),
        iso=lambda at: at.astimezone(settings.zone).isoformat(timespec="seconds"),
    )
    app.session_interface = PagesSessions()
    app.context_processor(_context)
    app.before_request(_refuse_other_sites)
    app.after_request(_headers)
    app.register_error_handler(TwinpurseError, _explain)
    app.register_error_handler(OperationalError, _explain_database)
    app.register_error_handler(CSRFError, _explain_csrf)
    app.register_error_handler(HTTPException, _explain_http)
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
@public
def tell_health() -> dict[str, str]:
    """Say that the instance serves."""
    return {"status": "ok"}


@blueprint.get("/theme")
@public
def choose_theme() -> Response:
    """Keep the look that was chosen in a cookie, and go back. It changes nothing but how pages look."""
    theme = request.args.get("value", "system")
    response = flask.redirect(safe_next(request.args.get("next")) or "/")
    response.set_cookie(
        "theme", theme if theme in THEMES else "system", max_age=31_536_000, httponly=True, samesite="Lax"
    )
    return response


def _context() -> dict[str, Any]:
    settings = settings_of_app()
    config, look = settings.config, request.cookies.get("theme", "system")
    return {
        "site": {
            "id": config.id,
            "name": config.name,
            "look": settings.look,
            "organisation": config.organisation,
            "portal_url": config.portal_url,
            "is_portal": False,
        },
        "settings": settings,
        "tabs": _tabs(),
        "places": _places(),
        "may": lambda role: current_user.is_authenticated and current_user.may(role),
        "theme": look if look in THEMES else "system",
        "words": words,
        "now": clock.now(),
    }


def _tabs() -> list[tuple[str, str, bool]]:
    if not current_user.is_authenticated:
        return []
    tabs = [("/", "Balance"), ("/statement", "Statement")]
    rooms = _rooms()
    if settings_of_app().charges_print:
        tabs.append(("/print-jobs", "Print jobs"))
    if settings_of_app().charges_internet:
        tabs.append(("/internet-use", "Internet use"))
    if current_user.may("auditor"):
        tabs += [("/admin/schedules", "Schedules"), *((places[0][0], _counted(text, places)) for text, places in rooms)]
        tabs.append(("/admin/health", "Health"))
    room = _room_here()
    here = room[0][0] if room else request.path
    return [(href, text, here == href or (href != "/" and here.startswith(href))) for href, text in tabs]


def _rooms() -> list[tuple[str, tuple[tuple[str, str, str], ...]]]:
    """What shares a tab, as (text of the tab, its pages)."""
    settings = settings_of_app()
    rooms: list[tuple[str, tuple[tuple[str, str, str], ...]]] = [("People", PLACES)]
    rooms += [("Printing", PRINTING_PLACES)] if settings.charges_print else []
    rooms += [("Internet", INTERNET_PLACES)] if settings.charges_internet else []
    return [*rooms, ("Shared accounts", ACCOUNTS_PLACES)]


def _counted(text: str, places: Iterable[tuple[str, str, str]]) -> str:
    """A text with how many things wait at the pages that it leads to: "Refunds (2)"."""
    counts: dict[str, Callable[[Session], int]] = flask.current_app.extensions.get(COUNTS, {})
    waiting = sum(counts[href](reading()) for href, _, role in places if href in counts and current_user.may(role))
    return f"{text} ({waiting:,})" if waiting else text


def _room_here() -> tuple[tuple[str, str, str], ...]:
    """The pages that share a tab with the one that is open; () for one that shares none."""
    here = request.path
    for _, places in _rooms():
        if any(here == href or (href != places[0][0] and here.startswith(f"{href}/")) for href, *_ in places):
            return places
    return ()


def _places() -> list[tuple[str, str, bool]]:
    """The pages that share this one's tab and that the visitor may open, as (address, text, whether it is this one)."""
    places = [each for each in _room_here() if current_user.is_authenticated and current_user.may(each[2])]
    fits = [href for href, *_ in places if request.path == href or request.path.startswith(f"{href}/")]
    here = max(fits, key=len, default="")
    return [(href, _counted(text, [(href, text, role)]), href == here) for href, text, role in places]


def _today(settings: Settings) -> Any:
    return clock.now().astimezone(settings.zone).date()


def _refuse_other_sites() -> None:
    """A form on another port of the same host is "same-site": SameSite cookies do not stop it, this does."""
    if request.method in ("GET", "HEAD", "OPTIONS") or request.path.startswith("/api/"):
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        good = site in ("same-origin", "none")
    else:
        origin = request.headers.get("Origin")
        good = origin is None or urlsplit(origin).netloc == request.host
    if not good:
        raise NotAllowedError("This form was sent from another site. Nothing was changed.")


class PagesSessions(SecureCookieSessionInterface):
    """Flask's sessions, for pages: the API looks at no cookie and sets none, and is spared the work."""

    def open_session(self, app: Flask, request: flask.Request) -> SecureCookieSession | None:
        """Return the session of a page's cookie; an empty one for the API."""
        return SecureCookieSession() if request.path.startswith("/api/") else super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: flask.Response) -> None:
        """Set the cookie of a page."""
        if not request.path.startswith("/api/"):
            super().save_session(app, session, response)


def _headers(response: Response) -> Response:
    if response.status_code == NOT_MODIFIED:  # what it stands for has its headers
        response.headers.setdefault("Cache-Control", "no-cache")
        return response
    response.headers.setdefault("Content-Security-Policy", CSP)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if settings_of_app().config.public_url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store" if "ETag" not in response.headers else "no-cache"
    return response


def _wants_json() -> bool:
    return request.path.startswith("/api/")


def _explain(error: TwinpurseError) -> Any:
    status = http_status(error)
    if _wants_json():
        headers = {"Retry-After": str(error.facts.get("wait_s", 5))} if status in (429, 503) else {}
        return {"error": error.code, "message": error.message, **error.facts}, status, headers
    if isinstance(error, NotSignedInError):
        return flask.redirect(_sign_in_address())
    return _page(status, error.message)


def _sign_in_address() -> str:
    """Where to sign in, and back to the page that was asked for; a form is not sent again by itself."""
    following = request.full_path.rstrip("?")
    return "/sign-in" if request.method != "GET" or following == "/" else "/sign-in?" + urlencode({"next": following})


def _explain_database(error: OperationalError) -> Any:
    """The database is away or locked: that passes, so it is no fault of ours to look for."""
    flask.current_app.logger.error("the database does not answer: %s", type(error.orig).__name__)
    flask.g.database_failed = True
    return _explain(UnavailableError("The books cannot be read at the moment. Nothing was changed; try again soon."))


def _explain_csrf(_error: CSRFError) -> Any:
    return _page(400, "The form was too old or came from elsewhere. Nothing was changed. Go back and try again.")


def _explain_http(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    if isinstance(error, SecurityError):  # an untrusted Host: no page can be made, since no address can be built
        return flask.Response("No site of this name is served here.\n", status, mimetype="text/plain")
    message = {
        404: "There is no page at this address.",
        405: "This address does not take that.",
        413: "That is too large.",
        500: "Something went wrong on our side. What you were doing was not carried out.",
    }.get(status, error.description or "That did not work.")
    error_id = ""
    if isinstance(error, InternalServerError):
        error_id = "-".join(secrets.token_hex(2).upper() for _ in range(2))
        flask.current_app.logger.error("error %s at %s %s", error_id, request.method, request.path)
    if _wants_json():
        return {"error": "http", "message": message, **({"error_id": error_id} if error_id else {})}, status
    return _page(status, message, error_id)


def _page(status: int, message: str, error_id: str = "") -> Any:
    page = flask.render_template("error.html", code=status, means=message, error_id=error_id)
    return page, status
