"""The words around a balance, as functions of values. Amounts are millionths of the instance's unit."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PACE_DAYS: Final = 28
"""The pace is what was used in the last four weeks: whole weeks, since weekdays differ."""

STATE_WORDS: Final = {"ok": "Fine", "low": "Low", "empty": "Empty"}


def state(*, available: int, floor: int | None, low_balance: int) -> str:
    """Return "ok", "low" (at or under `low_balance`) or "empty" (nothing may be spent)."""
    if floor is None:
        return "ok"
    if available <= floor:
        return "empty"
    return "low" if available - floor <= low_balance else "ok"


def enough_for(*, pages: int | None, mb: int | None) -> str:
    """Return what an amount pays for: "Enough for about 68 pages"; None: is not charged here, or is free."""
    parts = []
    if pages is not None:
        parts.append("1 page" if pages == 1 else f"about {pages:,} pages" if pages else "no page")
    if mb is not None:
        parts.append(f"about {mb:,}\N{NO-BREAK SPACE}MB" if mb else "less than 1\N{NO-BREAK SPACE}MB")
    return f"Enough for {' or '.join(parts)}" if parts else ""


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


def ago_in_words(age: timedelta) -> str:
    """Return an age: "33 minutes ago", "2 hours ago", "3 days ago"."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute ago"
    if minutes < 60:
        return f"{minutes} minute{'s' if minutes > 1 else ''} ago"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} hour{'s' if hours > 1 else ''} ago"
    return f"{hours // 24} days ago"
