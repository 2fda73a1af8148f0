"""The administrators' pages of the people sync: have everybody read, watch, agree or refuse, see who changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask
import redis
from flask import Blueprint, current_app, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError, WrongStateError
from app.people import sync, sync_reports, sync_watch, sync_words
from app.people.sync_models import DirectoryPlace, DirectorySync
from app.settings import settings_of_app
from app.web.addresses import read_number
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _, numbers

ID = "int(max=9223372036854775807)"
OF_PASS = f"/<{ID}:sync_id>"
PASSES = 20
FIRST = 10
PAGE = 50
HEAD = (N_("what"), N_("username"), N_("name"), N_("was"), N_("is"), N_("identifier in the directory"))

blueprint = Blueprint("people_sync", __name__, url_prefix="/admin/people/sync")


@blueprint.get("")
@auditor
def show_passes() -> str:
    """Show how the people are kept up to date, and the last passes. While one is at work the page renews itself."""
    session, before = reading(), read_number(request.args.get("before"))
    found = sync_reports.list_passes(session, before=before, limit=PASSES + 1)
    place = session.get(DirectoryPlace, sync_watch.ASKED)
    return _render(
        "sync",
        passes=found[:PASSES],
        older=found[PASSES - 1].id if len(found) > PASSES else None,
        before=before,
        total=sync_reports.count_passes(session),
        at_work=sync_reports.at_work(session),
        waiting=sync_reports.waiting(session),
        last=sync_reports.last_good(session),
        follows=sync_reports.follows_changes(session),
        asked_at=place.updated_at if place is not None else None,
    )


@blueprint.get(OF_PASS)
@auditor
def show_pass(sync_id: int) -> str:
    """Show what a pass changed, would change or is doing."""
    session = reading()
    one = sync.get(session, sync_id=sync_id)
    only = request.args.get("what", "")
    only = only if only in sync_words.WHAT else ""
    after, limit = read_number(request.args.get("after")) or 0, PAGE if only else FIRST
    parts = []
    for what in [only] if only else sync_words.WHAT:
        found = sync_reports.list_changes(session, sync_id=sync_id, what=what, after=after, limit=limit + 1)
        more = found[limit - 1].id if len(found) > limit else None
        parts.append((what, found[:limit], more))
    return _render(
        "sync_pass", one=one, parts=parts, only=only, after=after, at_work=one if one.state in sync.AT_WORK else None
    )


@blueprint.get(OF_PASS + "/people.csv")
@auditor
def download(sync_id: int) -> Response:
    """Give everybody whom a pass changed, or would, as a file."""
    session, settings = reading(), settings_of_app()
    one = sync.get(session, sync_id=sync_id)

    def parts() -> Iterator[str]:
        yield BOM + as_csv([[_(column) for column in HEAD]])
        rows: list[list[str]] = []
        for change in sync_reports.every_change(session, sync_id=sync_id):
            was, is_now = sync_words.cells_in_words(change.what, change.was, change.now)
            cells = (change.username, change.name, was, is_now, change.directory_id)
            rows.append([_(sync_words.WHAT[change.what]), *map(guarded, cells)])
            if len(rows) >= sync_reports.PART:
                yield as_csv(rows)
                rows = []
        yield as_csv(rows)

    response = flask.Response(flask.stream_with_context(parts()), mimetype="text/csv")
    name = f"people-sync-{one.id}-{settings.config.id}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


@blueprint.post("")
@admin
def begin() -> Response:
    """Have everybody read: to apply what changed, or only to say it."""
    kind, now = request.form.get("kind", ""), clock.now()
    if kind not in ("full", "preview"):
        raise InvalidInputError(
            _("The form came without what it asks for. Nothing was changed. Go back and try again.")
        )
    try:
        made = writing(lambda session: sync.begin(session, kind=kind, asked_by=current_user.signature, now=now))
    except WrongStateError as exc:
        flask.flash(exc.message, "bad")
        return flask.redirect(flask.url_for(".show_passes"), 303)
    _ask_for(made.id)
    return _back_to(made)


@blueprint.post(OF_PASS + "/approve")
@admin
def approve(sync_id: int) -> Response:
    """Have a waiting pass applied."""
    return _change(sync.approve, sync_id, _("Agreed. It is being applied."), ask=True)


@blueprint.post(OF_PASS + "/discard")
@admin
def discard(sync_id: int) -> Response:
    """Let a waiting pass change nothing."""
    return _change(sync.discard, sync_id, _("Discarded. Nobody was changed."))


@blueprint.post(OF_PASS + "/cancel")
@admin
def cancel(sync_id: int) -> Response:
    """Stop a pass."""
    return _change(sync.cancel, sync_id, _("Stopped. What was applied by then stays; the next pass does the rest."))


def _change(verb: Any, sync_id: int, done: str, *, ask: bool = False) -> Response:
    now = clock.now()
    try:
        writing(lambda session: verb(session, sync_id=sync_id, by=current_user.signature, now=now))
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
    else:
        flask.flash(done, "ok")
        if ask:
            _ask_for(sync_id)
    return _back_to(sync.get(reading(), sync_id=sync_id))


def _ask_for(sync_id: int) -> None:
    try:
        current_app.extensions["twinpurse.jobs"].enqueue("app.people.tasks.sync_people", sync_id)
    except redis.RedisError:
        flask.flash(_("The queue does not answer. It begins by itself when the queue is back."), "warn")


def _render(template: str, *, at_work: DirectorySync | None, **context: Any) -> str:
    return flask.render_template(
        f"people/{template}.html",
        at_work=at_work,
        refreshes=at_work is not None and "still" not in request.args,
        progress=sync_reports.progress(at_work, clock.now()) if at_work is not None else None,
        counts=sync_reports.counts,
        changes_of=sync_reports.total,
        what_words=sync_words.WHAT,
        in_words=sync_words.count_in_words,
        told=sync_words.message_in_words,
        told_of=sync_words.reason_in_words,
        groups_in_words=sync_words.groups_in_words,
        seconds=numbers.figure,
        **context,
    )


def _back_to(one: DirectorySync) -> Response:
    return flask.redirect(flask.url_for(".show_pass", sync_id=one.id), 303)
