"""The calculator, for oneself or for anybody: its fields stand in the address, so that an answer can be sent on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import flask
from flask import Blueprint, request
from flask_login import current_user

from app import clock
from app.api.access import auditor, signed_in
from app.db import reading
from app.internet import rate_words as words
from app.internet.calculator import Answer, Question, reckon
from app.internet.rate_forms import read_minute
from app.internet.rate_rules import MB, period_start
from app.internet.rate_sites import site_name
from app.internet.rates import load
from app.money import AMOUNT_MAX, parse_amount
from app.people import service as people
from app.people.models import User
from app.settings import settings_of_app
from app.web.addresses import read_day, read_text
from language import _, _n, dates, numbers

blueprint = Blueprint("internet_calculator", __name__)

LENGTH_MAX = 260
MINUTES_MAX = 7 * 24 * 60
SIZE_MAX_MB = AMOUNT_MAX // MB // 1000
ENGLISH_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""An address with a day's name is understood in every language."""


@dataclass
class Fields:
    """What the address says, and what is wrong with it, by field."""

    user: str = ""
    down: str = ""
    up: str = ""
    cached: bool = False
    day: str = ""
    time: str = ""
    minutes: str = ""
    site: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


@blueprint.get("/internet-use/calculator")
@signed_in
def show_own() -> str:
    """Show what some use would cost whoever asks."""
    return _page(for_others=False)


@blueprint.get("/admin/internet-rates/calculator")
@auditor
def show_for_anybody() -> str:
    """Show what some use would cost anybody."""
    return _page(for_others=True)


def _page(*, for_others: bool) -> str:
    """Return the page: the fields, and the answer once something was asked."""
    settings, session, now = settings_of_app(), reading(), clock.now()
    fields = _fields(now)
    plan = load(session, settings)
    user, answer = _whose(fields, for_others), None
    if asked := any(request.args.get(name) for name in ("down", "up", "minutes")):
        question = _question(fields)
        if not fields.wrong:
            answer = reckon(
                session,
                question=question,
                user_id=user.id if user else None,
                name=user.display_name if user and for_others else "",
                settings=settings,
                now=now,
            )
    return flask.render_template(
        "internet/calculator.html",
        fields=fields,
        answer=answer,
        asked=asked,
        sentence=_sentence(fields, answer, user, for_others) if answer else "",
        for_others=for_others,
        by_time=bool(plan.period_s),
        period=words.paid_in_words(plan.period_s) if plan.period_s else "",
        cached_matters=plan.terms.cached_free,
        days=_days(now),
        chosen_day=_chosen_day(fields),
        w=words,
    )


def _fields(now: datetime) -> Fields:
    local = now.astimezone(settings_of_app().zone)
    minute = period_start(local.hour * 60 + local.minute, 15)
    names = ("user", "down", "up", "minutes", "site")
    user, down, up, minutes, site = (read_text(request.args, name, LENGTH_MAX).strip() for name in names)
    return Fields(
        user=user,
        down=down,
        up=up,
        minutes=minutes,
        site=site,
        cached="cached" in request.args,
        day=read_text(request.args, "day", 10) or local.date().isoformat(),
        time=read_text(request.args, "time", 5) or words.clock_text(minute),
    )


def _whose(fields: Fields, for_others: bool) -> User | None:
    """Whose prices count: one's own, or of who is named; None: somebody's who pays the usual price."""
    if not for_others:
        return people.get_user(reading(), user_id=current_user.id)
    if not fields.user:
        return None
    user = people.find_user(reading(), username=fields.user)
    if user is None:
        fields.wrong["user"] = _("Nobody here is called “%(name)s”", name=fields.user)
    return user


def _question(fields: Fields) -> Question:
    sizes = {}
    for name in ("down", "up"):
        try:
            sizes[name] = parse_amount(getattr(fields, name) or "0")
        except ValueError:
            sizes[name], fields.wrong[name] = 0, _("Write how many MB, such as 500")
        if not 0 <= sizes[name] <= SIZE_MAX_MB * MB:
            fields.wrong[name] = _("Write from 0 to %(most)s MB", most=numbers.count(SIZE_MAX_MB))
    minutes = int(fields.minutes) if re.fullmatch("[0-9]{1,5}", fields.minutes, re.ASCII) else 0
    if (fields.minutes and not minutes and fields.minutes != "0") or minutes > MINUTES_MAX:
        fields.wrong["minutes"] = _("Write how many minutes, at most %(most)s", most=numbers.count(MINUTES_MAX))
    at = None
    try:
        at = _moment(fields)
    except ValueError as exc:
        fields.wrong["time"] = str(exc)[0].upper() + str(exc)[1:]
    site = (fields.site.partition("://")[2] or fields.site).partition("/")[0]  # of an address its host counts
    try:
        site = site_name(site) if site else ""
    except ValueError:
        fields.wrong["site"] = _("Write the name of a site, such as example.org")
    return Question(sizes["down"], sizes["up"], fields.cached, at, minutes, site)


def _moment(fields: Fields) -> datetime:
    """The local moment that is asked about."""
    day = _day(fields)
    minute = min(read_minute(fields.time), 1439)
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=settings_of_app().zone)


def _day(fields: Fields) -> date:
    """The day that is asked about: a date, or the name of a weekday, which is the next one. Raises ValueError."""
    today, typed = clock.now().astimezone(settings_of_app().zone).date(), fields.day.lower()
    for names in (list(ENGLISH_DAYS), [day.lower() for day in words.weekdays()]):
        if typed in names:
            return today + timedelta(days=(names.index(typed) - today.weekday()) % 7)
    day = read_day(fields.day)
    if day is None:
        raise ValueError(_("choose a day"))
    return day


def _chosen_day(fields: Fields) -> str:
    """The day that the form shows as chosen; "" for none that can be read."""
    try:
        return _day(fields).isoformat()
    except ValueError:
        return ""


def _days(now: datetime) -> list[tuple[str, str]]:
    """The days that the form offers: a week from today, which has every weekday."""
    today = now.astimezone(settings_of_app().zone).date()
    days = [today + timedelta(days=index) for index in range(7)]
    named = [(day, dates.weekday_and_day(day)) for day in days]
    return [(day.isoformat(), _("%(day)s, today", day=text) if day == today else text) for day, text in named]


def _sentence(fields: Fields, answer: Answer, user: User | None, for_others: bool) -> str:
    """What was asked, up to the answer that follows it."""
    at = _moment(fields)
    parts = [
        _("%(size)s MB received", size=fields.down) if fields.down else "",
        _("%(size)s MB sent", size=fields.up) if fields.up else "",
        _n("%(minutes)s minute", "%(minutes)s minutes", int(fields.minutes or 0), minutes=fields.minutes)
        if fields.minutes
        else "",
    ]
    what = words.listed([part for part in parts if part])
    day, time = dates.weekday(at), dates.clock(at)
    if fields.site:
        use = _("%(what)s on %(day)s at %(time)s from %(site)s", what=what, day=day, time=time, site=fields.site)
    else:
        use = _("%(what)s on %(day)s at %(time)s", what=what, day=day, time=time)
    if not for_others:
        return _("%(use)s would cost you", use=use)
    if user is None:
        return _("%(use)s would cost somebody who pays the usual price", use=use)
    return _("%(use)s would cost %(name)s", use=use, name=user.display_name)
