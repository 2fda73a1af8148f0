"""What an administrator says of a schedule, and what is wrong with it, as functions of values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from app.people.rules import name_key
from app.schedules import rules
from language import _

CHOICES: Final = {
    "top_up": ("add", "cap", "reset", "lower"),
    "period": ("daily", "weekly", "monthly", "ordinal", "dates", "first_seen"),
    "catch_up": ("all", "last", "none"),
}


@dataclass(frozen=True)
class Terms:
    """What an administrator says of a schedule. Amounts in millionths; the "when" as in `rules.Recurrence`."""

    name: str
    everyone: bool
    groups: tuple[str, ...]
    amount: int
    top_up: str
    cap: int | None
    period: str
    weekdays: tuple[int, ...]
    month_day: int | None
    time_of_day: str
    time_zone: str
    starts_on: date | None = None
    ends_on: date | None = None
    catch_up: str = "last"
    every_weeks: int | None = 1
    ordinal: int | None = None
    month_weekday: int | None = None
    dates: tuple[date, ...] = ()


def check(terms: Terms) -> dict[str, str]:
    """Return field -> what is wrong with it, for every field; empty when all is well."""
    problems = {}
    if not terms.name.strip() or len(terms.name.strip()) > 80 or not _is_line(terms.name):
        problems["name"] = _("Give the schedule a name of at most 80 characters, on one line")
    if not terms.everyone and not terms.groups:
        problems["groups"] = _("Choose at least one group, or everyone")
    elif not terms.everyone and not all(0 < len(name.strip()) <= 256 and _is_line(name) for name in terms.groups):
        problems["groups"] = _("Write each group's name with at most 256 characters, on one line")
    if terms.amount <= 0 and terms.top_up not in ("reset", "lower"):
        problems["amount"] = _("The amount must be more than 0")
    if terms.amount < 0:
        problems["amount"] = _("The amount must not be negative")
    if terms.top_up == "cap" and (terms.cap is None or terms.cap <= 0):
        problems["cap"] = _("Say up to which balance it tops up")
    problems |= _check_days(terms)
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", terms.time_of_day):
        problems["time_of_day"] = _("Write the time as 07:00")
    if terms.time_zone not in rules.zone_names():
        problems["time_zone"] = _("Choose a time zone such as Europe/Berlin")
    for field, day in (("starts_on", terms.starts_on), ("ends_on", terms.ends_on)):
        if day is not None and day.year > rules.LAST_YEAR:
            problems[field] = _("Choose a day before the year %(year)s", year=rules.LAST_YEAR + 1)
    if terms.starts_on and terms.ends_on and terms.ends_on < terms.starts_on:
        problems["ends_on"] = _("The last day must be on or after the first day")
    for field, allowed in CHOICES.items():
        if getattr(terms, field) not in allowed:
            problems[field] = _("Choose one of the list")
    if terms.period == "first_seen" and terms.top_up != "add":
        problems["top_up"] = _("What a new person gets is added: choose that")
    return problems


def _check_days(terms: Terms) -> dict[str, str]:
    """Return what is wrong with the days of the chosen period; what belongs to the others is not looked at."""
    problems = {}
    if terms.period == "weekly" and not terms.weekdays:
        problems["weekdays"] = _("Choose at least one day of the week")
    elif terms.period == "weekly" and not set(terms.weekdays) <= set(range(7)):
        problems["weekdays"] = _("Choose days from Monday to Sunday")
    if terms.period == "weekly" and not 1 <= (terms.every_weeks or 0) <= rules.EVERY_WEEKS_MAX:
        problems["every_weeks"] = _("Choose a number from 1, for every week, to %(most)s", most=rules.EVERY_WEEKS_MAX)
    if terms.period == "monthly" and not 1 <= (terms.month_day or 0) <= 31:
        problems["month_day"] = _("Choose a day from 1 to 31")
    if terms.period == "ordinal" and terms.ordinal not in rules.ORDINAL_NAMES:
        problems["ordinal"] = _("Choose first, second, third, fourth or last")
    if terms.period == "ordinal" and terms.month_weekday not in range(rules.WORKING_DAY + 1):
        problems["month_weekday"] = _("Choose a day of the week, or a working day")
    if terms.period == "dates":
        problems |= _check_dates(terms.dates)
    return problems


def _check_dates(dates: Sequence[date]) -> dict[str, str]:
    twice = sorted({day for day in dates if dates.count(day) > 1})
    if not dates:
        return {"dates": _("Write at least one day, such as 2027-03-01")}
    if len(dates) > rules.DATES_MAX:
        return {"dates": _("Write at most %(most)s days", most=rules.DATES_MAX)}
    if twice:
        return {"dates": f"{twice[0].isoformat()} stands here more than once"}
    if max(dates).year > rules.LAST_YEAR:
        return {"dates": _("Choose days before the year %(year)s", year=rules.LAST_YEAR + 1)}
    return {}


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names without those that differ only in case, in the order given."""
    return list({name_key(name): name.strip() for name in reversed(names)}.values())[::-1]


def _is_line(text: str) -> bool:
    """Whether `text` has no line breaks, control characters or halves of a surrogate pair: no database takes all."""
    return not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)
