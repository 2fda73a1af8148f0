"""Rates in words that pupils understand, as functions of values. Prices are millionths of the instance's unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from app.internet.rate_rules import FULL, Hours, Terms
from app.money import Unit

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MODELS: Final = {
    "data": "By data: each MB costs something",
    "time": "By time: each stretch of time in which the Internet is used costs something",
    "both": "By data and by time, both at once",
}
AT_EMPTY: Final = {
    "stop": "Stop: no new pages, except always-open sites",
    "slow": "Slow: pages come slowly, through the proxy’s delay pools",
    "warn": "Warn: everything goes on, and is charged",
}
RUNNING: Final = {
    "end": "End what is running: downloads and tunnels are cut",
    "leave": "Leave what is running to its end, and charge it",
}


@dataclass(frozen=True)
class Price:
    """A line of the price list: what for, what it costs in words, and what to know about it."""

    what: str
    costs: str
    note: str = ""


def percent_in_words(percent: int) -> str:
    """Return "free", "half the price", "the usual price", "30% of the price"."""
    return {0: "free", 50: "half the price", FULL: "the usual price", 200: "twice the price"}.get(
        percent, f"{percent}% of the price"
    )


def share_in_words(percent: int) -> str:
    """Return what somebody pays: "nothing", "half", "the usual price", "30% of the price"."""
    return {0: "nothing", 50: "half the price"}.get(percent, percent_in_words(percent))


def weekdays_in_words(weekdays: str) -> str:
    """Return "every day", "Monday to Friday", "Monday, Wednesday and Friday" for letters "1" (Monday) to "7"."""
    numbers = sorted({int(each) for each in weekdays})
    if len(numbers) == len(DAYS):
        return "every day"
    parts = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        days = [DAYS[number - 1] for _, number in run]
        parts += [f"{days[0]} to {days[-1]}"] if len(days) > 2 else days
    return listed(parts)


def span_in_words(hours: Hours) -> str:
    """Return "18:00 to 22:00", "22:00 to 06:00 of the next day", "the whole day"."""
    if hours.start == 0 and hours.end in (0, 1440):
        return "the whole day"
    over = " of the next day" if hours.end <= hours.start else ""
    return f"{clock_text(hours.start)} to {clock_text(hours.end)}{over}"


def hours_in_words(hours: Hours) -> str:
    """Return "Monday to Friday, 18:00 to 22:00: half the price"."""
    days = weekdays_in_words(hours.weekdays)
    return f"{days[0].upper()}{days[1:]}, {span_in_words(hours)}: {percent_in_words(hours.percent)}"


def clock_text(minute: int) -> str:
    """Return a minute of the day (0 to 1440) as "08:15"."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def listed(parts: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def period_in_words(period_s: int) -> str:
    """Return "minute", "15 minutes", "hour": a stretch of time that is paid as a whole."""
    minutes = period_s // 60
    return {1: "minute", 60: "hour"}.get(minutes, f"{minutes} minutes")


def prices(terms: Terms, unit: Unit, percent: int = FULL) -> list[Price]:
    """Return the price list for somebody who pays `percent` of prices at some hour: what 1 MB and a period cost."""

    def cost(price: int) -> str:
        return unit.price(price * percent // FULL) if price * percent // FULL else "free"

    found = []
    if terms.down == terms.up and terms.down:
        found.append(Price("1\N{NO-BREAK SPACE}MB", cost(terms.down), "received or sent"))
    elif terms.down or terms.up:
        found.append(Price("1\N{NO-BREAK SPACE}MB received", cost(terms.down)))
        found.append(Price("1\N{NO-BREAK SPACE}MB sent", cost(terms.up)))
    if terms.per_period and terms.period_s:
        what = period_in_words(terms.period_s)
        note = f"any use within {'it' if what in ('minute', 'hour') else 'them'} counts"
        found.append(Price(what if what[0].isdigit() else f"1 {what}", cost(terms.per_period), note))
    return found or [Price("1\N{NO-BREAK SPACE}MB", "free")]


def terms_in_words(terms: Terms, unit: Unit) -> list[str]:
    """Return what terms say, a sentence each, for whoever is about to save them."""
    said = []
    if terms.down and terms.down == terms.up:
        said.append(f"Each MB costs {unit.price(terms.down)}, whether received or sent.")
    elif terms.down or terms.up:
        down = f"costs {unit.price(terms.down)}" if terms.down else "is free"
        up = f"costs {unit.price(terms.up)}" if terms.up else "is free"
        said.append(f"Each MB received {down}, each MB sent {up}.")
    if terms.per_period and terms.period_s:
        what = period_in_words(terms.period_s)
        verb = "costs" if what in ("minute", "hour") else "cost"
        said.append(
            f"Each {what} in which the Internet is used {verb} {unit.price(terms.per_period)}, however little it was."
        )
    if not said:
        return ["Nothing costs anything."]
    if terms.cached_free and (terms.down or terms.up):
        said.append("What the proxy had kept from before (cached answers) is free.")
    said += [f"{hours_in_words(hours)}{f' (“{hours.name}”)' if hours.name else ''}." for hours in terms.hours]
    if terms.hours:
        said.append("At all other hours: the usual price.")
    return said
