"""People's own page of Internet use: today, this week, this month, what was charged and why."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

import flask
from flask import Blueprint, request
from flask_login import current_user

from app import clock
from app.api.access import signed_in
from app.db import reading
from app.internet import rate_words as words
from app.internet import rates, use_privacy
from app.internet.rate_rules import Plan, hours_at, local_time, next_change
from app.internet.rules import size_in_words
from app.internet.use_reports import (
    DAY,
    Span,
    Used,
    folded,
    of_person,
    reasons,
    site_list_names,
    top_domains,
)
from app.ledger import accounts, statement
from app.settings import settings_of_app
from app.web.bars import BarChart, bar_chart
from language import N_, _, dates

blueprint = Blueprint("internet_use", __name__, url_prefix="/internet-use")

LATELY = 8
DOMAINS_SHOWN = 10
SPANS = {"today": N_("Today"), "week": N_("This week"), "month": N_("This month")}
HOURS = [f"{hour:02d}:00" for hour in range(24)]
HOUR_MARKS: tuple[str, ...] = ("00:00", "06:00", "12:00", "18:00", "24:00")
DAYS_OF_A_WEEK = 7


@blueprint.get("")
@signed_in
def show() -> str:
    """Show what was used and charged in the chosen time, and why."""
    settings, session, now = settings_of_app(), reading(), clock.now()
    chosen = request.args.get("time", "week")
    chosen = chosen if chosen in SPANS else "week"
    spans = spans_of(now)
    longest = Span(min(span.first for span in spans.values()), spans["today"].last, settings.zone)
    rows = of_person(session, user_id=current_user.id, span=longest)
    parts = {name: [row for row in rows if row[0] >= span.start] for name, span in spans.items()}
    plan = rates.load(session, settings)
    percent = rates.percents(session, user_ids=[current_user.id], plan=plan)[current_user.id]
    on, days = use_privacy.is_kept(session)
    span, account = spans[chosen], accounts.get_account(session, user_id=current_user.id)
    return flask.render_template(
        "internet/use.html",
        chosen=chosen,
        spans={name: _(text) for name, text in SPANS.items()},
        totals={name: sum((row[2] for row in part), Used()) for name, part in parts.items()},
        chart=chart_of([(row[0], row[2]) for row in parts[chosen]], whole(chosen, span), hours=chosen == "today"),
        reasons=reasons(parts[chosen], plan, site_list_names(session)),
        prices=words.prices(plan.terms, settings.unit, percent),
        percent=percent,
        **hours_context(plan, now),
        domains_kept=on,
        domains_days=days,
        domains=top_domains(session, first=span.first, last=span.last, limit=DOMAINS_SHOWN, user_id=current_user.id)
        if on
        else [],
        lately=statement.lines(
            session, account_id=account.id, limit=LATELY, selection=statement.Selection(sources=("internet",))
        ),
        size=size_in_words,
        w=words,
    )


def spans_of(now: datetime) -> dict[str, Span]:
    """Return today, this week from Monday and this month, in local days."""
    zone = settings_of_app().zone
    today = now.astimezone(zone).date()
    firsts = {"today": today, "week": today - timedelta(days=today.weekday()), "month": today.replace(day=1)}
    return {name: Span(first, today, zone) for name, first in firsts.items()}


def whole(name: str, span: Span) -> Span:
    """Return the whole week or month that a span is the beginning of, so that a bar has the place of its day."""
    last = {
        "week": span.first + DAY * 6,
        "month": span.first + DAY * (monthrange(span.first.year, span.first.month)[1] - 1),
    }
    return Span(span.first, last.get(name, span.last), span.zone)


def hours_context(plan: Plan, now: datetime) -> dict[str, object]:
    """Return what pages say about the hours of the week: those that hold now, and when others follow."""
    instant = int(now.timestamp())
    change = next_change(plan, instant)
    return {
        "hours": plan.terms.hours,
        "hours_now": hours_at(plan.terms.hours, local_time(instant, plan.zone)),
        "change": change and (datetime.fromtimestamp(change[0], UTC), change[1]),
    }


def chart_of(rows: list[tuple[datetime, Used]], span: Span, *, hours: bool) -> BarChart:
    """Return the bars of sizes: by hour of the day, or by day."""
    if hours:
        found = folded(rows, list(range(24)), lambda at: at.astimezone(span.zone).hour)
        values = [(HOURS[hour], used.size, _charged(used)) for hour, used in found]
        labels = HOUR_MARKS
    else:
        days = [span.first + DAY * index for index in range(span.days)]
        by_day = folded(rows, days, lambda at: at.astimezone(span.zone).date())
        values = [(day_label(day), used.size, _charged(used)) for day, used in by_day]
        labels = _under_days(days)
    first, last = dates.day(span.first, year=True), dates.day(span.last, year=True)
    title = _("Internet use, %(day)s", day=first)
    if span.days > 1:
        title = _("Internet use, %(first)s to %(last)s", first=first, last=last)
    return bar_chart(
        values,
        title=title,
        text=size_in_words,
        columns=(_("Hour") if hours else _("Day"), _("Used"), _("Charged")),
        labels=labels,
    )


def _under_days(days: list[date]) -> tuple[str, ...]:
    """What stands under the bars of days: short, since five or seven of them stand side by side on a phone."""
    if len(days) <= DAYS_OF_A_WEEK:
        return tuple(dates.short_weekday(day) for day in days)
    return tuple(dates.short_day(days[round(index * (len(days) - 1) / 4)]) for index in range(5))


def _charged(used: Used) -> str:
    if not used.size:
        return ""
    return settings_of_app().unit.text(used.amount) if used.charged else _("free")


def day_label(day: date) -> str:
    """Return "Mon 16 Nov"."""
    return dates.short_weekday_and_day(day)
