"""Prices against a slow model that walks through the week minute by minute; slots, periods and zones by example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.internet.rate_rules import (
    Hours,
    Plan,
    Terms,
    Use,
    flat,
    hour_start,
    next_change,
    percent_of_hours,
    period_lengths,
    slot_seconds,
    zone_offsets,
)

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
YEAR_2026 = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
BERLIN = ZoneInfo("Europe/Berlin")

quarters = st.integers(0, 95).map(lambda quarter: quarter * 15)
lines = st.builds(
    Hours,
    name=st.just(""),
    weekdays=st.sets(st.sampled_from("1234567"), min_size=1).map(lambda days: "".join(sorted(days))),
    start=quarters,
    end=st.one_of(quarters, st.just(1440)),
    percent=st.integers(0, 300),
)
terms = st.builds(
    Terms,
    down=st.integers(0, 10**7),
    up=st.integers(0, 10**7),
    per_period=st.integers(0, 10**6),
    period_s=st.sampled_from((0, 60, 300, 900, 3600)),
    cached_free=st.booleans(),
    hours=st.lists(lines, max_size=4).map(tuple),
    sites=st.dictionaries(st.integers(1, 4), st.integers(0, 300)),
)
instants = st.integers(YEAR_2026, YEAR_2026 + 366 * 86_400)


@cache
def minutes_of(line: Hours) -> set[tuple[int, int]]:
    """Every (weekday, minute) of a line, by walking from its start to its end."""
    length = (line.end - line.start) % 1440 or 1440
    return {
        ((int(day) - 1 + (line.start + step) // 1440) % 7 + 1, (line.start + step) % 1440)
        for day in line.weekdays
        for step in range(length)
    }


def slow_percent(hours: tuple[Hours, ...], instant: int, zone: ZoneInfo) -> int:
    """The percentage at an instant, by looking it up in the walked week."""
    local = datetime.fromtimestamp(instant, zone)
    for line in hours:
        if (local.isoweekday(), local.hour * 60 + local.minute) in minutes_of(line):
            return line.percent
    return 100


@settings(max_examples=60, deadline=None)
@given(
    terms=terms,
    past=st.lists(st.tuples(instants, terms), max_size=2),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    instant=instants,
    site=st.integers(0, 5),
    sizes=st.tuples(st.integers(0, 10**11), st.integers(0, 10**10), st.integers(0, 10**11)),
    periods=st.lists(instants, max_size=3, unique=True).map(tuple),
    percent=st.integers(0, 200),
)
def test_prices_equal_those_of_a_slow_model(
    terms: Terms,
    past: list[tuple[int, Terms]],
    zone: ZoneInfo,
    instant: int,
    site: int,
    sizes: tuple[int, int, int],
    periods: tuple[int, ...],
    percent: int,
) -> None:
    """The price is the exact fraction of a model that knows no shortcuts, cut off once for data and once a period."""
    past.sort(key=lambda each: each[0])
    plan = Plan(terms, zone, past=tuple(past), has_people=percent != 100)
    down, up, cached = sizes[0], sizes[1], min(sizes[2], sizes[0])

    def then(at: int) -> Terms:
        return next((old for until, old in past if at < until), terms)

    held = then(instant)
    paid_down = down - cached if held.cached_free else down
    data = Fraction(paid_down * held.down + up * held.up)
    for share in (slow_percent(held.hours, instant, zone), held.sites.get(site, 100), percent):
        data = data * share / 100
    time = 0
    for start in periods:
        old = then(start)
        if old.period_s:
            time += int(Fraction(old.per_period * 1_000_000 * slow_percent(old.hours, start, zone) * percent, 10_000))
    use = Use(instant, site, down, up, cached, periods)
    assert plan.price(use, percent) == int(data) + time
    columns = [[each, each] for each in (1, site, down, up, cached, 0)]
    assert plan.price_columns(instant, columns, {1: percent}) == [int(data)] * 2
    if plan.is_flat:
        assert plan.price(use) == (down + up) * terms.down
    if terms.is_free and not past:
        assert plan.price(use, percent) == 0


@pytest.mark.parametrize("percent", [100, 50, 33])
@pytest.mark.parametrize("up", [0, 10_000, 7])
@pytest.mark.parametrize("down", [20_000, 10_003])
@pytest.mark.parametrize("cached_free", [False, True])
def test_many_uses_cost_what_each_costs(down: int, up: int, percent: int, cached_free: bool) -> None:
    """Where no price has to be rounded, many are reckoned in another way."""
    terms = Terms(down=down, up=up, cached_free=cached_free, sites={1: 0, 2: 50, 3: 33})
    plan = Plan(terms, BERLIN, has_people=percent != 100)
    uses = [Use(YEAR_2026, site, 1_000 + site, sent, 10) for site in range(4) for sent in (0, 77)]
    prices = [plan.price(use, percent) for use in uses]
    rows = [(1, use.site_list_id, use.download, use.upload, use.cached) for use in uses]
    assert plan.price_columns(YEAR_2026, list(zip(*rows, strict=True)), {1: percent}) == prices
    plain = [row for row in rows if row[1:4:2] == (0, 0)]
    users, _sites, received, _sent, cached = zip(*plain, strict=True)
    assert plan.price_columns(YEAR_2026, [users, [], received, [], cached], {1: percent}) == prices[:1]


@settings(max_examples=25, deadline=None)
@given(hours=st.lists(lines, max_size=3).map(tuple), zone=st.sampled_from(ZONES).map(ZoneInfo), day=st.integers(0, 364))
def test_within_a_slot_nothing_changes(hours: tuple[Hours, ...], zone: ZoneInfo, day: int) -> None:
    """No slot holds two prices, nor two hours of the wall clock: through a whole day."""
    start = YEAR_2026 + day * 86_400
    length = slot_seconds(hours, zone, start)
    for slot in range(start, start + 86_400, length):
        moments = [*range(slot, slot + length, 300), slot + length - 1]
        assert len({slow_percent(hours, at, zone) for at in moments}) == 1
        assert len({hour_start(at, zone) for at in moments}) == 1


@pytest.mark.parametrize(
    ("zone", "end", "length"),
    [
        ("Europe/Berlin", 1320, 3600),
        ("Europe/Berlin", 1335, 900),
        ("Asia/Kolkata", 1320, 900),
        ("Australia/Lord_Howe", 1320, 900),
        ("Pacific/Apia", 1320, 3600),
    ],
)
def test_slots_are_hours_unless_a_boundary_or_the_zone_needs_quarters(zone: str, end: int, length: int) -> None:
    assert slot_seconds((Hours("", "12345", 480, end, 50),), ZoneInfo(zone), YEAR_2026) == length


def at(text: str) -> int:
    """Seconds since 1970 of a time as it is written, with its offset."""
    return int(datetime.fromisoformat(text).timestamp())


def test_hours_follow_the_wall_clock_through_both_changes() -> None:
    """Europe/Berlin skips 02:00 to 03:00 on 29 March 2026 and has it twice on 25 October."""
    plan = Plan(Terms(down=10_000, hours=(Hours("night", "7", 120, 240, 50),)), BERLIN)
    spring = [plan.percent_at(at(f"2026-03-29T{hour}:30+00:00")) for hour in ("00", "01", "02")]
    assert spring == [100, 50, 100]  # 01:30 CET; 03:30 CEST; 04:30 CEST: one hour of the two is there
    autumn = [plan.percent_at(at(f"2026-10-25T{hour}:30+00:00")) for hour in ("23", "00", "01", "02", "03")]
    assert autumn[1:] == [50, 50, 50, 100]  # 02:30 twice, then 03:30, 04:30: three hours of two


def test_the_first_line_that_fits_counts_and_a_night_goes_over_midnight() -> None:
    hours = (
        Hours("exam", "1", 540, 600, 0),
        Hours("night", "57", 1320, 360, 50),
        Hours("day", "1234567", 480, 720, 150),
    )
    monday = datetime(2026, 11, 23, tzinfo=BERLIN)

    def percent(**since: int) -> int:
        return percent_of_hours(hours, monday + timedelta(**since))

    assert [percent(hours=9), percent(hours=10), percent(hours=13)] == [0, 150, 100]
    assert percent(hours=5, minutes=59) == 50, "Sunday's night ends on Monday at 06:00"
    assert percent(hours=6) == 100
    assert [percent(days=4, hours=22), percent(days=5, hours=5), percent(days=5, hours=22)] == [50, 50, 100]


def test_the_next_change_is_where_other_hours_begin() -> None:
    day = Hours("day", "12345", 480, 720, 150)
    plan = Plan(Terms(down=1, hours=(day,)), BERLIN)
    friday_noon = at("2026-11-20T11:59+01:00")
    assert next_change(plan, friday_noon) == (at("2026-11-20T12:00+01:00"), None)
    assert next_change(plan, at("2026-11-20T12:00+01:00")) == (at("2026-11-23T08:00+01:00"), day)
    assert next_change(Plan(flat(1), BERLIN), friday_noon) is None


def test_periods_cut_the_hour_and_the_local_day() -> None:
    assert period_lengths(BERLIN, YEAR_2026)[-2:] == [30, 60]
    assert period_lengths(ZoneInfo("Asia/Kathmandu"), YEAR_2026)[-1] == 15  # UTC+5:45
    assert period_lengths(ZoneInfo("Asia/Kolkata"), YEAR_2026)[-1] == 30  # UTC+5:30
    assert zone_offsets(BERLIN, YEAR_2026) == {3600, 7200}
