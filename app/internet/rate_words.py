"""Rates in words that pupils understand, as functions of values. Prices are millionths of the instance's unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from app.internet.rate_rules import FULL, Hours, Terms
from app.money import Unit
from language import N_, _, _n, dates, numbers

MINUTES_OF_AN_HOUR: Final = 60
MODELS: Final = {
    "data": N_("By data: each MB costs something"),
    "time": N_("By time: each stretch of time in which the Internet is used costs something"),
    "both": N_("By data and by time, both at once"),
}
AT_EMPTY: Final = {
    "stop": N_("Stop: no new pages, except always-open sites"),
    "slow": N_("Slow: pages come slowly, through the proxy’s delay pools"),
    "warn": N_("Warn: everything goes on, and is charged"),
}
RUNNING: Final = {
    "end": N_("End what is running: downloads and tunnels are cut"),
    "leave": N_("Leave what is running to its end, and charge it"),
}


@dataclass(frozen=True)
class Price:
    """A line of the price list: what for, what it costs in words, and what to know about it."""

    what: str
    costs: str
    note: str = ""


def percent_in_words(percent: int) -> str:
    """Return "free", "half the price", "the usual price", "30% of the price"."""
    if percent == 0:
        return _("free")
    if percent == FULL:
        return _("the usual price")
    if percent in (50, 200):
        return _("half the price") if percent == 50 else _("twice the price")
    return _("%(percent)s of the price", percent=numbers.percent(percent))


def share_in_words(percent: int) -> str:
    """Return what somebody pays: "nothing", "half", "the usual price", "30% of the price"."""
    return _("nothing") if percent == 0 else percent_in_words(percent)


def pays_in_words(percent: int, name: str = "") -> str:
    """Return "You pay half the price", or the same of somebody: "Alice Amber pays nothing"."""
    price = numbers.percent(percent)
    if name:
        said = {
            0: _("%(name)s pays nothing", name=name),
            50: _("%(name)s pays half the price", name=name),
            FULL: _("%(name)s pays the usual price", name=name),
            200: _("%(name)s pays twice the price", name=name),
        }
        return said.get(percent) or _("%(name)s pays %(percent)s of the price", name=name, percent=price)
    said = {
        0: _("You pay nothing"),
        50: _("You pay half the price"),
        FULL: _("You pay the usual price"),
        200: _("You pay twice the price"),
    }
    return said.get(percent) or _("You pay %(percent)s of the price", percent=price)


def weekdays() -> list[str]:
    """Return Monday to Sunday."""
    return [dates.weekday(number) for number in range(7)]


def short_weekdays() -> list[str]:
    """Return Mon to Sun."""
    return [dates.short_weekday(number) for number in range(7)]


def weekdays_in_words(digits: str) -> str:
    """Return "every day", "Monday to Friday", "Monday, Wednesday and Friday" for letters "1" (Monday) to "7"."""
    chosen, names = sorted({int(each) for each in digits}), weekdays()
    if len(chosen) == len(names):
        return _("every day")
    parts = []
    for _gap, run in groupby(enumerate(chosen), key=lambda pair: pair[1] - pair[0]):
        days = [names[number - 1] for _place, number in run]
        parts += [_("%(first)s to %(last)s", first=days[0], last=days[-1])] if len(days) > 2 else days
    return listed(parts)


def span_in_words(hours: Hours) -> str:
    """Return "18:00 to 22:00", "22:00 to 06:00 of the next day", "the whole day"."""
    if hours.start == 0 and hours.end in (0, 1440):
        return _("the whole day")
    start, end = clock_text(hours.start), clock_text(hours.end)
    if hours.end <= hours.start:
        return _("%(start)s to %(end)s of the next day", start=start, end=end)
    return _("%(start)s to %(end)s", start=start, end=end)


def hours_in_words(hours: Hours) -> str:
    """Return "Monday to Friday, 18:00 to 22:00: half the price"."""
    days = weekdays_in_words(hours.weekdays)
    return _(
        "%(days)s, %(hours)s: %(price)s",
        days=f"{days[0].upper()}{days[1:]}",
        hours=span_in_words(hours),
        price=percent_in_words(hours.percent),
    )


def clock_text(minute: int) -> str:
    """Return a minute of the day (0 to 1440) as "08:15"."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def listed(parts: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return parts[0] if parts else ""
    return _("%(others)s and %(last)s", others=", ".join(parts[:-1]), last=parts[-1])


def period_in_words(period_s: int) -> str:
    """Return "1 minute", "15 minutes", "1 hour": a stretch of time that is paid as a whole."""
    minutes = period_s // 60
    return _("1 hour") if minutes == MINUTES_OF_AN_HOUR else _n("1 minute", "%(num)s minutes", minutes)


def paid_in_words(period_s: int) -> str:
    """Return what of time is paid: "Paid is each minute in which the Internet is used."."""
    minutes = period_s // 60
    if minutes == MINUTES_OF_AN_HOUR:
        return _("Paid is each hour in which the Internet is used.")
    return _n(
        "Paid is each minute in which the Internet is used.",
        "Paid is each %(num)s minutes in which the Internet is used.",
        minutes,
    )


def prices(terms: Terms, unit: Unit, percent: int = FULL) -> list[Price]:
    """Return the price list for somebody who pays `percent` of prices at some hour: what 1 MB and a period cost."""

    def cost(price: int) -> str:
        return unit.price(price * percent // FULL) if price * percent // FULL else _("free")

    found = []
    if terms.down == terms.up and terms.down:
        found.append(Price("1\N{NO-BREAK SPACE}MB", cost(terms.down), _("received or sent")))
    elif terms.down or terms.up:
        found.append(Price(_("1\N{NO-BREAK SPACE}MB received"), cost(terms.down)))
        found.append(Price(_("1\N{NO-BREAK SPACE}MB sent"), cost(terms.up)))
    if terms.per_period and terms.period_s:
        is_one = terms.period_s in (60, 3600)
        note = _("any use within it counts") if is_one else _("any use within them counts")
        found.append(Price(period_in_words(terms.period_s), cost(terms.per_period), note))
    return found or [Price("1\N{NO-BREAK SPACE}MB", _("free"))]


def terms_in_words(terms: Terms, unit: Unit) -> list[str]:
    """Return what terms say, a sentence each, for whoever is about to save them."""
    said = []
    if terms.down and terms.down == terms.up:
        said.append(_("Each MB costs %(price)s, whether received or sent.", price=unit.price(terms.down)))
    elif terms.down or terms.up:
        said.append(_data_in_words(terms, unit))
    if terms.per_period and terms.period_s:
        said.append(_period_price_in_words(terms.period_s, unit.price(terms.per_period)))
    if not said:
        return [_("Nothing costs anything.")]
    if terms.cached_free and (terms.down or terms.up):
        said.append(_("What the proxy had kept from before (cached answers) is free."))
    for hours in terms.hours:
        sentence = hours_in_words(hours)
        said.append(
            _("%(sentence)s (“%(name)s”).", sentence=sentence, name=hours.name) if hours.name else f"{sentence}."
        )
    if terms.hours:
        said.append(_("At all other hours: the usual price."))
    return said


def _data_in_words(terms: Terms, unit: Unit) -> str:
    """The sentence where received and sent do not cost the same."""
    down, up = unit.price(terms.down), unit.price(terms.up)
    if not terms.up:
        return _("Each MB received costs %(down)s, each MB sent is free.", down=down)
    if not terms.down:
        return _("Each MB received is free, each MB sent costs %(up)s.", up=up)
    return _("Each MB received costs %(down)s, each MB sent costs %(up)s.", down=down, up=up)


def _period_price_in_words(period_s: int, price: str) -> str:
    if period_s == 3600:
        return _("Each hour in which the Internet is used costs %(price)s, however little it was.", price=price)
    return _n(
        "Each minute in which the Internet is used costs %(price)s, however little it was.",
        "Each %(num)s minutes in which the Internet is used cost %(price)s, however little it was.",
        period_s // 60,
        price=price,
    )
