"""The administrators' list of people; the page of one person's account is the accounts' room."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.people import service
from app.web.addresses import read_text
from language import N_, _

PAGE = 50
QUERY_LENGTH_MAX = 100
STATUS_WORDS = {"active": N_("Active"), "disabled": N_("Disabled"), "gone": N_("Gone")}

blueprint = Blueprint("people_admin", __name__, url_prefix="/admin/people")


@blueprint.get("")
@auditor
def list_people() -> str:
    """List the people who have a purse, by user name, or those who match a search."""
    session = reading()
    query = read_text(request.args, "q", QUERY_LENGTH_MAX).strip()
    after = read_text(request.args, "after", 256)
    status = request.args.get("status", "")
    status = status if status in STATUS_WORDS else ""
    found = service.list_users(session, query=query, after=after, limit=PAGE + 1, status=status)
    return flask.render_template(
        "people/list.html",
        people=found[:PAGE],
        query=query,
        status=status,
        status_words=STATUS_WORDS,
        after=after,
        more=found[PAGE - 1][0].username if len(found) > PAGE else "",
        total=service.count_users(session, query=""),
        matching=service.count_users(session, query=query, status=status),
    )


@blueprint.post("/<int(max=9223372036854775807):user_id>/sign-out")
@admin
def sign_out_everywhere(user_id: int) -> Response:
    """End all sessions of a person, and the clients on their desktops."""
    person, now = service.get_user(reading(), user_id=user_id).display_name, clock.now()
    writing(lambda session: service.end_access(session, user_ids=[user_id], now=now))
    flask.flash(_("%(name)s is signed out everywhere.", name=person), "ok")
    return flask.redirect(flask.url_for("accounts.show", user_id=user_id), 303)
