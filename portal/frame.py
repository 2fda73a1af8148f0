"""What every page of the portal gets: its context, its headers, and what it says when something is wrong."""

from __future__ import annotations

import secrets
from typing import Any

import flask
from flask import Flask, Response, request
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from language import N_, _
from portal.settings import Settings
from portal.signin import IDLE_LIMIT, SEEN_EVERY

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
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"
LEFT_S = int((IDLE_LIMIT - SEEN_EVERY).total_seconds())

_MEANINGS = {
    403: N_("You may not do this, or the form came from another site. Nothing was changed."),
    404: N_("Perhaps the address was mistyped, or the link is old."),
    405: N_("This address does not take that."),
    413: N_("That is too large."),
}


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` the frame of its pages."""

    def context() -> dict[str, Any]:
        theme = request.cookies.get(THEME_COOKIE, "system")
        return {
            "site": {
                "id": settings.id,
                "name": "Twinpurse",
                "look": "portal",
                "organisation": settings.organisation,
                "portal_url": "",
                "is_portal": True,
                "left_s": _left_s(),
            },
            "tabs": [],
            "theme": theme if theme in THEMES else "system",
        }

    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.is_https:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response

    app.context_processor(context)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, _explain)


def _left_s() -> int:
    """For how many seconds the session of who is signed in surely lasts; 0: nobody, or a page that loads by itself."""
    loads_itself = request.args.get("retry") == "auto"
    return LEFT_S if current_user.is_authenticated and not loads_itself else 0


def _explain(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    if isinstance(error, SecurityError):
        # The request names a host that is not ours: no address can be built, so no page either.
        return flask.Response("This server does not answer to that name.\n", 400, mimetype="text/plain")
    if isinstance(error, CSRFError):
        return page(
            400, _("The form was too old, or came from another site. Nothing was changed. Go back and try again.")
        )
    if status >= 500:
        error_id = "-".join(secrets.token_hex(2).upper() for _half in range(2))
        flask.current_app.logger.error("error %s at %s %s", error_id, request.method, request.path)
        return page(status, _("This page only reads. Your balances did not change and nothing was charged."), error_id)
    return page(status, _(_MEANINGS.get(status, N_("The browser sent something that this page cannot use."))))


def page(status: int, means: str, error_id: str = "") -> tuple[str, int]:
    """Return the error page."""
    return flask.render_template("error.html", code=status, means=means, error_id=error_id), status
