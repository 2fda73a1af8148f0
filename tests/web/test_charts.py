"""The numbers behind the balance chart."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import MICRO, Unit
from app.web.charts import HEIGHT, RULES_MAX, WIDTH, BalanceChart, balance_chart, rule_step

UNIT = Unit()
START = date(2026, 10, 20)


def chart_of(*dollars: float, low: int | None = None, credited: tuple[date, ...] = ()) -> BalanceChart:
    points = [(START + timedelta(days=index), round(value * MICRO)) for index, value in enumerate(dollars)]
    return balance_chart(points, name="Print", text=UNIT.text, change=UNIT.change, low=low, credited=credited)


def test_the_line_is_level_until_the_day_of_a_change_and_then_upright() -> None:
    chart = chart_of(1, 1, 4, 2)
    assert chart.line == "M0 75.0H100.0H200.0V0.0H300.0V50.0"
    assert chart.area == chart.line + "V100.0H0Z"
    assert chart.now == (300, 50.0)


def test_zero_is_always_on_the_axis() -> None:
    for dollars in ((3.4, 3.5), (-2, -1), (-3, 5), (0, 0)):
        assert [rule.is_zero for rule in chart_of(*dollars).rules].count(True) == 1


def test_rules_are_round_and_their_labels_have_no_empty_cents() -> None:
    assert [rule.label for rule in chart_of(3.4, 11.2).rules] == ["$12", "$9", "$6", "$3", "$0"]
    assert [rule.label for rule in chart_of(0.2, 0.1).rules] == ["$0.20", "$0.15", "$0.10", "$0.05", "$0.00"]
    assert [rule.label for rule in chart_of(-1.5, 2).rules] == ["$2", "$1", "$0", "−$1", "−$2"]


def test_a_balance_below_zero_is_filled_from_the_zero_line() -> None:
    chart = chart_of(1, -1)
    assert chart.area.endswith("V50.0H0Z")


def test_one_day_is_a_level_line_across() -> None:
    chart = chart_of(2)
    assert chart.line == "M0 0.0H300"
    assert chart.dates == ("Today",)


def test_no_day_and_days_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        chart_of()
    with pytest.raises(ValueError, match="in order"):
        balance_chart([(START, 1), (START, 2)], name="Print", text=UNIT.text, change=UNIT.change)


def test_low_line_only_where_the_axis_reaches_it() -> None:
    assert chart_of(3, 4, low=MICRO).low_y == 75.0
    assert chart_of(0.2, 0.4, low=MICRO).low_y is None
    assert chart_of(3, 4).low_y is None


def test_dots_stand_on_the_days_with_a_credit() -> None:
    assert chart_of(1, 3, 3, 2, credited=(START + timedelta(days=1),)).dots == ((100.0, 0.0),)


def test_words_say_highest_lowest_and_now() -> None:
    chart = chart_of(1.6, 4, 0.4, 3.4)
    assert chart.title == "Print balance, 20 October to 23 October 2026"
    assert chart.description == "Highest $4.00 on 21 October, lowest $0.40 on 22 October, now $3.40."
    assert chart_of(2, 2).description == "It was $2.00 all the time."


def test_at_most_five_dates_first_and_last_among_them() -> None:
    assert chart_of(*range(31)).dates == ("20 Oct", "28 Oct", "4 Nov", "11 Nov", "Today")
    assert chart_of(1, 2).dates == ("20 Oct", "Today")


def test_table_has_each_day_newest_first_with_its_change() -> None:
    rows = chart_of(1, 3, 3).rows
    assert [(row.day_text, row.change_text, row.balance_text) for row in rows] == [
        ("Thu 22 Oct", "", "$3.00"),
        ("Wed 21 Oct", "+$2.00", "$3.00"),
        ("Tue 20 Oct", "", "$1.00"),
    ]


AMOUNTS = st.integers(-(10**15), 10**15)


@given(AMOUNTS, AMOUNTS)
def test_a_step_holds_both_ends_with_at_most_five_rules(one: int, other: int) -> None:
    lowest, highest = min(one, other, 0), max(one, other, 0)
    step = rule_step(lowest, highest)
    assert step > 0
    assert -(-highest // step) - lowest // step + 1 <= RULES_MAX


@given(st.lists(AMOUNTS, min_size=1, max_size=60))
def test_nothing_is_drawn_outside_the_frame(balances: list[int]) -> None:
    points = [(START + timedelta(days=index), balance) for index, balance in enumerate(balances)]
    chart = balance_chart(points, name="Print", text=UNIT.text, change=UNIT.change)
    ys = [float(y) for y in re.findall(r"(?:V|M0 )(-?[\d.]+)", chart.area)]
    xs = [float(x) for x in re.findall(r"H(-?[\d.]+)", chart.area)]
    assert all(0 <= y <= HEIGHT for y in ys)
    assert all(0 <= x <= WIDTH for x in xs)
    assert 2 <= len(chart.rules) <= RULES_MAX
