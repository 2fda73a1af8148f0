"""The administrators' pages of Internet use: who, which groups, when, which sites; the same as a file; privacy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError
from app.internet import use_privacy, use_reports
from app.internet.rules import size_in_words
from app.internet.use_pages import HOURS, chart_of, day_label
from app.internet.use_reports import Named, Span
from app.settings import settings_of_app
from app.web.addresses import read_day, read_number
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _, _n, numbers

blueprint = Blueprint("internet_use_admin", __name__, url_prefix="/admin/internet-use")

VIEWS = {
    "people": N_("People"),
    "groups": N_("Groups"),
    "hours": N_("Hours"),
    "sites": N_("Kinds of sites"),
    "domains": N_("Top domains"),
}
PAGE = 50
GROUPS_MAX = 500
DOMAINS_MAX = 200
FILE_LINES_MAX = 1_000_000
DAYS_MAX = 400
DAYS_MAX_BY_HOUR = 100
"""Sums that are not by person want a look at every hour of everybody: that takes seconds for a year."""

USUAL_DAYS = 7
HEAD = (
    N_("name"),
    N_("user name"),
    N_("people"),
    N_("received bytes"),
    N_("sent bytes"),
    N_("from cache bytes"),
    N_("requests"),
    N_("charged"),
)


@dataclass(frozen=True)
class Asked:
    """What the address asks for."""

    view: str
    span: Span
    order: str
    page: int
    today: date
    problem: str = ""

    def address(
        self, *, view: str = "", order: str = "", page: int = 0, first: date | None = None, file: bool = False
    ) -> str:
        """Return the address of the same with something else; the first page unless told otherwise."""
        given: dict[str, Any] = {
            "by": view or self.view,
            "from": first or self.span.first,
            "to": self.today if first else self.span.last,
            "order": order or self.order,
            "page": page if page > 1 else None,
        }
        return flask.url_for(".download" if file else ".show", **given)


@blueprint.get("")
@auditor
def show() -> str | tuple[str, int]:
    """Show who used most, or which groups, at which hours, of which kind of sites."""
    session, asked = reading(), _asked()
    kept, kept_days = use_privacy.is_kept(session)
    rows = _rows(asked, limit=PAGE + 1, offset=PAGE * (asked.page - 1)) if not asked.problem else []
    total, people = use_reports.in_all(session, span=asked.span)
    chart = None
    if asked.view == "hours" and not asked.problem:
        chart = chart_of(use_reports.by_hour(session, span=asked.span), asked.span, hours=True)
    more = asked.view == "people" and len(rows) > PAGE
    page = flask.render_template(
        "internet/use_admin.html",
        asked=asked,
        views={name: _(text) for name, text in VIEWS.items() if kept or name != "domains"},
        rows=rows[:PAGE] if asked.view == "people" else rows,
        total=total,
        people=people,
        chart=chart,
        first=PAGE * (asked.page - 1) + 1,
        newer=asked.address(page=asked.page - 1) if asked.page > 1 else "",
        older=asked.address(page=asked.page + 1) if more else "",
        near=_near(asked),
        kept=kept,
        kept_days=kept_days,
        size=size_in_words,
        day_label=day_label,
    )
    return (page, 422) if asked.problem else page


@blueprint.get("/internet-use.csv")
@auditor
def download() -> Response:
    """Give the same as a file, all lines of it."""
    asked, settings = _asked(), settings_of_app()
    if asked.problem:
        raise InvalidInputError(asked.problem)
    rows = _rows(asked, limit=FILE_LINES_MAX)
    lines = [
        (
            guarded(row.name),
            guarded(row.detail),
            str(row.people or ""),
            *(str(number) for number in (row.used.download, row.used.upload, row.used.cached, row.used.requests)),
            _plain(row.used.amount),
        )
        for row in rows
    ]
    name = f"internet-{asked.view}-{settings.config.id}-{asked.span.first}-{asked.span.last}.csv"
    response = flask.Response(BOM + as_csv([[_(name) for name in HEAD], *lines]), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@blueprint.get("/privacy")
@auditor
def show_privacy() -> str:
    """Say what is kept of people's use, and let administrators change it."""
    return flask.render_template(
        "internet/privacy.html", kept=use_privacy.look(reading()), ask=False, error="", typed=""
    )


@blueprint.post("/privacy")
@admin
def change_privacy() -> str | tuple[str, int] | Response:
    """Switch bytes by domain on, for some days, or off: that deletes what was kept, after a question."""
    settings, by, kept = settings_of_app(), str(current_user.username), use_privacy.look(reading())
    if request.form.get("keep") == "on":
        typed = request.form.get("days", "").strip()
        days = int(typed) if re.fullmatch("[0-9]{1,3}", typed, re.ASCII) else 0
        if not 1 <= days <= use_privacy.DAYS_MAX:
            error = _("Write for how many days, from 1 to %(most)s", most=use_privacy.DAYS_MAX)
            page = flask.render_template("internet/privacy.html", kept=kept, ask=False, error=error, typed=typed)
            return page, 422
    else:
        days = 0
        if kept.lines and "sure" not in request.form:
            return flask.render_template("internet/privacy.html", kept=kept, ask=True, error="", typed="")
    writing(lambda session: use_privacy.switch(session, days=days, settings=settings, by=by, now=clock.now()))
    flask.current_app.extensions["twinpurse.jobs"].enqueue("app.internet.tasks.forget_domains")
    if days:
        kept_for = _n("Top domains are kept for 1 day.", "Top domains are kept for %(num)s days.", days)
        flask.flash(f"{kept_for} {_('Everybody reads that on their page of Internet use.')}", "ok")
    else:
        flask.flash(_("Top domains are not kept any more. What was kept is being deleted."), "ok")
    return flask.redirect(flask.url_for(".show_privacy"), 303)


def _asked() -> Asked:
    settings = settings_of_app()
    today = clock.now().astimezone(settings.zone).date()
    view = request.args.get("by", "people")
    typed = {name: request.args.get(name, "").strip() for name in ("from", "to")}
    days = {name: read_day(text) for name, text in typed.items()}
    problem = _("Write days as 2026-11-30.") if any(typed[name] and days[name] is None for name in typed) else ""
    last = days["to"] or today
    first = days["from"] or last - timedelta(days=USUAL_DAYS - 1)
    if not problem and first > last:
        problem = _("The first day is after the last.")
    days_max = DAYS_MAX_BY_HOUR if view in ("hours", "sites") else DAYS_MAX
    if not problem and (last - first).days >= days_max:
        problem = _("Choose %(most)s days at most.", most=days_max)
    span = Span(first, max(first, last), settings.zone)
    order = "size" if request.args.get("order") == "size" else "charged"
    page = read_number(request.args.get("page")) or 1
    return Asked(view if view in VIEWS else "people", span, order, page, today, problem)


def _rows(asked: Asked, *, limit: int, offset: int = 0) -> list[Named]:
    session, span = reading(), asked.span
    if asked.view == "people":
        return use_reports.by_person(session, span=span, order=asked.order, limit=limit, offset=min(offset, 2**31))
    if asked.view == "groups":
        return use_reports.by_group(session, span=span, order=asked.order, limit=max(limit, GROUPS_MAX))
    if asked.view == "hours":
        found = use_reports.by_hour(session, span=span)
        each = use_reports.folded(found, list(range(24)), lambda at: at.astimezone(span.zone).hour)
        return [Named(_hour_in_words(hour), "", used) for hour, used in each]
    if asked.view == "sites":
        names = use_reports.site_list_names(session)
        rows = use_reports.by_site_list(session, span=span)
        other = _("All other sites") if names else _("All sites")
        return [Named(names.get(key, _("A list that is no more")) if key else other, "", used) for key, used in rows]
    return use_reports.top_domains(session, first=span.first, last=span.last, limit=DOMAINS_MAX)


def _hour_in_words(hour: int) -> str:
    return _("%(start)s to %(end)s", start=HOURS[hour], end=HOURS[(hour + 1) % 24])


def _near(asked: Asked) -> list[tuple[str, str, bool]]:
    """Links to usual spans: today, the last 7 and 30 days, this month."""
    today = asked.today
    firsts = {
        _("Today"): today,
        _("7 days"): today - timedelta(days=6),
        _("30 days"): today - timedelta(days=29),
        _("This month"): today.replace(day=1),
    }
    here = asked.span.first, asked.span.last
    return [(asked.address(first=first), text, here == (first, today)) for text, first in firsts.items()]


def _plain(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    return numbers.plain(f"{sign}{abs(amount) // 1_000_000}.{abs(amount) % 1_000_000:06d}")
