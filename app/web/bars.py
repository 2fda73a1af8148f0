"""Turns sums over hours or days into the numbers of a bar chart; the template `parts/bars.html` draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from app.web.charts import rule_step
from language import _

WIDTH: Final = 300
HEIGHT: Final = 100
GAP: Final = 0.2
"""Part of a bar's place that stays empty."""

LABELS_MAX: Final = 7


@dataclass(frozen=True)
class Bar:
    """One bar in the drawing's own units, and its numbers in words. `y` grows downwards."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: str
    more: str


@dataclass(frozen=True)
class BarChart:
    """All that the template needs. `rules`: (y, words); `labels`: words under the bars, evenly spread."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    rules: tuple[tuple[float, str], ...]
    labels: tuple[str, ...]
    columns: tuple[str, str, str]


def bar_chart(
    values: Sequence[tuple[str, int, str]],
    *,
    title: str,
    text: Callable[[int], str],
    columns: tuple[str, str, str],
    labels: Sequence[str] = (),
) -> BarChart:
    """Return the chart of (label, value of 0 or more, words beside the value), in order.

    `text` writes a value; `columns` heads the table of the same numbers; `labels` stand under the bars
    instead of theirs. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("a chart needs at least one bar")
    highest = max(each[1] for each in values)
    step = rule_step(0, max(highest, 1))
    top = max(-(-highest // step) * step, step)
    place = WIDTH / len(values)
    bars = tuple(
        Bar(
            x=round(place * (index + GAP / 2), 2),
            y=round(HEIGHT * (top - value) / top, 2),
            width=round(place * (1 - GAP), 2),
            height=round(HEIGHT * value / top, 2),
            label=label,
            value=text(value) if value else _("nothing"),
            more=more,
        )
        for index, (label, value, more) in enumerate(values)
    )
    rules = tuple(
        (round(HEIGHT * (top - value) / top, 2), text(value) if value else "0") for value in range(top, -1, -step)
    )
    under = tuple(labels) or _labels([each[0] for each in values])
    return BarChart(title, _description(values, text), bars, rules, under, columns)


def _labels(labels: Sequence[str]) -> tuple[str, ...]:
    """All labels of a week, else five of them: an odd number, since phones show every other one."""
    if len(labels) <= LABELS_MAX:
        return tuple(labels)
    return tuple(labels[round(index * (len(labels) - 1) / 4)] for index in range(5))


def _description(values: Sequence[tuple[str, int, str]], text: Callable[[int], str]) -> str:
    total = sum(each[1] for each in values)
    if not total:
        return _("Nothing was used.")
    label, highest, _more = max(values, key=lambda each: each[1])
    return _("%(total)s in all; most, %(highest)s, in %(when)s.", total=text(total), highest=text(highest), when=label)
