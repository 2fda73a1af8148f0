"""Signing in and out, and coming in from the portal."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import public, signed_in
from app.db import writing
from app.error_map import http_status
from app.errors import NotAllowedError, NotSignedInError, TooManyAttemptsError, UnavailableError
from app.people import credentials, header_sign_in, sessions
from app.settings import settings_of_app
from app.web.addresses import safe_next
from app.web.peers import address_of_request
from language import _

BY_HAND = "hand"
"""In the address of the sign-in page: nobody is signed in by a header there, or signing out would lead back in."""

blueprint = Blueprint("people", __name__)


@blueprint.get("/sign-in")
@public
def show_sign_in() -> str | tuple[str, int] | Response:
    """Ask for name and password; who comes by a trusted proxy's header needs neither, unless they signed out here."""
    following = safe_next(request.args.get("next")) or ""
    if current_user.is_authenticated:
        return flask.redirect(following or "/")
    if header_sign_in.is_on() and request.args.get("by") != BY_HAND:
        try:
            user_id = header_sign_in.identify()
            if user_id is not None:
                sessions.sign_in(user_id, way="header")
                return flask.redirect(following or "/")
        except (NotSignedInError, NotAllowedError, UnavailableError) as exc:
            return _ask(exc.message, "", following), http_status(exc)
    return _ask("", "", following)


@blueprint.post("/sign-in")
@public
def sign_in() -> Response:
    """Check name and password with the directory and sign in."""
    username, following = request.form.get("username", ""), safe_next(request.form.get("next")) or ""
    try:
        user_id = credentials.check(
            username=username, password=request.form.get("password", ""), address=address_of_request()
        )
        sessions.sign_in(user_id)
    except (NotSignedInError, NotAllowedError, TooManyAttemptsError, UnavailableError) as exc:
        response = flask.make_response(_ask(exc.message, username, following), http_status(exc))
        if isinstance(exc, TooManyAttemptsError):
            response.headers["Retry-After"] = str(exc.facts["wait_s"])
        return response
    return flask.redirect(following or "/", 303)


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> Response:
    """End this session."""
    sessions.sign_out()
    if header_sign_in.is_on():
        flask.flash(_("You are signed out here. Your network still knows you: close the browser, or sign in again."))
    elif settings_of_app().config.portal_url:
        flask.flash(
            _("You are signed out here. The portal and other purses may still know you: close the browser too.")
        )
    return flask.redirect(signed_out_address(), 303)


@blueprint.get("/enter")
@public
def enter() -> Response:
    """Let a browser in with a code from the portal, and take the code out of the address."""
    code = request.args.get("code", "")
    user_id = writing(lambda session: sessions.redeem_enter_code(session, code=code, now=clock.now()))
    if user_id is None:
        flask.flash(_("That way in has been used or is too old. Sign in here, or go back to the portal."))
        return flask.redirect("/sign-in")
    sessions.sign_in(user_id, way="portal")
    return flask.redirect("/")


def signed_out_address() -> str:
    """Return where signing out leads: to the sign-in page, and to no header that would sign in at once."""
    return f"/sign-in?by={BY_HAND}" if header_sign_in.is_on() else "/sign-in"


def _ask(error: str, username: str, following: str) -> str:
    return flask.render_template(
        "people/sign_in.html",
        error=error,
        username=username[:256],
        next=following,
        by_header=header_sign_in.is_on(),
    )
