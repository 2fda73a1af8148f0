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
from app.errors import NotSignedInError, TooManyAttemptsError, UnavailableError
from app.people import credentials, sessions
from app.settings import settings_of_app
from app.web.addresses import safe_next

blueprint = Blueprint("people", __name__)


@blueprint.get("/sign-in")
@public
def show_sign_in() -> str | Response:
    """Ask for name and password."""
    following = safe_next(request.args.get("next")) or ""
    if current_user.is_authenticated:
        return flask.redirect(following or "/")
    return flask.render_template("people/sign_in.html", error="", username="", next=following)


@blueprint.post("/sign-in")
@public
def sign_in() -> tuple[str, int] | Response:
    """Check name and password with the directory and sign in."""
    username, following = request.form.get("username", ""), safe_next(request.form.get("next")) or ""
    try:
        user_id = credentials.check(username=username, password=request.form.get("password", ""))
    except (NotSignedInError, TooManyAttemptsError, UnavailableError) as exc:
        page = flask.render_template("people/sign_in.html", error=exc.message, username=username[:256], next=following)
        return page, http_status(exc)
    sessions.sign_in(user_id)
    return flask.redirect(following or "/", 303)


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> Response:
    """End this session."""
    sessions.sign_out()
    if settings_of_app().config.portal_url:
        flask.flash("You are signed out here. The portal and other purses may still know you: close the browser too.")
    return flask.redirect("/sign-in", 303)


@blueprint.get("/enter")
@public
def enter() -> Response:
    """Let a browser in with a code from the portal, and take the code out of the address."""
    code = request.args.get("code", "")
    user_id = writing(lambda session: sessions.redeem_enter_code(session, code=code, now=clock.now()))
    if user_id is None:
        flask.flash("That way in has been used or is too old. Sign in here, or go back to the portal.")
        return flask.redirect("/sign-in")
    sessions.sign_in(user_id)
    return flask.redirect("/")
