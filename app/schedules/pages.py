"""The administrators' pages of schedules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms.fields.choices import SelectChoice

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import WrongStateError
from app.people import groups
from app.schedules import initial, preview_card, reach, reports, rules, service
from app.schedules.forms import ScheduleForm, values_of
from app.schedules.models import Run, Schedule
from app.schedules.terms import Terms
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import _, _n

blueprint = Blueprint("schedules", __name__, url_prefix="/admin/schedules")

BY_ID = "/<int(max=9223372036854775807):schedule_id>"  # what a column holds: a larger one is just not found
PREVIEW_RUNS = 5
RUNS_SHOWN = 12
GROUPS_SHOWN = 30
QUERY_LENGTH_MAX = 100
DAYS_FIELDS = {"weekdays", "every_weeks", "month_day", "ordinal", "month_weekday", "dates"}
WHEN_FIELDS = {"period", "time_of_day", "time_zone"} | DAYS_FIELDS

Page = tuple[str, int]


@dataclass(frozen=True)
class Row:
    """A schedule in the list. `state`: "active", "paused" or "ended" (no run will follow).

    `skipped` is the coming run that is left out; `next_run` the next that is not.
    """

    schedule: Schedule
    when: str
    next_run: rules.Upcoming | None
    skipped: rules.Upcoming | None
    state: str
    last_run: Run | None


@dataclass(frozen=True)
class Card:
    """What stands beside the form. A part that the fields do not yield yet is None; `left_out` days are not in it.

    `dropped` is the skipped run that would not be skipped any more if the fields were saved. `complete`: the sentence
    can be said whole.
    """

    terms: Terms
    when: str | None
    runs: list[rules.Upcoming]
    dry: preview_card.DryRun | None
    left_out: bool
    dropped: rules.Upcoming | None
    complete: bool


@dataclass(frozen=True)
class Choice:
    """The groups that the form offers: what was looked for, how many match, how many there are, how many of the
    matching are not shown."""

    typed: str
    matching: int
    total: int
    left: int
    all: int = GROUPS_SHOWN


@blueprint.get("")
@auditor
def list_schedules() -> str:
    """List all schedules."""
    session, now = reading(), clock.now()
    last = service.last_runs(session)
    rows = [_row(schedule, last.get(schedule.id), now) for schedule in service.list_all(session)]
    return flask.render_template("schedules/list.html", rows=rows, zone_name=rules.zone_name, who=_who)


@blueprint.get("/new")
@admin
def show_new() -> str:
    """Show the empty form."""
    form = ScheduleForm(data={"time_zone": settings_of_app().config.time_zone})
    return _form_page(form, None)


@blueprint.post("/new")
@admin
def create() -> Page | Response:
    """Keep a new schedule, or show the form again with a preview or with what is wrong."""
    form = ScheduleForm()
    terms, problems = form.read(settings_of_app().unit)
    if "find" in request.form:
        return _form_page(form, None), 200
    if problems or "preview" in request.form:
        form.show(problems)
        return _form_page(form, None), 422 if problems else 200
    form_id = form.sent_id
    schedule = writing(lambda session: service.create(session, terms=terms, now=clock.now(), form_id=form_id))
    flask.flash(_("Schedule saved. %(following)s", following=_what_follows(schedule)), "ok")
    return flask.redirect(flask.url_for(".list_schedules"), 303)


@blueprint.get(BY_ID)
@auditor
def show(schedule_id: int) -> str:
    """Show a schedule in its form, with its runs."""
    schedule = service.get(reading(), schedule_id=schedule_id)
    return _form_page(ScheduleForm(data=values_of(schedule, settings_of_app().unit)), schedule)


@blueprint.post(BY_ID)
@admin
def edit(schedule_id: int) -> Page | Response:
    """Change a schedule, or show the form again with a preview, with what is wrong, or because it has changed."""
    schedule = service.get(reading(), schedule_id=schedule_id)
    form = ScheduleForm()
    terms, problems = form.read(settings_of_app().unit)
    if "find" in request.form:
        return _form_page(form, schedule), 200
    if problems or "preview" in request.form:
        form.show(problems)
        return _form_page(form, schedule), 422 if problems else 200
    version = form.shown_version
    try:
        changed = writing(
            lambda session: service.edit(
                session, schedule_id=schedule_id, version=version, terms=terms, now=clock.now()
            )
        )
    except WrongStateError as exc:
        schedule = service.get(reading(), schedule_id=schedule_id)
        return _form_page(form, schedule, conflict=exc.message), 409
    flask.flash(_("Schedule saved. %(following)s", following=_what_follows(changed)), "ok")
    return flask.redirect(flask.url_for(".list_schedules"), 303)


@blueprint.post(BY_ID + "/pause")
@admin
def pause(schedule_id: int) -> Response:
    """Stop making runs."""
    schedule = writing(lambda session: service.pause(session, schedule_id=schedule_id, now=clock.now()))
    flask.flash(_("“%(name)s” is paused. It credits nobody until you resume it.", name=schedule.name), "ok")
    return _back_to(schedule_id)


@blueprint.post(BY_ID + "/resume")
@admin
def resume(schedule_id: int) -> Response:
    """Make runs again."""
    schedule = writing(lambda session: service.resume(session, schedule_id=schedule_id, now=clock.now()))
    flask.flash(_("“%(name)s” runs again. %(following)s", name=schedule.name, following=_what_follows(schedule)), "ok")
    return _back_to(schedule_id)


@blueprint.post(BY_ID + "/skip")
@admin
def skip(schedule_id: int) -> Response:
    """Leave out the next run, which the page names."""
    return _change_skip(service.skip_next, schedule_id)


@blueprint.post(BY_ID + "/undo-skip")
@admin
def undo_skip(schedule_id: int) -> Response:
    """Let the skipped run be made after all."""
    return _change_skip(service.undo_skip, schedule_id)


@blueprint.get(BY_ID + "/delete")
@admin
def show_delete(schedule_id: int) -> str:
    """Ask whether to delete a schedule, and say what stays."""
    session = reading()
    schedule = service.get(session, schedule_id=schedule_id)
    count, total = service.sum_runs(session, schedule_id=schedule_id)
    row = _row(schedule, None, clock.now())
    coming = rules.moment_in_words(row.next_run.at, clock.now()) if row.next_run and row.state == "active" else ""
    return flask.render_template("schedules/delete.html", row=row, coming=coming, count=count, total=total)


@blueprint.post(BY_ID + "/delete")
@admin
def delete(schedule_id: int) -> Response:
    """Take a schedule out of use."""
    name = service.get(reading(), schedule_id=schedule_id).name
    writing(lambda session: service.delete(session, schedule_id=schedule_id, now=clock.now()))
    flask.flash(_("“%(name)s” is deleted. What it credited stays.", name=name), "ok")
    return flask.redirect(flask.url_for(".list_schedules"), 303)


def _form_page(form: ScheduleForm, schedule: Schedule | None, *, conflict: str = "") -> str:
    settings, session = settings_of_app(), reading()
    choice = _offer_groups(session, form)
    terms, problems = form.read(settings.unit)
    context: dict[str, Any] = {}
    if schedule is not None:
        runs = reports.list_runs(session, schedule_id=schedule.id, limit=RUNS_SHOWN)
        context = {"row": _row(schedule, None, clock.now()), "runs": runs}
        context["zone"] = service.recurrence(schedule).zone
    return flask.render_template(
        "schedules/form.html",
        form=form,
        schedule=schedule,
        conflict=conflict,
        choice=choice,
        card=_card(terms, problems, schedule, clock.now()),
        everyone=_people(reach.count_people(session)),
        zones=rules.zone_names(),
        zone_name=rules.zone_name,
        who=_who,
        **context,
    )


def _offer_groups(session: Session, form: ScheduleForm) -> Choice:
    """Offer the groups that are ticked and others: all where they are few, else those that somebody looks for."""
    typed, ticked = read_text(request.values, "group", QUERY_LENGTH_MAX).strip(), form.groups.data or ()
    found, matching = groups.choose_groups(session, names=ticked, query=typed, limit=GROUPS_SHOWN)
    found.sort(key=lambda pair: pair[0].name_key)
    form.groups.choices = [SelectChoice(group.name, f"{group.name} ({_people(count)})") for group, count in found]
    hidden = matching - sum(typed.casefold() in group.name_key for group, _count in found)
    return Choice(typed, matching, groups.count_groups(session), hidden)


def _card(terms: Terms, problems: dict[str, str], schedule: Schedule | None, now: datetime) -> Card:
    """Preview what the fields yield; a first or last day that is wrong is left out until it is corrected."""
    left_out = bool({"starts_on", "ends_on"} & problems.keys())
    if "starts_on" in problems:
        terms = replace(terms, starts_on=None)
    if "ends_on" in problems:
        terms = replace(terms, ends_on=None)
    when, runs, dry, dropped = None, [], None, None
    if not WHEN_FIELDS & problems.keys():
        recurrence = service.recurrence(terms, anchor=service.anchor_of(terms, schedule, now))
        when = rules.when_in_words(recurrence)
        if schedule is not None and recurrence == replace(service.recurrence(schedule), skipped=""):
            runs = service.upcoming(schedule, now=now, count=PREVIEW_RUNS)
        else:
            runs = rules.upcoming(recurrence, after=now, count=PREVIEW_RUNS)
            dropped = _row(schedule, None, now).skipped if schedule is not None else None
    complete = when is not None and not preview_card.WHAT_FIELDS & problems.keys()
    if not preview_card.WHAT_FIELDS & problems.keys() and terms.period != "first_seen":
        dry = preview_card.dry_run(reading(), terms=terms, schedule=schedule, now=now)
    return Card(terms, when, runs, dry, left_out, dropped, complete)


def _row(schedule: Schedule, last_run: Run | None, now: datetime) -> Row:
    when = rules.when_in_words(service.recurrence(schedule))
    coming = service.upcoming(schedule, now=now, count=2)
    next_run = next((run for run in coming if not run.skipped), None)
    skipped = next((run for run in coming if run.skipped), None)
    goes_on = not initial.is_over(schedule, now) if schedule.period == "first_seen" else next_run is not None
    state = "paused" if schedule.paused_at else "active" if goes_on else "ended"
    return Row(schedule, when, next_run, skipped, state, last_run)


def _who(schedule: Schedule | Terms) -> str:
    if schedule.everyone:
        return _("everyone")
    return rules.list_in_words([group if isinstance(group, str) else group.name for group in schedule.groups])


def _what_follows(schedule: Schedule) -> str:
    if schedule.paused_at is not None:
        return _("It is paused.")
    row = _row(schedule, None, clock.now())
    if row.state == "ended":
        is_once = schedule.period == "first_seen"
        return _("Nobody gets it: its last day is past.") if is_once else _("No run follows: its last day is past.")
    if row.next_run is None:
        return _("Everybody it reaches who is first seen here from now on gets it.")
    return _("Next run: %(when)s.", when=rules.moment_in_words(row.next_run.at, clock.now()))


def _change_skip(change: Callable[..., Schedule], schedule_id: int) -> Response:
    occurrence, by = request.form.get("occurrence", "")[:16], f"{current_user.display_name} ({current_user.username})"
    try:
        schedule = writing(
            lambda session: change(session, schedule_id=schedule_id, occurrence=occurrence, by=by, now=clock.now())
        )
    except WrongStateError as exc:
        flask.flash(_("%(problem)s Nothing was changed.", problem=exc.message), "bad")
    else:
        name, following = schedule.name, _what_follows(schedule)
        if schedule.skipped:
            done = _("“%(name)s”: one run is skipped. %(following)s", name=name, following=following)
        else:
            done = _("“%(name)s”: nothing is skipped. %(following)s", name=name, following=following)
        flask.flash(done, "ok")
    return flask.redirect(flask.url_for(".list_schedules"), 303) if "list" in request.form else _back_to(schedule_id)


def _people(count: int) -> str:
    return _n("%(num)s person", "%(num)s people", count)


def _back_to(schedule_id: int) -> Response:
    return flask.redirect(flask.url_for(".show", schedule_id=schedule_id), 303)
