"""Days and times as people of a language write them. Hours are 24 in every language here."""

from __future__ import annotations

from datetime import date, datetime

from language.speech import current


def day(at: date, *, year: bool = False) -> str:
    """Return "16 November" or "16. November", with the year when asked for."""
    return f"{_number(at)} {month(at)}" + (f" {at.year}" if year else "")


def weekday_and_day(at: date, *, year: bool = False) -> str:
    """Return "Monday 16 November" or "Montag, 16. November"."""
    return f"{weekday(at)}{_after_weekday()} {day(at, year=year)}"


def short_day(at: date, *, year: bool = False) -> str:
    """Return "16 Nov" or "16. Nov."."""
    return f"{_number(at)} {current().months[1][at.month - 1]}" + (f" {at.year}" if year else "")


def short_weekday_and_day(at: date, *, year: bool = False) -> str:
    """Return "Mon 16 Nov" or "Mo., 16. Nov."."""
    return f"{short_weekday(at)}{_after_weekday()} {short_day(at, year=year)}"


def month(at: date) -> str:
    """Return "November"."""
    return current().months[0][at.month - 1]


def weekday(at: date | int) -> str:
    """Return "Monday" or "Montag". `at`: a day, or 0 for Monday to 6 for Sunday."""
    return current().weekdays[0][at if isinstance(at, int) else at.weekday()]


def short_weekday(at: date | int) -> str:
    """Return "Mon" or "Mo."."""
    return current().weekdays[1][at if isinstance(at, int) else at.weekday()]


def clock(at: datetime, *, seconds: bool = False) -> str:
    """Return "07:00", or "07:00:05"."""
    return f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"


def _number(at: date) -> str:
    return f"{at.day}." if current().code == "de" else str(at.day)


def _after_weekday() -> str:
    return "," if current().code == "de" else ""
