"""A person's own page of what is kept about them, for how long, and the files in which they take it away."""

from __future__ import annotations

from typing import IO

import flask
from flask import Blueprint, Response
from flask_login import current_user

from app import clock
from app.api.access import signed_in
from app.db import reading
from app.errors import NotFoundError
from app.own_data import files, retention
from app.own_data.parts import Owner
from app.people.rules import name_key
from app.settings import settings_of_app
from language import _

blueprint = Blueprint("own_data", __name__, url_prefix="/me/data")


@blueprint.get("")
@signed_in
def show() -> str:
    """Say what is kept and for how long, and offer the files."""
    settings = settings_of_app()
    return flask.render_template("own_data/own_data.html", kept=retention.kept(reading(), settings))


@blueprint.get("/everything.json")
@signed_in
def download_json() -> Response:
    """Give everything as one document for programs."""
    file = files.as_json(_owner(), settings=settings_of_app(), now=clock.now())
    return _attached(file, "everything", "json", "application/json")


@blueprint.get("/everything.zip")
@signed_in
def download_archive() -> Response:
    """Give everything as tables."""
    file = files.as_archive(_owner(), settings=settings_of_app(), now=clock.now())
    return _attached(file, "everything", "zip", "application/zip")


@blueprint.get("/<key>.csv")
@signed_in
def download_table(key: str) -> Response:
    """Give one part as a table. Raises NotFoundError."""
    part = {each.key: each for each in files.parts_of(settings_of_app())}.get(key)
    if part is None:
        raise NotFoundError(_("There is no such table."))
    return _attached(files.as_table(part, _owner(), settings=settings_of_app()), key, "csv", "text/csv")


def _owner() -> Owner:
    return Owner(current_user.id, name_key(current_user.username))


def _attached(file: IO[bytes], name: str, suffix: str, mimetype: str) -> Response:
    settings = settings_of_app()
    day = clock.now().astimezone(settings.zone).date().isoformat()
    response = flask.Response(files.pieces(file), mimetype=mimetype)
    response.content_length = files.size_of(file)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{settings.config.id}-{day}.{suffix}"'
    return response
