"""The administrators' pages of what the Internet costs: the table, the form with its preview in words, taking back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import WrongStateError
from app.internet import rate_changes, rates
from app.internet import rate_words as words
from app.internet.rate_changes import Rates
from app.internet.rate_forms import (
    BLANK_LINES,
    Line,
    RatesForm,
    choices_of,
    group_shares,
    lines_of,
    user_shares,
    values_of,
)
from app.internet.rate_models import InternetRates, SiteList
from app.internet.rate_rules import Hours, Plan, hours_at, local_time, next_change, period_lengths
from app.internet.rate_site_past import count_of
from app.settings import settings_of_app
from language import _, _n

blueprint = Blueprint("internet_rates", __name__, url_prefix="/admin/internet-rates")

WEEK_QUARTERS = 96
MORE_LINES = 6


@dataclass(frozen=True)
class Bar:
    """A stretch of one day in the picture of the week: quarter hours from midnight, and how high it stands."""

    start: int
    length: int
    height: float
    percent: int


@dataclass(frozen=True)
class Site:
    """A list of sites in the table."""

    id: int
    name: str
    percent: int
    always_open: bool
    count: int


@blueprint.get("")
@auditor
def show() -> str:
    """Show what the Internet costs: prices, what holds now, hours, lists, people, and what happens at the end."""
    settings, session, now = settings_of_app(), reading(), clock.now()
    said, version = rate_changes.present(session, settings)
    plan = rates.load(session, settings)
    instant = int(now.timestamp())
    change = next_change(plan, instant)
    earlier = rate_changes.before(session)
    return flask.render_template(
        "internet/rates.html",
        said=said,
        version=version,
        prices=words.prices(said.terms, settings.unit),
        sentences=words.terms_in_words(said.terms, settings.unit),
        hours_now=hours_at(said.hours, local_time(instant, settings.zone)),
        change=change and (datetime.fromtimestamp(change[0], UTC), change[1]),
        week=week_bars(said.hours),
        sites=list_sites(session),
        groups=group_shares(session, said),
        users=user_shares(session, said),
        row=session.get(InternetRates, 1),
        earlier=earlier and words.terms_in_words(earlier[0].terms, settings.unit),
        w=words,
    )


@blueprint.get("/edit")
@admin
def show_edit() -> str:
    """Show the form."""
    session, settings = reading(), settings_of_app()
    said, version = rate_changes.present(session, settings)
    form = RatesForm(data=values_of(session, said, version, settings.unit))
    return _form_page(session, form, lines_of(said), said)


@blueprint.post("/edit")
@admin
def edit() -> tuple[str, int] | Response:
    """Keep rates, or show the form again with a preview, with more lines, or with what is wrong."""
    session, settings = reading(), settings_of_app()
    form = RatesForm()
    said, problems = form.read(session, settings.unit, request.form)
    problems = rate_changes.check(said, settings, clock.now()) | problems
    if problems or "save" not in request.form:
        form.show(problems)
        # Only who asked to save is told that it failed; a preview says beside the form what is still missing.
        status = 422 if problems and "save" in request.form else 200
        blank = MORE_LINES if "more" in request.form else BLANK_LINES
        return _form_page(session, form, list(form.lines), said, problems=problems, blank=blank), status
    version, by = form.shown_version, str(current_user.username)
    try:
        writing(
            lambda inner: (
                rate_changes.save(inner, said=said, version=version, settings=settings, by=by, now=clock.now()).version
            )
        )
    except WrongStateError as exc:
        return _form_page(reading(), form, list(form.lines), said, conflict=exc.message), 409
    flask.flash(_("The rates are saved. They hold for use from now on."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)


@blueprint.post("/undo")
@admin
def undo() -> Response:
    """Make the rates what they were before their last change."""
    settings, by, form = settings_of_app(), str(current_user.username), RatesForm()
    version = form.shown_version
    writing(
        lambda session: rate_changes.undo(session, version=version, settings=settings, by=by, now=clock.now()).version
    )
    flask.flash(_("The last change is taken back. What was charged meanwhile stays as it was."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)


def list_sites(session: Session) -> list[Site]:
    """Return the lists of sites with how many domains each has."""
    count = count_of(SiteList.domains)
    query = select(SiteList.id, SiteList.name, SiteList.percent, SiteList.always_open, count)
    return [Site(*row) for row in session.execute(query.order_by(SiteList.name))]


def week_bars(hours: tuple[Hours, ...]) -> list[tuple[str, list[Bar]]]:
    """Return the picture of the week: for each day its stretches, as high as their price; [] where all are alike."""
    found, days = [], words.weekdays()
    highest = max((each.percent for each in hours), default=100)
    for weekday in range(1, 8):
        each_quarter = [_percent(hours, weekday, quarter * 15) for quarter in range(WEEK_QUARTERS)]
        bars, start = [], 0
        for quarter in range(1, WEEK_QUARTERS + 1):
            if quarter == WEEK_QUARTERS or each_quarter[quarter] != each_quarter[start]:
                height = round(8 * each_quarter[start] / max(highest, 100), 2)
                bars.append(Bar(start, quarter - start, height, each_quarter[start]))
                start = quarter
        found.append((days[weekday - 1], bars))
    return found if hours else []


def _percent(hours: tuple[Hours, ...], weekday: int, minute: int) -> int:
    return next((each.percent for each in hours if each.holds(weekday, minute)), 100)


def _form_page(
    session: Session,
    form: RatesForm,
    lines: list[Line],
    said: Rates,
    *,
    problems: dict[str, str] | None = None,
    conflict: str = "",
    blank: int = BLANK_LINES,
) -> str:
    settings, now = settings_of_app(), clock.now()
    lengths = period_lengths(settings.zone, int(now.timestamp()))
    form.period_minutes.choices = choices_of({str(each): _n("1 minute", "%(num)s minutes", each) for each in lengths})
    if not problems:
        problems = {}
    plan = Plan(said.terms, settings.zone)
    change = next_change(plan, int(now.timestamp()))
    return flask.render_template(
        "internet/rates_form.html",
        form=form,
        lines=lines + [Line()] * blank,
        problems=problems,
        conflict=conflict,
        sentences=words.terms_in_words(said.terms, settings.unit) if not problems.keys() - {"hours"} else [],
        week=week_bars(said.hours),
        hours_now=hours_at(said.hours, local_time(int(now.timestamp()), settings.zone)),
        change=change and (datetime.fromtimestamp(change[0], UTC), change[1]),
        shares=group_shares(session, said) + user_shares(session, said),
        said=said,
        w=words,
    )
