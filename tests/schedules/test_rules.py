"""When schedules fall due: clock changes, short months, first and last days, and what is caught up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedules import rules
from app.schedules.rules import Occurrence, Recurrence

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = [ZoneInfo(name) for name in (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Auckland",
    "Africa/Casablanca", "America/St_Johns", "Pacific/Kiritimati", "UTC",
)]  # fmt: skip


def at(text: str) -> datetime:
    """An instant from "2027-03-28T01:00" in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(*weekdays: int, zone: ZoneInfo = BERLIN, clock: time = time(7)) -> Recurrence:
    """Every week on these days, Monday is 0."""
    return Recurrence("weekly", clock, zone, weekdays=weekdays)


def monthly(day: int, clock: time = time(7)) -> Recurrence:
    """Every month on this day."""
    return Recurrence("monthly", clock, BERLIN, month_day=day)


def daily(clock: time, zone: ZoneInfo = BERLIN) -> Recurrence:
    """Every day."""
    return Recurrence("daily", clock, zone)


def instants(recurrence: Recurrence, after: str, count: int) -> list[str]:
    """The next instants in UTC, "2027-03-28T01:00"."""
    found = rules.next_occurrences(recurrence, after=at(after), count=count)
    return [occurrence.due_at.strftime("%Y-%m-%dT%H:%M") for occurrence in found]


def local_days(recurrence: Recurrence, after: str, count: int) -> list[str]:
    """The next local days, "2027-03-28"."""
    found = rules.next_occurrences(recurrence, after=at(after), count=count)
    return [occurrence.identity[:10] for occurrence in found]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2027-03-21T00:00", ["2027-03-22T06:00", "2027-03-29T05:00"]),
        ("2026-10-18T00:00", ["2026-10-19T05:00", "2026-10-26T06:00"]),
    ],
)
def test_monday_seven_stays_at_seven_on_the_wall_clock(after: str, expected: list[str]) -> None:
    assert instants(weekly(0), after, 2) == expected


def test_a_time_that_is_skipped_is_moved_forward_by_the_gap() -> None:
    expected = ["2027-03-27T01:30", "2027-03-28T01:30", "2027-03-29T00:30"]
    assert instants(daily(time(2, 30)), "2027-03-27T00:00", 3) == expected
    coming = rules.upcoming(daily(time(2, 30)), after=at("2027-03-27T00:00"), count=3)
    assert [run.at.strftime("%H:%M") for run in coming] == ["02:30", "03:30", "02:30"]
    assert [run.moved for run in coming] == [False, True, False]
    assert [rules.zone_name(run.at) for run in coming] == ["CET", "CEST", "CEST"]


def test_a_time_that_is_repeated_counts_once_at_its_first_passing() -> None:
    expected = ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]
    assert instants(daily(time(2, 30)), "2026-10-24T00:00", 3) == expected


def test_both_changes_of_new_york() -> None:
    spring = instants(daily(time(2, 30), NEW_YORK), "2027-03-13T08:00", 2)
    autumn = instants(daily(time(1, 30), NEW_YORK), "2026-10-31T12:00", 2)
    assert spring == ["2027-03-14T07:30", "2027-03-15T06:30"]
    assert autumn == ["2026-11-01T05:30", "2026-11-02T06:30"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (31, ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        (30, ["2027-01-30", "2027-02-28", "2027-03-30", "2027-04-30"]),
        (29, ["2027-01-29", "2027-02-28", "2027-03-29", "2027-04-29"]),
        (28, ["2027-01-28", "2027-02-28", "2027-03-28", "2027-04-28"]),
        (1, ["2027-01-01", "2027-02-01", "2027-03-01", "2027-04-01"]),
    ],
)
def test_a_day_that_a_month_lacks_is_its_last(day: int, expected: list[str]) -> None:
    assert local_days(monthly(day), "2026-12-31T12:00", 4) == expected


@pytest.mark.parametrize("day", [29, 30, 31])
def test_a_leap_year_has_a_29th(day: int) -> None:
    assert local_days(monthly(day), "2028-02-01T00:00", 1) == ["2028-02-29"]


def test_several_days_of_the_week_come_in_order() -> None:
    expected = ["2026-12-01", "2026-12-03", "2026-12-05", "2026-12-08"]
    assert local_days(weekly(5, 1, 3), "2026-11-30T00:00", 4) == expected


def test_the_first_and_the_last_day_belong_to_it() -> None:
    recurrence = replace(daily(time(7)), starts_on=date(2027, 1, 10), ends_on=date(2027, 1, 12))
    assert local_days(recurrence, "2026-11-01T00:00", 9) == ["2027-01-10", "2027-01-11", "2027-01-12"]
    assert local_days(recurrence, "2027-01-12T06:00", 9) == []


def test_days_are_those_of_the_zone_not_of_utc() -> None:
    recurrence = Recurrence("weekly", time(1), ZoneInfo("Pacific/Kiritimati"), weekdays=(0,))  # UTC+14
    assert instants(recurrence, "2026-11-25T00:00", 1) == ["2026-11-29T11:00"]


def test_what_was_missed_is_after_the_first_and_up_to_now() -> None:
    found = rules.missed(weekly(0), after=at("2027-03-22T06:00"), now=at("2027-04-05T05:00"))
    assert [occurrence.identity for occurrence in found] == ["2027-03-29T07:00", "2027-04-05T07:00"]


def test_catching_up() -> None:
    overdue = rules.missed(daily(time(7)), after=at("2026-11-20T12:00"), now=at("2026-11-23T06:10"))
    assert [occurrence.identity[8:10] for occurrence in overdue] == ["21", "22", "23"]
    assert rules.to_run(overdue, catch_up="all", now=at("2026-11-23T06:10")) == overdue
    assert rules.to_run(overdue, catch_up="last", now=at("2026-11-23T06:10")) == overdue[-1:]
    assert rules.to_run(overdue, catch_up="none", now=at("2026-11-23T06:10")) == overdue[-1:]
    assert rules.to_run(overdue, catch_up="none", now=at("2026-11-23T06:16")) == []
    assert rules.to_run([], catch_up="all", now=at("2026-11-23T06:16")) == []


def test_a_clock_change_is_found_with_its_day_and_direction() -> None:
    forward = rules.clock_change(BERLIN, at("2027-03-22T06:00"), at("2027-03-29T05:00"))
    back = rules.clock_change(NEW_YORK, at("2026-10-05T11:00"), at("2026-12-05T11:00"))
    assert forward == rules.ClockChange(date(2027, 3, 28), timedelta(hours=1))
    assert back == rules.ClockChange(date(2026, 11, 1), timedelta(hours=-1))
    assert rules.clock_change(BERLIN, at("2027-04-01T00:00"), at("2027-05-01T00:00")) is None


@pytest.mark.parametrize(
    ("recurrence", "words"),
    [
        (weekly(0), "Every Monday at 07:00"),
        (weekly(4, 0, 2), "Every Monday, Wednesday and Friday at 07:00"),
        (weekly(*range(7)), "Every day at 07:00"),
        (daily(time(0, 5)), "Every day at 00:05"),
        (monthly(1), "On day 1 of every month at 07:00"),
        (monthly(30), "On day 30 of every month, or its last day, at 07:00"),
        (monthly(31), "On the last day of every month at 07:00"),
    ],
)
def test_a_recurrence_in_words(recurrence: Recurrence, words: str) -> None:
    assert rules.when_in_words(recurrence) == words


def test_a_zone_without_letters_has_its_distance_for_a_name() -> None:
    assert rules.zone_name(at("2026-11-23T00:00").astimezone(ZoneInfo("America/Sao_Paulo"))) == "UTC-03"


days = st.dates(date(2024, 1, 1), date(2036, 12, 31))
moments = st.integers(1_704_067_200, 2_114_380_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
recurrences = st.builds(
    Recurrence,
    period=st.sampled_from(["daily", "weekly", "monthly"]),
    time_of_day=st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    zone=st.sampled_from(ZONES),
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda found: tuple(sorted(found))),
    month_day=st.integers(1, 31),
    starts_on=st.none() | days,
    ends_on=st.none() | days,
)


def first(recurrence: Recurrence, after: datetime, count: int = 12) -> list[Occurrence]:
    """The first occurrences after an instant."""
    return list(islice(rules.occurrences(recurrence, after=after), count))


@settings(max_examples=150, deadline=None)
@given(recurrences, moments)
def test_occurrences_strictly_increase_and_have_their_own_identity(recurrence: Recurrence, after: datetime) -> None:
    found = first(recurrence, after)
    assert all(one.due_at < other.due_at and one.local < other.local for one, other in pairwise(found))
    assert len({occurrence.identity for occurrence in found}) == len(found)


@settings(max_examples=150, deadline=None)
@given(recurrences, moments)
def test_after_is_exclusive_and_leaves_nothing_out(recurrence: Recurrence, after: datetime) -> None:
    found = first(recurrence, after)
    assert all(occurrence.due_at > after for occurrence in found)
    for occurrence in found[:2]:
        just_before = occurrence.due_at - timedelta(microseconds=1)
        assert first(recurrence, just_before, 1) == [occurrence]
        assert occurrence not in first(recurrence, occurrence.due_at, 1)


@settings(max_examples=150, deadline=None)
@given(recurrences, moments, st.integers(0, 11))
def test_from_any_point_the_rest_is_the_same(recurrence: Recurrence, after: datetime, place: int) -> None:
    found = first(recurrence, after)
    for point in found[place : place + 1]:
        assert first(recurrence, point.due_at, len(found) - place - 1) == found[place + 1 :]


@settings(max_examples=100, deadline=None)
@given(recurrences, moments, st.lists(st.timedeltas(timedelta(), timedelta(days=40)), max_size=6))
def test_looking_often_or_seldom_finds_the_same(
    recurrence: Recurrence, start: datetime, steps: list[timedelta]
) -> None:
    found, settled = [], start
    for step in steps:
        found += rules.missed(recurrence, after=settled, now=settled + step)
        settled += step
    assert found == rules.missed(recurrence, after=start, now=settled)
