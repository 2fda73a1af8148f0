"""A person's own page of where they are signed in: end one session, or all of them."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import signed_in
from app.db import reading, writing
from app.people import header_sign_in, open_sessions, rules, service, sessions
from app.people.browsers import browser_in_words
from app.people.pages import signed_out_address
from language import N_, _

WAYS = {"password": N_("with the password"), "portal": N_("from the portal"), "header": N_("by the network")}
WAYS |= {"station": N_("at a printer")}
ID = "int(max=9223372036854775807)"

blueprint = Blueprint("own", __name__, url_prefix="/me")


@blueprint.get("/sessions")
@signed_in
def show_sessions() -> str:
    """List the browsers in which this person is signed in, this one first."""
    found = open_sessions.list_open(reading(), user_id=current_user.id, now=clock.now())
    return flask.render_template(
        "people/own_sessions.html",
        sessions=sorted(found, key=lambda login: login.id != current_user.session_id),
        browser_in_words=browser_in_words,
        ways=WAYS,
        idle=rules.IDLE,
        absolute=rules.ABSOLUTE,
        by_header=header_sign_in.is_on(),
    )


@blueprint.post(f"/sessions/<{ID}:session_id>/end")
@signed_in
def end_session(session_id: int) -> Response:
    """End one session; ending this one is signing out."""
    user_id, now = current_user.id, clock.now()
    writing(lambda session: open_sessions.end_one(session, user_id=user_id, session_id=session_id, now=now))
    if session_id == current_user.session_id:
        sessions.forget()
        return flask.redirect(signed_out_address(), 303)
    flask.flash(_("That browser is signed out."), "ok")
    return flask.redirect(flask.url_for(".show_sessions"), 303)


@blueprint.post("/sessions/end-all")
@signed_in
def end_all_sessions() -> Response:
    """Sign out everywhere: every browser, and the clients on desktops."""
    user_id, now = current_user.id, clock.now()
    writing(lambda session: service.end_access(session, user_ids=[user_id], now=now))
    sessions.forget()
    flask.flash(_("You are signed out everywhere. Clients on your desktops need to be let in again."), "ok")
    return flask.redirect(signed_out_address(), 303)
