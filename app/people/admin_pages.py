"""The administrators' list of people; the page of one person's account is the accounts' room."""

from __future__ import annotations

import flask
from flask import Blueprint, request

from app.api.access import admin
from app.db import reading
from app.people import service
from app.web.addresses import read_text

PAGE = 50
QUERY_LENGTH_MAX = 100

blueprint = Blueprint("people_admin", __name__, url_prefix="/admin/people")


@blueprint.get("")
@admin
def list_people() -> str:
    """List the people who have a purse, by user name, or those who match a search."""
    session = reading()
    query = read_text(request.args, "q", QUERY_LENGTH_MAX).strip()
    after = read_text(request.args, "after", 256)
    found = service.list_users(session, query=query, after=after, limit=PAGE + 1)
    return flask.render_template(
        "people/list.html",
        people=found[:PAGE],
        query=query,
        after=after,
        more=found[PAGE - 1][0].username if len(found) > PAGE else "",
        total=service.count_users(session, query=""),
        matching=service.count_users(session, query=query),
    )
