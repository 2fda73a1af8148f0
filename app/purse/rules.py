"""The words around a balance, as functions of values. Amounts are millionths of the instance's unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.accounts.rules import floor_in_words
from app.money import Unit
from language import N_, _, _n, dates, numbers

PACE_DAYS: Final = 28
"""The pace is what was used in the last four weeks: whole weeks, since weekdays differ."""

NO_LIMIT: Final = N_("No limit")

STATE_WORDS: Final = {"ok": N_("Fine"), "low": N_("Low"), "empty": N_("Empty")}


def state(*, available: int, floor: int | None, low_balance: int) -> str:
    """Return "ok", "low" (at or under `low_balance`) or "empty" (nothing may be spent)."""
    if floor is None:
        return "ok"
    if available <= floor:
        return "empty"
    return "low" if available - floor <= low_balance else "ok"


def limit_in_words(floor: int | None, unit: Unit) -> str:
    """Return where a purse ends, for its owner: "−$5.00", "No limit", and "" for the usual end at 0."""
    if floor is None:
        return _(NO_LIMIT)
    return floor_in_words(floor, unit) if floor else ""


def enough_for(*, pages: int | None, mb: int | None, hours: int | None = None) -> str:
    """Return what an amount pays for: "Enough for about 68 pages"; None: is not charged here, or is free."""
    parts = []
    if pages is not None:
        parts.append(_n("1 page", "about %(num)s pages", pages) if pages else _("a page"))
    if mb is not None:
        parts.append(_("about %(mb)s\N{NO-BREAK SPACE}MB", mb=numbers.count(mb)) if mb else "1\N{NO-BREAK SPACE}MB")
    if hours is not None:
        known = _n("about %(num)s hour on the Internet", "about %(num)s hours on the Internet", hours) if hours else ""
        parts.append(known or _("an hour on the Internet"))
    if not parts:
        return ""
    what = parts[0] if len(parts) == 1 else _("%(first)s or %(second)s", first=parts[0], second=parts[1])
    return _("Enough for %(what)s", what=what) if pages or mb or hours else _("Not enough for %(what)s", what=what)


def purse_name(charges: Sequence[str]) -> str:
    """Return what people call this purse: "print purse", "Internet purse", or "purse" when it pays for both."""
    names = {"print": N_("print purse"), "internet": N_("Internet purse")}
    return _(names.get("+".join(charges), N_("purse")))


def pace_days(age: timedelta) -> int:
    """Return over how many days the pace is taken: four weeks, less for a purse that is younger, at least one week."""
    return max(7, min(PACE_DAYS, age.days))


def lasts(*, available: int, used: int, days: int = PACE_DAYS) -> str:
    """Return how long an amount lasts when `used` went in `days`: "about 2 weeks"; "" when that says nothing."""
    if used <= 0 or available <= 0:
        return ""
    left = available * days // used
    if left < 1:
        return _("less than a day")
    if left < 14:
        return _n("about %(num)s day", "about %(num)s days", left)
    if left < 70:
        return _n("about %(num)s week", "about %(num)s weeks", left // 7)
    return _("more than 2 months")


def day_in_words(day: date, today: date) -> str:
    """Return "Today", "Yesterday", "Tomorrow", "Monday 16 November"; the year only when it is another one."""
    return _near(day, today) or dates.weekday_and_day(day, year=day.year != today.year)


def day_in_short(day: date, today: date) -> str:
    """Return "Today", "Yesterday", "Mon 16 Nov" for tables."""
    near = _near(day, today) if day <= today else ""
    return near or dates.short_weekday_and_day(day, year=day.year != today.year)


def moment_in_words(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return a coming moment: "Today 07:00", "Monday 07:00" within a week, "1 December 00:05" later."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    days = (local.date() - today).days
    if days in (0, 1):
        day = _near(local.date(), today)
    else:
        day = dates.weekday(local) if 1 < days < 7 else dates.day(local, year=local.year != today.year)
    return _("%(day)s %(clock)s", day=day, clock=dates.clock(local))


def coming_in_words(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return how long it is until a coming moment: "in 20 minutes", "in 5 hours", "in 4 days" (calendar days)."""
    days = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    if days > 1:
        return _n("in %(num)s day", "in %(num)s days", days)
    minutes = max(1, int((at - now).total_seconds() // 60))
    if minutes < 60:
        return _n("in %(num)s minute", "in %(num)s minutes", minutes)
    return _n("in %(num)s hour", "in %(num)s hours", minutes // 60)


def ago_in_words(age: timedelta) -> str:
    """Return an age: "33 minutes ago", "2 hours ago", "3 days ago"."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return _("less than a minute ago")
    if minutes < 60:
        return _n("%(num)s minute ago", "%(num)s minutes ago", minutes)
    hours = minutes // 60
    if hours < 48:
        return _n("%(num)s hour ago", "%(num)s hours ago", hours)
    return _n("%(num)s day ago", "%(num)s days ago", hours // 24)


def _near(day: date, today: date) -> str:
    """The word for a day beside today; "" for any other."""
    words = {0: N_("Today"), -1: N_("Yesterday"), 1: N_("Tomorrow")}
    near = words.get((day - today).days)
    return _(near) if near else ""
