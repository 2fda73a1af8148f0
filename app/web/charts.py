"""Turns a history of balances into the numbers of a step-line chart; the template `parts/chart.html` draws it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from language import _, current, dates

WIDTH: Final = 300
HEIGHT: Final = 100
RULES_MAX: Final = 5
DATES_MAX: Final = 5
STEPS: Final = (1, 2, 3, 5)


@dataclass(frozen=True)
class Rule:
    """A line across the chart: where it is (0 is the top) and what it stands for."""

    y: float
    label: str
    is_zero: bool


@dataclass(frozen=True)
class Row:
    """A line of the table beside the chart."""

    on: date
    day_text: str
    change_text: str
    balance_text: str


@dataclass(frozen=True)
class BalanceChart:
    """All that the template needs, in the drawing's own units: 300 wide, 100 high, y grows downwards."""

    title: str
    description: str
    line: str
    area: str
    rules: tuple[Rule, ...]
    dates: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    now: tuple[float, float]
    low_y: float | None
    low_text: str
    rows: tuple[Row, ...]


def balance_chart(
    points: Sequence[tuple[date, int]],
    *,
    name: str,
    text: Callable[[int], str],
    change: Callable[[int], str],
    low: int | None = None,
    credited: Collection[date] = (),
) -> BalanceChart:
    """Return the chart of `points`: (day, balance at its end in millionths), oldest first, without a day twice.

    `name`: what the balance is of ("Print"). `text` and `change`: how the unit writes a balance and a change. `low`:
    from where down a purse is called low. `credited`: the days that get a dot. Raises ValueError for no points, or
    for points out of order.
    """
    if not points:
        raise ValueError("a chart needs at least one day")
    if any(earlier[0] >= later[0] for earlier, later in pairwise(points)):
        raise ValueError("the days of a chart must be in order, each once")
    balances = [balance for _day, balance in points]
    step = rule_step(min(balances), max(balances))
    bottom = min(balances) // step * step if min(balances) < 0 else 0
    top = max(-(-max(balances) // step) * step, bottom + step, 0)

    def y_of(balance: int) -> float:
        return _rounded(HEIGHT * (top - balance) / (top - bottom))

    places = _places(len(points))
    corners = list(zip(places, (y_of(balance) for balance in balances), strict=True))
    line = _step_line(corners)
    first, last = points[0][0], points[-1][0]
    shown_low = low is not None and bottom < low < top
    return BalanceChart(
        title=_(
            "%(name)s balance, %(first)s to %(last)s", name=name, first=long_day(first, last.year), last=long_day(last)
        ),
        description=_description(points, text),
        line=line,
        area=f"{line}V{y_of(0)}H0Z",
        rules=tuple(_rules(bottom, top, step, text)),
        dates=tuple(_dates(points)),
        dots=tuple(corner for corner, (day, _balance) in zip(corners, points, strict=True) if day in credited),
        now=(WIDTH, corners[-1][1]),
        low_y=y_of(low) if shown_low and low is not None else None,
        low_text=text(low) if low is not None else "",
        rows=tuple(_rows(points, text, change)),
    )


def rule_step(lowest: int, highest: int) -> int:
    """Return the smallest round distance (1, 2, 3 or 5 and noughts) at which at most five rules hold all balances."""
    bottom, top = min(lowest, 0), max(highest, 0)
    size = 1
    while True:
        for factor in STEPS:
            step = factor * size
            if -(-top // step) - bottom // step < RULES_MAX:
                return step
        size *= 10


def long_day(day: date, year: int | None = None) -> str:
    """Return "9 November 2026"; without the year when it is `year`."""
    return dates.day(day, year=day.year != year)


def _places(count: int) -> list[float]:
    return [WIDTH] if count == 1 else [_rounded(WIDTH * index / (count - 1)) for index in range(count)]


def _step_line(corners: Sequence[tuple[float, float]]) -> str:
    """Level until the next day, then straight up or down: a balance has no values between two entries."""
    path, y_before = [f"M0 {corners[0][1]}"], corners[0][1]
    for x, y in corners if len(corners) == 1 else corners[1:]:
        path.append(f"H{x}" if y == y_before else f"H{x}V{y}")
        y_before = y
    return "".join(path)


def _rules(bottom: int, top: int, step: int, text: Callable[[int], str]) -> Iterator[Rule]:
    """Rules from the top down. "$5.00" becomes "$5" where no rule has cents."""
    values = range(top, bottom - 1, -step)
    labels = [text(value) for value in values]
    empty_fraction = re.compile(rf"{re.escape(current().point)}0+(?=\D*$)")
    if all(empty_fraction.search(label) for label in labels):
        labels = [empty_fraction.sub("", label) for label in labels]
    for value, label in zip(values, labels, strict=True):
        yield Rule(_rounded(HEIGHT * (top - value) / (top - bottom)), label, value == 0)


def _dates(points: Sequence[tuple[date, int]]) -> Iterator[str]:
    """At most five dates at equal distances, the last one being today."""
    count = len(points)
    if count == 1:
        yield _("Today")
        return
    wanted = min(DATES_MAX, count)
    for index in range(wanted - 1):
        day = points[round(index * (count - 1) / (wanted - 1))][0]
        yield dates.short_day(day)
    yield _("Today")


def _description(points: Sequence[tuple[date, int]], text: Callable[[int], str]) -> str:
    now = text(points[-1][1])
    if len({balance for _day, balance in points}) == 1:
        return _("It was %(amount)s all the time.", amount=now)
    highest = max(points, key=lambda point: point[1])
    lowest = min(points, key=lambda point: point[1])
    year = points[-1][0].year
    return _(
        "Highest %(highest)s on %(highest_day)s, lowest %(lowest)s on %(lowest_day)s, now %(now)s.",
        highest=text(highest[1]),
        highest_day=long_day(highest[0], year),
        lowest=text(lowest[1]),
        lowest_day=long_day(lowest[0], year),
        now=now,
    )


def _rows(points: Sequence[tuple[date, int]], text: Callable[[int], str], change: Callable[[int], str]) -> list[Row]:
    rows, before = [], points[0][1]
    for day, balance in points:
        moved = change(balance - before) if balance != before else ""
        rows.append(Row(day, dates.short_weekday_and_day(day), moved, text(balance)))
        before = balance
    return rows[::-1]


def _rounded(number: float) -> float:
    return round(number, 2)
