"""The administrators' pages of runs: make one now, watch, cancel or resume it, take it back, see whom it credited."""

from __future__ import annotations

import re
import secrets
from typing import Any
from zoneinfo import ZoneInfo

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.schedules import forecast, preview_card, reach, reports, reversals, rules, run_files, runs, service
from app.schedules.forms import ScheduleForm
from app.schedules.models import Run, Schedule
from app.schedules.reach import Credit
from app.settings import settings_of_app
from app.web.addresses import read_number, read_text
from language import _

ID = "int(max=9223372036854775807)"
OF_SCHEDULE = f"/<{ID}:schedule_id>"
OF_RUN = f"{OF_SCHEDULE}/runs/<{ID}:run_id>"
PAGE = 50
QUERY_LENGTH_MAX = 100
NAME_LENGTH_MAX = 256

blueprint = Blueprint("schedule_runs", __name__, url_prefix="/admin/schedules")


@blueprint.get("/runs")
@auditor
def list_all_runs() -> str:
    """List the runs of all schedules, the newest first."""
    return _list_page(None)


@blueprint.get(OF_SCHEDULE + "/runs")
@auditor
def list_runs(schedule_id: int) -> str:
    """List all runs of one schedule, which may be deleted."""
    return _list_page(_schedule(reading(), schedule_id))


@blueprint.get(OF_RUN)
@auditor
def show_run(schedule_id: int, run_id: int) -> str:
    """Show what a run does or did. While it is at work the page asks for itself again every few seconds."""
    session = reading()
    run = reports.get(session, schedule_id=schedule_id, run_id=run_id)
    at_work, events = run.state in runs.AT_WORK, reports.list_events(session, run_id=run_id)
    query = read_text(request.args, "q", QUERY_LENGTH_MAX).strip()
    after = read_text(request.args, "after", NAME_LENGTH_MAX)
    found: list[reports.Credited] = []
    if not at_work:  # a list that grows under the reader's eyes is asked for too often to be worth its sorting
        found = reports.list_credited(session, run=run, query=query, after=after, limit=PAGE + 1)
    return _render(
        "run",
        _schedule(session, schedule_id),
        run=run,
        whom=_whom(session, run),
        events=events,
        progress=reports.progress(run, events, clock.now()),
        at_work=at_work,
        refreshes=at_work and "still" not in request.args,
        people=found[:PAGE],
        more=found[PAGE - 1].username if len(found) > PAGE else "",
        query=query,
        after=after,
        matching=0 if at_work else reports.count_credited(session, run=run, query=query),
    )


@blueprint.get(OF_RUN + "/people.csv")
@auditor
def download_credited(schedule_id: int, run_id: int) -> Response:
    """Give the people whom a run credited as a file."""
    session, settings = reading(), settings_of_app()
    run = reports.get(session, schedule_id=schedule_id, run_id=run_id)
    parts = run_files.credited_parts(session, run=run, zone=settings.zone, decimals=settings.unit.decimals)
    return _file(parts, f"run-{run.id}")


@blueprint.get(OF_SCHEDULE + "/run-now")
@admin
def show_run_now(schedule_id: int) -> str:
    """Ask whether to run a schedule now, and show what that would do."""
    session = reading()
    schedule = service.get(session, schedule_id=schedule_id)
    runs.check_has_runs(schedule)
    return _render(
        "run_now",
        schedule,
        dry=preview_card.dry_run_of_schedule(session, schedule=schedule),
        at_work=reports.list_runs(session, schedule_id=schedule_id, only="work", limit=1),
        form_id=secrets.token_urlsafe(18),
        who=lambda one: reach.in_words(everyone=one.everyone, names=[group.name for group in one.groups]),
    )


@blueprint.post(OF_SCHEDULE + "/run-now")
@admin
def run_now(schedule_id: int) -> Response:
    """Make a run; the same form sent again leads to the same run."""
    form_id = request.form.get("form_id", "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,48}", form_id, re.ASCII):
        raise InvalidInputError(_("The form came without its number. Nothing was changed. Go back and try again."))
    now = clock.now()
    run = writing(
        lambda session: runs.run_now(
            session, schedule_id=schedule_id, form_id=form_id, by=current_user.signature, now=now
        )
    )
    return _back_to(run)


@blueprint.post(OF_RUN + "/cancel")
@admin
def cancel(schedule_id: int, run_id: int) -> Response:
    """Let a run credit nobody further."""
    return _change(runs.cancel, schedule_id, run_id, _("Cancelled. Nobody further is credited; who was, keeps it."))


@blueprint.post(OF_RUN + "/resume")
@admin
def resume(schedule_id: int, run_id: int) -> Response:
    """Let a cancelled run go on where it stopped."""
    return _change(runs.resume, schedule_id, run_id, _("It goes on where it stopped. Nobody is credited twice."))


@blueprint.get(OF_RUN + "/take-back")
@admin
def show_take_back(schedule_id: int, run_id: int) -> str | Response:
    """Ask whether to take back what a run credited, and say what that does."""
    session = reading()
    run = reports.get(session, schedule_id=schedule_id, run_id=run_id)
    if run.state not in reversals.ENDED:
        return _back_to(run)
    found = reversals.look_at(session, run=run)
    return _render("take_back", _schedule(session, schedule_id), run=run, found=found)


@blueprint.post(OF_RUN + "/take-back")
@admin
def take_back(schedule_id: int, run_id: int) -> Response:
    """Have everything taken back that a run credited."""
    return _change(reversals.begin, schedule_id, run_id, _("What the run credited is being taken back."))


@blueprint.post("/preview.csv")
@admin
def download_preview() -> Response:
    """Give the people whom a run would reach as a file, from the fields of a form that was not saved."""
    return _forecast_file(_credit_in_form(), None)


@blueprint.get(OF_SCHEDULE + "/preview.csv")
@auditor
def download_preview_of(schedule_id: int) -> Response:
    """Give the people whom a run would reach as a file, from the terms that are kept."""
    schedule = service.get(reading(), schedule_id=schedule_id)
    last = forecast.last_run(reading(), schedule_id=schedule_id)
    return _forecast_file(reach.credit_of_schedule(schedule), last)


@blueprint.post(OF_SCHEDULE + "/preview.csv")
@admin
def download_preview_of_form(schedule_id: int) -> Response:
    """Give the people whom a run would reach as a file, from the fields of the form."""
    service.get(reading(), schedule_id=schedule_id)
    return _forecast_file(_credit_in_form(), forecast.last_run(reading(), schedule_id=schedule_id))


def _list_page(schedule: Schedule | None) -> str:
    session = reading()
    only = request.args.get("state", "")
    if only not in reports.FILTERS:
        only = ""
    schedule_id = schedule.id if schedule else None
    before = read_number(request.args.get("before"))
    found = reports.list_runs(session, schedule_id=schedule_id, only=only, before=before, limit=PAGE + 1)
    return _render(
        "run_list",
        schedule,
        runs=found[:PAGE],
        older=found[PAGE - 1].id if len(found) > PAGE else None,
        total=reports.count_runs(session, schedule_id=schedule_id, only=only),
        only=only,
        before=before,
        filters=reports.FILTERS,
    )


def _render(template: str, schedule: Schedule | None, **context: Any) -> str:
    """Times stand on the clock of the schedule's zone, as on its own page; on the instance's where there are many."""
    zone = ZoneInfo(schedule.time_zone) if schedule else settings_of_app().zone
    return flask.render_template(
        f"schedules/{template}.html", schedule=schedule, zone=zone, zone_name=rules.zone_name, **context
    )


def _change(verb: Any, schedule_id: int, run_id: int, done: str) -> Response:
    """Do something to a run and go back to its page, which says what came of it."""
    run = reports.get(reading(), schedule_id=schedule_id, run_id=run_id)
    now = clock.now()
    try:
        writing(lambda session: verb(session, run_id=run_id, by=current_user.signature, now=now))
    except WrongStateError as exc:
        flask.flash(_("%(problem)s Nothing was changed.", problem=exc.message), "bad")
    else:
        flask.flash(done, "ok")
    return _back_to(run)


def _credit_in_form() -> Credit:
    terms, problems = ScheduleForm().read(settings_of_app().unit)
    wrong = [words for name, words in problems.items() if name in preview_card.WHAT_FIELDS]
    if wrong:
        raise InvalidInputError(". ".join(wrong) + ".", fields=problems)
    return reach.credit_of_terms(reading(), terms=terms)


def _forecast_file(credit: Credit, last: Run | None) -> Response:
    parts = run_files.forecast_parts(reading(), credit=credit, last=last, decimals=settings_of_app().unit.decimals)
    return _file(parts, "preview")


def _file(parts: Any, name: str) -> Response:
    settings = settings_of_app()
    day = clock.now().astimezone(settings.zone).date().isoformat()
    response = flask.Response(flask.stream_with_context(parts), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{settings.config.id}-{day}.csv"'
    return response


def _schedule(session: Session, schedule_id: int) -> Schedule:
    """The schedule of a run, deleted or not. Raises NotFoundError."""
    schedule = session.scalar(select(Schedule).where(Schedule.id == schedule_id))
    if schedule is None:
        raise NotFoundError(_("There is no such schedule."), schedule_id=schedule_id)
    return schedule


def _whom(session: Session, run: Run) -> str:
    return reach.in_words(everyone=run.everyone, names=reach.groups_of_run(session, run=run))


def _back_to(run: Run) -> Response:
    address = flask.url_for(".show_run", schedule_id=run.schedule_id, run_id=run.id)
    return flask.redirect(address, 303)
