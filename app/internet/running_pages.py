"""The administrators' page of what runs through the proxies now, and the button that ends one connection."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.internet import running
from app.internet.rules import size_in_words
from app.web.addresses import read_text
from language import _

blueprint = Blueprint("internet_running", __name__, url_prefix="/admin/internet-use/running")

SHOWN = 500
RENEWED_AFTER_S = 10
LENGTH_MAX = 200


@blueprint.get("")
@auditor
def show() -> Response:
    """List what runs, the largest first. It is asked for again every ten seconds, unless the address says "still"."""
    found = running.list_running(reading(), now=clock.now())
    found.sort(key=lambda run: -(run.download + run.upload))
    renews = "still" not in request.args
    page = flask.render_template(
        "internet/running.html", runs=found[:SHOWN], total=len(found), renews=renews, size=size_in_words
    )
    response = flask.make_response(page)
    if renews:
        response.headers["Refresh"] = str(RENEWED_AFTER_S)
    return response


@blueprint.post("/end")
@admin
def end() -> Response:
    """Ask the proxy to end one connection."""
    connection_id = read_text(request.form, "connection", LENGTH_MAX)
    source, by = read_text(request.form, "source", LENGTH_MAX), str(current_user.username)
    writing(
        lambda session: running.ask_end(session, connection_id=connection_id, source=source, by=by, now=clock.now())
    )
    flask.flash(_("The proxy is asked to end it. What went through is charged."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)
