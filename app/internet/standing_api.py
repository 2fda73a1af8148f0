"""The door for access helpers: /api/v1/internet/standing."""

from __future__ import annotations

import json

from flask import Blueprint, Flask, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from app.api.access import machine
from app.db import reading
from app.internet.standing import StandingTable
from app.settings import settings_of_app

TABLE = "twinpurse.standing"

blueprint = Blueprint("standing_api", __name__, url_prefix="/api/v1/internet")


def _make_table(state: BlueprintSetupState) -> None:
    state.app.extensions[TABLE] = StandingTable()


blueprint.record(_make_table)


def table_of_app(app: Flask | None = None) -> StandingTable:
    """Return the table of this application."""
    table: StandingTable = (app or current_app).extensions[TABLE]
    return table


@blueprint.get("/standing")
@machine("internet")
def read_standing() -> Response:
    """Say of every user whether they may go on; with `since` only of those that changed, 304 when nobody did.

    The ETag is the version that `since` takes. "users": true, false, "slow" or "warn"; null for a name that is gone.
    """
    since = request.args.get("since", "")
    told = table_of_app().tell(reading(), settings=settings_of_app(), since=since)
    if told.users is None or (not since and request.if_none_match.contains(told.version)):
        response = Response(status=304)
    else:
        body = {**told.header, "version": told.version, "full": told.full, "users": told.users}
        response = Response(json.dumps(body, separators=(",", ":")), mimetype="application/json")
    response.set_etag(told.version)
    return response
