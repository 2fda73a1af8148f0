"""The administrators' pages of guests: people with a password of this instance alone, until a day."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import flask
from flask import Blueprint
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError
from app.people import credentials, local
from app.people.local import LocalPerson
from app.people.local_forms import GuestForm, PasswordForm, UntilForm, last_day
from app.settings import settings_of_app
from directory.interface import DirectoryError
from language import N_, _, dates

ID = "int(max=9223372036854775807)"
USUALLY = timedelta(days=30)
UNSURE = N_("The network’s directory does not answer, so nobody knows whether the name is free. Try again soon")
TAKEN = N_("The network’s directory has somebody of this name. Choose another")

blueprint = Blueprint("guests", __name__, url_prefix="/admin/guests")


@blueprint.get("")
@auditor
def list_guests() -> str:
    """List every guest, and until when each may sign in."""
    return flask.render_template(
        "people/guests.html", guests=local.list_guests(reading()), last_day=_last_day, administrators=_administrators()
    )


@blueprint.get("/new")
@admin
def show_new() -> str:
    """Ask who the guest is."""
    form = GuestForm(formdata=None)
    form.until.data = (clock.now().astimezone(settings_of_app().zone).date() + USUALLY).isoformat()
    return flask.render_template("people/guest_new.html", form=form)


@blueprint.post("/new")
@admin
def make() -> tuple[str, int] | str:
    """Make a guest, and show the password this once."""
    form, zone, now, by = GuestForm(), settings_of_app().zone, clock.now(), current_user.signature
    if not form.validate():
        return flask.render_template("people/guest_new.html", form=form), 422
    username = local.clean_name(form.username.data)
    try:
        if credentials.directory_of_app().find(username) is not None:
            form.username.errors = [_(TAKEN)]
            return flask.render_template("people/guest_new.html", form=form), 422
    except DirectoryError:
        form.username.errors = [_(UNSURE)]
        return flask.render_template("people/guest_new.html", form=form), 503
    password, shown = form.choose(), local.clean_display_name(form.display_name.data)
    try:
        user_id = writing(
            lambda session: (
                local.create(
                    session,
                    username=username,
                    display_name=shown,
                    password=password,
                    expires_at=form.expires_at(zone),
                    made_by=by,
                    now=now,
                ).id
            )
        )
    except InvalidInputError as exc:
        form.username.errors = [exc.message]
        return flask.render_template("people/guest_new.html", form=form), 422
    return _show_once(_guest(user_id), password, "made")


@blueprint.get(f"/<{ID}:user_id>")
@auditor
def show(user_id: int) -> str:
    """Show one guest, and what may be done."""
    return _render(_guest(user_id))


@blueprint.post(f"/<{ID}:user_id>/until")
@admin
def extend(user_id: int) -> Response | tuple[str, int]:
    """Let a guest sign in until another day."""
    form, guest, now = UntilForm(), _guest(user_id), clock.now()
    if not form.validate():
        return _render(guest, until=form), 422
    expires_at = form.expires_at(settings_of_app().zone)
    writing(lambda session: local.extend(session, user_id=user_id, expires_at=expires_at, now=now))
    day = dates.day(last_day(expires_at, _zone()), year=True)
    flask.flash(_("%(name)s may sign in until the end of %(day)s.", name=guest.user.display_name, day=day), "ok")
    return flask.redirect(flask.url_for(".show", user_id=user_id), 303)


@blueprint.post(f"/<{ID}:user_id>/password")
@admin
def change_password(user_id: int) -> tuple[str, int] | str:
    """Give a guest another password, and show it this once."""
    form, guest, now, by = PasswordForm(), _guest(user_id), clock.now(), current_user.signature
    form.name_in_use = guest.user.username
    if not form.validate():
        return _render(guest, password=form), 422
    password = form.choose()
    writing(lambda session: local.change_password(session, user_id=user_id, password=password, made_by=by, now=now))
    return _show_once(_guest(user_id), password, "changed")


@blueprint.post(f"/<{ID}:user_id>/end")
@admin
def end(user_id: int) -> Response:
    """End a guest's time now; purse and history stay."""
    guest, now = _guest(user_id), clock.now()
    writing(lambda session: local.end(session, user_id=user_id, now=now))
    flask.flash(_("%(name)s is signed out and cannot sign in any more.", name=guest.user.display_name), "ok")
    return flask.redirect(flask.url_for(".show", user_id=user_id), 303)


def _guest(user_id: int) -> LocalPerson:
    """Return a guest. The administrator who is made by a command on the server is changed by that command only."""
    found = local.get(reading(), user_id=user_id)
    if found.user.is_admin:
        raise NotFoundError(_("There is no such guest here."))
    return found


def _render(guest: LocalPerson, *, until: UntilForm | None = None, password: PasswordForm | None = None) -> str:
    if until is None:
        until = UntilForm(formdata=None)
        until.until.data = (clock.now().astimezone(_zone()).date() + USUALLY).isoformat()
    return flask.render_template(
        "people/guest.html",
        guest=guest,
        may_sign_in=guest.may_sign_in(clock.now()),
        last_day=_last_day,
        forms={"until": until, "password": password or PasswordForm(formdata=None)},
    )


def _show_once(guest: LocalPerson, password: str, done: str) -> str:
    return flask.render_template(
        "people/guest_password.html", guest=guest, password=password, done=done, last_day=_last_day
    )


def _administrators() -> list[LocalPerson]:
    return local.list_administrators(reading())


def _last_day(guest: LocalPerson) -> str:
    expires_at = guest.password.expires_at
    return dates.day(last_day(expires_at, _zone()), year=True) if expires_at else _("no end")


def _zone() -> ZoneInfo:
    return settings_of_app().zone
