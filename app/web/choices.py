"""What a visitor chooses about all pages: the look, the language, whether keys do something; and to stay signed in."""

from __future__ import annotations

from typing import Final

import flask
from flask import Blueprint, Response, request
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from app.api.access import auditor, public, signed_in
from app.web import style_guide
from app.web.addresses import safe_next
from language.requests import remember

THEMES: Final = ("system", "light", "dark")
KEYS_COOKIE: Final = "keys"
KEPT_S: Final = 31_536_000

blueprint = Blueprint("choices", __name__)


def theme() -> str:
    """Return the look that this visitor has chosen."""
    chosen = request.cookies.get("theme", "system")
    return chosen if chosen in THEMES else "system"


def keys() -> str:
    """Return whether single keys do something here: "on" or "off", and "" where nobody is signed in."""
    if not current_user.is_authenticated or current_user.way == "station":
        return ""
    return "off" if request.cookies.get(KEYS_COOKIE) == "off" else "on"


@blueprint.get("/theme")
@public
def choose_theme() -> AnyResponse:
    """Keep the look that was chosen in a cookie, and go back. It changes nothing but how pages look."""
    value = request.args.get("value", "system")
    response = flask.redirect(safe_next(request.args.get("next")) or "/")
    response.set_cookie("theme", value if value in THEMES else "system", max_age=KEPT_S, httponly=True, samesite="Lax")
    return response


@blueprint.get("/language")
@public
def choose_language() -> AnyResponse:
    """Keep the language that was chosen in a cookie, and go back."""
    return remember(flask.redirect(safe_next(request.args.get("next")) or "/"), request.args.get("value"))


@blueprint.get("/keys")
@signed_in
def show_keys() -> str:
    """Show what the keys do, and whether they are on; with JavaScript the same stands in a dialog."""
    return flask.render_template("keys.html")


@blueprint.get("/keys/choose")
@signed_in
def choose_keys() -> AnyResponse:
    """Keep in a cookie whether single keys do something, and go back (WCAG 2.2, 2.1.4)."""
    response = flask.redirect(safe_next(request.args.get("next")) or "/keys")
    value = "off" if request.args.get("value") == "off" else "on"
    response.set_cookie(KEYS_COOKIE, value, max_age=KEPT_S, httponly=True, samesite="Lax")
    return response


@blueprint.get("/stay")
@signed_in
def stay() -> Response:
    """Answer nothing: the session was used, and so goes on."""
    return Response(status=204)


@blueprint.get("/admin/style-guide")
@auditor
def show_style_guide() -> str:
    """Show the parts that pages are made of."""
    return flask.render_template("styleguide.html", **style_guide.examples())
