"""The administrators' page of Wi-Fi: which sessions run now, and ending one."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.internet.rules import MB, size_in_words
from app.purse.rules import ago_in_words
from app.radius import ending
from language import _

ID = "int(max=9223372036854775807)"
SHOWN_MAX = 500

blueprint = Blueprint("wifi", __name__, url_prefix="/admin/internet-use/wifi")


@blueprint.get("")
@auditor
def show_sessions() -> str:
    """List the sessions that run, who used most first."""
    running = ending.list_sessions(reading(), now=clock.now())
    return flask.render_template(
        "internet/wifi.html",
        running=running[:SHOWN_MAX],
        total=len(running),
        most=max((each.row.bytes for each in running), default=0),
        size_in_words=size_in_words,
        ago_in_words=ago_in_words,
        millionths=MB,
    )


@blueprint.post(f"/<{ID}:row_id>/end")
@admin
def end_session(row_id: int) -> Response:
    """Ask for the end of a session; the controller is told within seconds."""
    by = current_user.display_name
    row = writing(lambda session: ending.ask_to_end(session, row_id=row_id, by=by, now=clock.now()))
    if row.ended_at is not None:
        flask.flash(_("The session of %(name)s has ended already.", name=row.username), "info")
    elif row.nas:
        flask.flash(_("%(nas)s is told to end the session of %(name)s.", nas=row.nas, name=row.username), "ok")
    else:
        flask.flash(_("The controller is told to end the session of %(name)s.", name=row.username), "ok")
    return flask.redirect(flask.url_for(".show_sessions"), 303)
