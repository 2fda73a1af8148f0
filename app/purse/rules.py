"""The words around a balance, as functions of values. Amounts are millionths of the instance's unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.accounts.rules import floor_in_words
from app.money import Unit

PACE_DAYS: Final = 28
"""The pace is what was used in the last four weeks: whole weeks, since weekdays differ."""

NO_LIMIT: Final = "No limit"

STATE_WORDS: Final = {"ok": "Fine", "low": "Low", "empty": "Empty"}


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
        return NO_LIMIT
    return floor_in_words(floor, unit) if floor else ""


def enough_for(*, pages: int | None, mb: int | None, hours: int | None = None) -> str:
    """Return what an amount pays for: "Enough for about 68 pages"; None: is not charged here, or is free."""
    parts = []
    if pages is not None:
        parts.append("1 page" if pages == 1 else f"about {pages:,} pages" if pages else "a page")
    if mb is not None:
        parts.append(f"about {mb:,}\N{NO-BREAK SPACE}MB" if mb else "1\N{NO-BREAK SPACE}MB")
    if hours is not None:
        parts.append(f"about {_counted(hours, 'hour')} on the Internet" if hours else "an hour on the Internet")
    if not parts:
        return ""
    return f"{'Enough' if pages or mb or hours else 'Not enough'} for {' or '.join(parts)}"


def purse_name(charges: Sequence[str]) -> str:
    """Return what people call this purse: "print purse", "Internet purse", or "purse" when it pays for both."""
    return {"print": "print purse", "internet": "Internet purse"}.get("+".join(charges), "purse")


def pace_days(age: timedelta) -> int:
    """Return over how many days the pace is taken: four weeks, less for a purse that is younger, at least one week."""
    return max(7, min(PACE_DAYS, age.days))


def lasts(*, available: int, used: int, days: int = PACE_DAYS) -> str:
    """Return how long an amount lasts when `used` went in `days`: "about 2 weeks"; "" when that says nothing."""
    if used <= 0 or available <= 0:
        return ""
    left = available * days // used
    if left < 1:
        return "less than a day"
    if left < 14:
        return "about 1 day" if left == 1 else f"about {left} days"
    if left < 70:
        return f"about {left // 7} weeks"
    return "more than 2 months"


def day_in_words(day: date, today: date) -> str:
    """Return "Today", "Yesterday", "Tomorrow", "Monday 16 November"; the year only when it is another one."""
    near = {0: "Today", -1: "Yesterday", 1: "Tomorrow"}.get((day - today).days)
    year = f" {day.year}" if day.year != today.year else ""
    return near or f"{day:%A} {day.day} {day:%B}{year}"


def day_in_short(day: date, today: date) -> str:
    """Return "Today", "Yesterday", "Mon 16 Nov" for tables."""
    near = {0: "Today", -1: "Yesterday"}.get((day - today).days)
    year = f" {day.year}" if day.year != today.year else ""
    return near or f"{day:%a} {day.day} {day:%b}{year}"


def moment_in_words(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return a coming moment: "Today 07:00", "Monday 07:00" within a week, "1 December 00:05" later."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    days = (local.date() - today).days
    year = f" {local.year}" if local.year != today.year else ""
    if days in (0, 1):
        return f"{'Today' if days == 0 else 'Tomorrow'} {local:%H:%M}"
    if 1 < days < 7:
        return f"{local:%A} {local:%H:%M}"
    return f"{local.day} {local:%B}{year} {local:%H:%M}"


def coming_in_words(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return how long it is until a coming moment: "in 20 minutes", "in 5 hours", "in 4 days" (calendar days)."""
    days = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    if days > 1:
        return f"in {days} days"
    minutes = max(1, int((at - now).total_seconds() // 60))
    if minutes < 60:
        return f"in {_counted(minutes, 'minute')}"
    return f"in {_counted(minutes // 60, 'hour')}"


def ago_in_words(age: timedelta) -> str:
    """Return an age: "33 minutes ago", "2 hours ago", "3 days ago"."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute ago"
    if minutes < 60:
        return f"{_counted(minutes, 'minute')} ago"
    hours = minutes // 60
    return f"{_counted(hours, 'hour')} ago" if hours < 48 else f"{hours // 24} days ago"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
