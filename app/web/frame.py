"""What every page gets: who and where it is, its headers, its filters, and what it says when something is wrong."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit

import flask
from flask import Blueprint, Flask, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError
from werkzeug.wrappers import Response

from app import clock
from app.api.access import public
from app.error_map import http_status
from app.errors import NotAllowedError, NotSignedInError, TwinpurseError, UnavailableError
from app.people.rules import IDLE
from app.people.sessions import SEEN_EVERY
from app.purse import rules as words
from app.settings import Settings, settings_of_app
from app.web import choices, tabs
from language import N_, _
from language.requests import at_each_use

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
LEFT_S = int((IDLE - SEEN_EVERY).total_seconds())
"""How long a session surely lasts after a page of it: its use is noted once in SEEN_EVERY."""

MEANINGS = {
    404: N_("There is no page at this address."),
    405: N_("This address does not take that."),
    413: N_("That is too large."),
    500: N_("Something went wrong on our side. What you were doing was not carried out."),
}
blueprint = Blueprint("frame", __name__)


def init_app(app: Flask) -> None:
    """Give `app` the frame of its pages."""
    settings: Settings = app.extensions["twinpurse.settings"]
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        money=at_each_use(settings.unit.text),
        change=at_each_use(settings.unit.change),
        price=at_each_use(settings.unit.price),
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
    app.register_blueprint(choices.blueprint)


@blueprint.get("/healthz")
@public
def tell_health() -> dict[str, str]:
    """Say that the instance serves."""
    return {"status": "ok"}


def _context() -> dict[str, Any]:
    settings = settings_of_app()
    config, shown = settings.config, tabs.tabs()
    return {
        "site": {
            "id": config.id,
            "name": config.name,
            "look": settings.look,
            "organisation": config.organisation,
            "portal_url": config.portal_url,
            "is_portal": False,
            "single_keys": choices.keys(),
            "left_s": LEFT_S if current_user.is_authenticated and current_user.way != "station" else 0,
            "own_pages": True,
        },
        "settings": settings,
        "tabs": shown,
        "places": tabs.places(),
        "go_keys": tabs.keys(shown),
        "may": lambda role: current_user.is_authenticated and current_user.may(role),
        "theme": choices.theme(),
        "words": words,
        "now": clock.now(),
    }


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
        raise NotAllowedError(_("This form was sent from another site. Nothing was changed."))


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
    return _explain(UnavailableError(_("The books cannot be read at the moment. Nothing was changed; try again soon.")))


def _explain_csrf(_error: CSRFError) -> Any:
    return _page(400, _("The form was too old or came from elsewhere. Nothing was changed. Go back and try again."))


def _explain_http(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    if isinstance(error, SecurityError):  # an untrusted Host: no page can be made, since no address can be built
        return flask.Response("No site of this name is served here.\n", status, mimetype="text/plain")
    described = error.description if _wants_json() and error.description else _("That did not work.")
    message = _(MEANINGS[status]) if status in MEANINGS else described
    error_id = ""
    if isinstance(error, InternalServerError):
        error_id = "-".join(secrets.token_hex(2).upper() for _part in range(2))
        flask.current_app.logger.error("error %s at %s %s", error_id, request.method, request.path)
    if _wants_json():
        return {"error": "http", "message": message, **({"error_id": error_id} if error_id else {})}, status
    return _page(status, message, error_id)


def _page(status: int, message: str, error_id: str = "") -> Any:
    page = flask.render_template("error.html", code=status, means=message, error_id=error_id)
    return page, status
