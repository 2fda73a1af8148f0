"""The administrators' page of a person's other names: which there are, add one, remove one."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError, UnavailableError
from app.people import aliases, credentials, service
from app.people.models import User
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import _

ID = "int(max=9223372036854775807)"
NAME_LENGTH_MAX = 256

blueprint = Blueprint("person_names", __name__, url_prefix="/admin/people")


@blueprint.get(f"/<{ID}:user_id>/names")
@auditor
def show(user_id: int) -> str:
    """Show the names that lead to a person."""
    return _render(service.get_user(reading(), user_id=user_id))


@blueprint.post(f"/<{ID}:user_id>/names")
@admin
def add(user_id: int) -> Response | tuple[str, int]:
    """Add an alias."""
    user, typed = service.get_user(reading(), user_id=user_id), request.form.get("name", "").strip()
    domains = settings_of_app().config.directory.domains
    try:
        credentials.make_known(typed)
        row = writing(
            lambda session: aliases.add(
                session, user_id=user_id, name=typed, domains=domains, by=current_user.signature, now=clock.now()
            )
        )
    except InvalidInputError as exc:
        return _render(user, typed=typed, error=exc.message), 422
    except UnavailableError as exc:
        return _render(user, typed=typed, error=exc.message), 503
    flask.flash(_("“%(name)s” leads to %(person)s now.", name=row.name_key, person=user.display_name), "ok")
    return _back(user_id)


@blueprint.post(f"/<{ID}:user_id>/names/remove")
@admin
def remove(user_id: int) -> Response:
    """Remove another name."""
    name_key = request.form.get("name", "")
    writing(
        lambda session: aliases.remove(
            session, user_id=user_id, name_key=name_key, by=current_user.signature, now=clock.now()
        )
    )
    flask.flash(_("“%(name)s” does not lead here any more.", name=name_key), "ok")
    return _back(user_id)


def _render(user: User, *, typed: str = "", error: str = "") -> str:
    return flask.render_template(
        "people/names.html",
        person=user,
        names=aliases.names_of(reading(), user_id=user.id),
        domains=settings_of_app().config.directory.domains,
        typed=read_text({"name": typed}, "name", NAME_LENGTH_MAX),
        error=error,
        may_change=current_user.may("admin"),
    )


def _back(user_id: int) -> Response:
    return flask.redirect(flask.url_for(".show", user_id=user_id), 303)
