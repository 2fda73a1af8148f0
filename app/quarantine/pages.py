"""The administrators' pages of unknown names: look, assign to a person, dismiss, and the list as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock, money
from app.api.access import admin, auditor
from app.db import reading
from app.errors import InvalidInputError, UnavailableError
from app.internet.rules import size_in_words
from app.people import credentials
from app.people import service as people
from app.people.models import User
from app.printing.rules import pages_in_words
from app.quarantine import service
from app.quarantine.service import Booked, UnknownName
from app.settings import settings_of_app
from app.web.addresses import read_number, read_text
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _, _n

PAGE = 50
FOUND_MAX = 20
QUERY_LENGTH_MAX = 100
REASON_LENGTH_MAX = 200
HEAD = (
    N_("name"), N_("machines"), N_("first"), N_("last"), N_("bytes"), N_("requests"), N_("pages"),
    N_("jobs not printed"), N_("would charge"), N_("known as"),
)  # fmt: skip

blueprint = Blueprint("quarantine", __name__, url_prefix="/admin/people/unknown")


@blueprint.app_context_processor
def _count() -> dict[str, Callable[[], int]]:
    """Let a page say how many names wait; the books are only asked where it does."""
    return {
        "count_unknown_names": lambda: service.count(reading(), settings=settings_of_app(), now=clock.now()),
    }


@blueprint.get("")
@auditor
def list_names() -> str:
    """List the names that nobody has, the latest first."""
    found = service.list_names(reading(), settings=settings_of_app(), now=clock.now())
    skip = min(read_number(request.args.get("skip")) or 0, len(found))
    return flask.render_template(
        "quarantine/list.html",
        names=found[skip : skip + PAGE],
        total=len(found),
        cost=sum(name.cost for name in found),
        skip=skip,
        more=skip + PAGE if len(found) > skip + PAGE else None,
        page=PAGE,
        used=used_in_words,
    )


@blueprint.get("/names.csv")
@auditor
def download() -> Response:
    """Give the list as a file."""
    settings, now = settings_of_app(), clock.now()
    found = service.list_names(reading(), settings=settings, now=now)
    decimals, zone = settings.unit.decimals, settings.zone

    def moment(at: Any) -> str:
        return at.astimezone(zone).isoformat(timespec="seconds") if at else ""

    rows = [
        (
            guarded(name.key),
            guarded(", ".join(name.machines)),
            moment(name.first_at),
            moment(name.last_at),
            str(name.size_bytes),
            str(name.requests),
            str(name.pages),
            str(name.refused),
            money.plain(name.cost, decimals),
            guarded(name.holder.username) if name.holder else "",
        )
        for name in found
    ]
    response = flask.Response(BOM + as_csv([[_(column) for column in HEAD], *rows]), mimetype="text/csv")
    day = now.astimezone(zone).date().isoformat()
    response.headers["Content-Disposition"] = f'attachment; filename="unknown-names-{settings.config.id}-{day}.csv"'
    return response


@blueprint.get("/<handle>")
@auditor
def show(handle: str) -> str:
    """Show one name with what stands under it, and look for the person whose it is."""
    return _render(_get(handle))


@blueprint.post("/<handle>/assign")
@admin
def assign(handle: str) -> Response | tuple[str, int]:
    """Make the name an alias of a person and charge them what stands under it."""
    name, unit = _get(handle), settings_of_app().unit
    user_id = read_number(request.form.get("user_id"))
    person = people.get_user(reading(), user_id=user_id or 0)
    try:
        if name.holder is None:
            credentials.make_known(name.key)
        done = service.assign(
            name, user_id=person.id, settings=settings_of_app(), by=current_user.signature, now=clock.now()
        )
    except InvalidInputError as exc:
        return _render(name, error=exc.message), 422
    except UnavailableError as exc:
        return _render(name, error=exc.message), 503
    known = _("“%(name)s” is %(person)s now.", name=name.key, person=person.display_name)
    flask.flash(f"{known} {_done_in_words(done, unit)}", "ok")
    return flask.redirect(flask.url_for("accounts.show", user_id=person.id), 303)


@blueprint.post("/<handle>/dismiss")
@admin
def dismiss(handle: str) -> Response | tuple[str, int]:
    """Charge nobody for what stands under the name, for a reason that is kept."""
    name, reason = _get(handle), read_text(request.form, "reason", REASON_LENGTH_MAX).strip()
    if not reason:
        return _render(name, reason_error=_("Give a reason")), 422
    service.dismiss(name, reason=reason, by=current_user.signature, now=clock.now())
    flask.flash(_("What “%(name)s” used is charged to nobody. It is kept, with your reason.", name=name.key), "ok")
    return flask.redirect(flask.url_for(".list_names"), 303)


def used_in_words(name: UnknownName) -> str:
    """Return what stands under a name: "85 MB, 12 pages, 3 jobs not printed"."""
    parts = [size_in_words(name.size_bytes)] if name.rows else []
    parts += [pages_in_words(name.pages)] if name.pages else []
    parts += [_n("%(num)s job not printed", "%(num)s jobs not printed", name.refused)] if name.refused else []
    return ", ".join(parts)


def _get(handle: str) -> UnknownName:
    return service.get(reading(), handle=handle, settings=settings_of_app(), now=clock.now())


def _render(name: UnknownName, *, error: str = "", reason_error: str = "") -> str:
    query = read_text(request.values, "q", QUERY_LENGTH_MAX).strip()
    found: list[tuple[User, Any]] = []
    if query:
        found = people.list_users(reading(), query=query, after="", limit=FOUND_MAX + 1)
    return flask.render_template(
        "quarantine/name.html",
        name=name,
        query=query,
        people=found[:FOUND_MAX],
        too_many=len(found) > FOUND_MAX,
        error=error,
        reason_error=reason_error,
        reason=read_text(request.form, "reason", REASON_LENGTH_MAX),
        used=used_in_words(name),
        may_change=current_user.may("admin"),
    )


def _done_in_words(done: Booked, unit: Any) -> str:
    if not done.rows and not done.jobs:
        return _("Nothing more was to be charged.")
    charged = unit.price(done.charged)
    if not done.jobs:
        return _("Charged %(amount)s for what it had used.", amount=charged)
    return _n(
        "Charged %(amount)s for what it had used, %(num)s print job moved to them.",
        "Charged %(amount)s for what it had used, %(num)s print jobs moved to them.",
        done.jobs,
        amount=charged,
    )
