"""Every way to recur, against a walk day by day that knows only the calendar, and where clocks do odd things."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedules import rules
from app.schedules.rules import Occurrence, Recurrence
from app.schedules.terms import check
from tests.schedules.conftest import WEEKLY

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = [ZoneInfo(name) for name in (
    "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Pacific/Auckland",
    "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC",
)]  # fmt: skip
EVERY_WEEK = Recurrence("weekly", time(7), BERLIN, weekdays=(0,))


def at(text: str) -> datetime:
    """An instant from "2027-03-28T01:00" in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days_of(recurrence: Recurrence, after: str, count: int) -> list[str]:
    """The next local days, "2027-03-28"."""
    found = rules.next_occurrences(recurrence, after=at(after), count=count)
    return [occurrence.identity[:10] for occurrence in found]


# What the walk below must agree with: nothing of it comes from dateutil or from the rules.


def is_day(recurrence: Recurrence, day: date) -> bool:
    """Whether the recurrence names this day, by the calendar alone."""
    month_length = calendar.monthrange(day.year, day.month)[1]
    if recurrence.period == "weekly":
        weeks = (day.toordinal() - 1) // 7 - (recurrence.anchor.toordinal() - 1) // 7  # day 1 of year 1 was a Monday
        return day.weekday() in recurrence.weekdays and weeks % recurrence.every_weeks == 0
    if recurrence.period == "monthly":
        return day.day == min(recurrence.month_day, month_length)
    if recurrence.period == "ordinal":
        wanted = range(5) if recurrence.month_weekday == 7 else (recurrence.month_weekday,)
        alike = [number for number in range(1, month_length + 1) if day.replace(day=number).weekday() in wanted]
        return day.day == alike[recurrence.ordinal - 1 if recurrence.ordinal > 0 else -1]
    return day in recurrence.dates if recurrence.period == "dates" else recurrence.period == "daily"


def instants_of(zone: ZoneInfo, wall: datetime) -> list[datetime]:
    """Every instant at which the zone's clock shows `wall`: none in a gap, two where it is turned back."""
    offsets = {(wall.replace(tzinfo=UTC) + shift).astimezone(zone).utcoffset() for shift in (-2 * DAY, -DAY, DAY)}
    found = {wall.replace(tzinfo=UTC) - (offset or timedelta()) for offset in offsets}
    return sorted(one for one in found if one.astimezone(zone).replace(tzinfo=None) == wall)


def walked(recurrence: Recurrence, after: datetime, until: datetime) -> list[Occurrence]:
    """The occurrences in (after, until], day by day; a time that does not exist waits for as long as the gap is."""
    found: dict[datetime, Occurrence] = {}
    day, last = after.date() - 4 * DAY, until.date() + 4 * DAY
    while day <= last:
        if (recurrence.starts_on or day) <= day <= (recurrence.ends_on or day) and is_day(recurrence, day):
            wall = datetime.combine(day, recurrence.time_of_day)
            instants = instants_of(recurrence.zone, wall)
            due_at = instants[0] if instants else wall.replace(tzinfo=UTC) - _offset_before(recurrence.zone, wall)
            found[due_at] = Occurrence(due_at, wall)  # the later takes the place of one that was moved to its instant
        day += DAY
    return [found[due_at] for due_at in sorted(found) if after < due_at <= until]


def _offset_before(zone: ZoneInfo, wall: datetime) -> timedelta:
    """The clock's distance from UTC before the gap in which `wall` lies."""
    return (wall.replace(tzinfo=UTC) - 2 * DAY).astimezone(zone).utcoffset() or timedelta()


days = st.dates(date(2010, 1, 1), date(2036, 12, 31))
moments = st.integers(1_262_304_000, 2_114_380_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
near_changes = st.sampled_from([
    "2011-12-29T00:00", "2027-03-28T00:00", "2027-10-31T00:00", "2027-03-14T00:00", "2027-11-07T00:00",
    "2027-04-03T00:00", "2027-10-02T00:00", "2028-02-28T00:00",
]).map(at)  # fmt: skip
recurrences = st.builds(
    Recurrence,
    period=st.sampled_from(["daily", "weekly", "monthly", "ordinal", "dates"]),
    time_of_day=st.builds(time, st.sampled_from([0, 1, 2, 3, 7, 23]), st.sampled_from([0, 15, 30, 59])),
    zone=st.sampled_from(ZONES),
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda found: tuple(sorted(found))),
    month_day=st.integers(1, 31),
    starts_on=st.none() | days,
    ends_on=st.none() | days,
    every_weeks=st.sampled_from([1, 2, 3, 5, 52]),
    anchor=days,
    ordinal=st.sampled_from([1, 2, 3, 4, -1]),
    month_weekday=st.integers(0, 7),
    dates=st.lists(days | st.dates(date(2011, 12, 28), date(2012, 1, 2)), min_size=1, max_size=30, unique=True).map(
        lambda found: tuple(sorted(found))
    ),
)


@settings(max_examples=200, deadline=None)
@given(recurrences, moments | near_changes)
def test_the_rules_and_a_walk_through_the_calendar_agree(recurrence: Recurrence, after: datetime) -> None:
    until = after + timedelta(days=400 if recurrence.period in ("monthly", "ordinal") else 120)
    if recurrence.every_weeks == 52 and recurrence.period == "weekly":
        until = after + timedelta(days=800)
    assert rules.missed(recurrence, after=after, now=until) == walked(recurrence, after, until)


@settings(max_examples=150, deadline=None)
@given(recurrences, moments | near_changes)
def test_instants_and_identities_increase_and_stand_at_the_written_time_or_after_its_gap(
    recurrence: Recurrence, after: datetime
) -> None:
    found = list(islice(rules.occurrences(recurrence, after=after), 15))
    assert all(one.due_at < other.due_at and one.local < other.local for one, other in pairwise(found))
    assert len({one.identity for one in found}) == len(found)
    for one in found:
        assert is_day(recurrence, one.local.date())
        shown = one.due_at.astimezone(recurrence.zone).replace(tzinfo=None)
        assert shown == one.local or (not instants_of(recurrence.zone, one.local) and shown > one.local)


@settings(max_examples=100, deadline=None)
@given(recurrences, moments | near_changes, st.integers(0, 3))
def test_a_skipped_occurrence_is_left_out_and_nothing_else_changes(
    recurrence: Recurrence, after: datetime, place: int
) -> None:
    found = list(islice(rules.occurrences(recurrence, after=after), 6))
    for one in found[place : place + 1]:
        skipping = replace(recurrence, skipped=one.identity)
        assert (
            list(islice(rules.occurrences(skipping, after=after), 5)) == [other for other in found if other != one][:5]
        )
        shown = rules.upcoming(skipping, after=after, count=len(found))
        assert [(run.identity, run.skipped) for run in shown] == [(other.identity, other == one) for other in found]


@settings(max_examples=60, deadline=None)
@given(recurrences, moments, st.lists(st.timedeltas(-2 * HOUR, timedelta(days=20)), max_size=8))
def test_a_clock_that_is_set_back_or_forward_brings_nothing_twice(
    recurrence: Recurrence, now: datetime, steps: list[timedelta]
) -> None:
    seen, settled = [], now
    for step in steps:
        now += step
        overdue = rules.missed(recurrence, after=settled, now=now)
        seen += [one.identity for one in overdue]
        settled = now if overdue else settled
    assert len(seen) == len(set(seen))


def test_weeks_that_count_are_told_by_the_anchor_and_never_shift() -> None:
    second = replace(EVERY_WEEK, every_weeks=2, weekdays=(0, 6), anchor=date(2027, 3, 18))  # a Thursday
    expected = ["2027-03-15", "2027-03-21", "2027-03-29", "2027-04-04", "2027-04-12"]
    assert days_of(second, "2027-03-14T00:00", 5) == expected
    for later in range(1, 5):
        assert days_of(second, expected[later - 1] + "T12:00", 5 - later) == expected[later:]
    assert days_of(second, "2037-03-14T00:00", 1) == ["2037-03-16"]  # 522 weeks later
    assert days_of(second, "2037-03-22T12:00", 1) == ["2037-03-30"]
    assert days_of(replace(second, starts_on=date(2027, 3, 19)), "2027-03-14T00:00", 1) == ["2027-03-21"]


@pytest.mark.parametrize(
    ("ordinal", "weekday", "expected"),
    [
        (-1, 4, ["2027-01-29", "2027-02-26", "2027-03-26"]),
        (1, 0, ["2027-01-04", "2027-02-01", "2027-03-01"]),
        (3, 2, ["2027-01-20", "2027-02-17", "2027-03-17"]),
        (1, rules.WORKING_DAY, ["2027-01-01", "2027-02-01", "2027-03-01"]),
        (-1, rules.WORKING_DAY, ["2027-01-29", "2027-02-26", "2027-03-31"]),
        (4, rules.WORKING_DAY, ["2027-01-06", "2027-02-04", "2027-03-04"]),
    ],
)
def test_a_weekday_of_the_month(ordinal: int, weekday: int, expected: list[str]) -> None:
    recurrence = Recurrence("ordinal", time(7), BERLIN, ordinal=ordinal, month_weekday=weekday)
    assert days_of(recurrence, "2026-12-31T12:00", 3) == expected


def on(*days: str, clock: str = "07:00", zone: ZoneInfo = BERLIN) -> Recurrence:
    """A list of dates."""
    return Recurrence("dates", time.fromisoformat(clock), zone, dates=tuple(map(date.fromisoformat, days)))


def test_dates_come_once_each_in_order_and_then_no_more() -> None:
    terms = on("2027-09-01", "2027-04-12", "2028-02-29")
    assert days_of(terms, "2026-12-31T12:00", 9) == ["2027-04-12", "2027-09-01", "2028-02-29"]
    assert days_of(terms, "2028-02-29T06:00", 9) == []


def test_nobody_waits_for_what_is_for_new_people() -> None:
    assert rules.next_occurrences(Recurrence("first_seen", time(), BERLIN), after=at("2027-01-01T00:00"), count=1) == []


ALL = {
    "daily": Recurrence("daily", time(), BERLIN),
    "weekly": Recurrence("weekly", time(), BERLIN, weekdays=(6,)),
    "monthly": Recurrence("monthly", time(), BERLIN),
    "ordinal": Recurrence("ordinal", time(), BERLIN),
    "dates": Recurrence("dates", time(), BERLIN),
}
CHANGES = [
    # zone, the day, the written time, what the clock then shows, the instant
    ("Europe/Berlin", "2027-03-28", "02:30", "03:30", "2027-03-28T01:30"),
    ("Europe/Berlin", "2027-10-31", "02:30", "02:30", "2027-10-31T00:30"),
    ("Pacific/Auckland", "2027-09-26", "02:30", "03:30", "2027-09-25T14:30"),
    ("Pacific/Auckland", "2027-04-04", "02:30", "02:30", "2027-04-03T13:30"),
    ("Australia/Lord_Howe", "2027-10-03", "02:15", "02:45", "2027-10-02T15:45"),
    ("Australia/Lord_Howe", "2027-04-04", "01:45", "01:45", "2027-04-03T14:45"),
]


@pytest.mark.parametrize("period", ALL)
@pytest.mark.parametrize(("zone", "day", "written", "shown", "instant"), CHANGES)
def test_a_clock_change_for_every_period_north_south_and_by_half_an_hour(
    period: str, zone: str, day: str, written: str, shown: str, instant: str
) -> None:
    that = date.fromisoformat(day)
    recurrence = replace(
        ALL[period],
        zone=ZoneInfo(zone),
        time_of_day=time.fromisoformat(written),
        month_day=that.day,
        month_weekday=6,
        ordinal=-1 if that.day > 21 else 1,
        dates=(that,),
    )
    (run,) = rules.upcoming(recurrence, after=at(instant) - 3 * HOUR, count=1)
    # As UTC: Python holds a repeated local time unequal to every instant.
    assert (run.at.astimezone(UTC), run.identity) == (at(instant), f"{day}T{written}")
    assert run.at.strftime("%H:%M") == shown
    assert run.moved is (written != shown)
    assert recurrence.zone == run.at.tzinfo
    assert all(
        one.due_at > at(instant) + 12 * HOUR for one in rules.next_occurrences(recurrence, after=run.at, count=1)
    )


def test_a_day_that_a_zone_leaves_out_is_moved_to_the_next_and_comes_once() -> None:
    # Samoa went from 29 to 31 December 2011.
    daily = Recurrence("daily", time(7), APIA)
    found = rules.next_occurrences(daily, after=at("2011-12-28T00:00"), count=4)
    assert [one.identity[8:10] for one in found] == ["28", "29", "31", "01"]
    assert [one.due_at.isoformat()[:16] for one in found[1:3]] == ["2011-12-29T17:00", "2011-12-30T17:00"]
    for monthly in (Recurrence("monthly", time(7), APIA, month_day=30), on("2011-12-30", zone=APIA)):
        (run,) = rules.upcoming(monthly, after=at("2011-12-01T00:00"), count=1)
        assert run.moved
        assert (run.identity, run.at.strftime("%d %H:%M")) == ("2011-12-30T07:00", "31 07:00")
    both = on("2011-12-30", "2011-12-31", zone=APIA)
    assert days_of(both, "2011-12-01T00:00", 9) == ["2011-12-31"]


@pytest.mark.parametrize(
    ("recurrence", "words"),
    [
        (
            replace(EVERY_WEEK, every_weeks=2, anchor=date(2027, 3, 18)),
            "Every 2 weeks on Monday at 07:00, counted from the week of Monday 15 March 2027",
        ),
        (
            Recurrence("ordinal", time(7), BERLIN, ordinal=-1, month_weekday=4),
            "On the last Friday of every month at 07:00",
        ),
        (
            Recurrence("ordinal", time(7), BERLIN, ordinal=1, month_weekday=7),
            "On the first working day (Monday to Friday) of every month at 07:00",
        ),
        (on("2027-03-01"), "Once, on 1 March 2027 at 07:00"),
        (on("2027-03-01", "2027-09-01"), "On 1 March 2027 and 1 September 2027 at 07:00"),
        (on(*(f"2027-0{month}-01" for month in range(1, 7))), "On 6 dates from 1 January 2027 to 1 June 2027 at 07:00"),
        (Recurrence("first_seen", time(), BERLIN), "Once, when somebody is first seen here"),
    ],
)
def test_in_words(recurrence: Recurrence, words: str) -> None:
    assert rules.when_in_words(recurrence) == words


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("every_weeks", {"every_weeks": 0}),
    ("every_weeks", {"every_weeks": 53}),
    ("every_weeks", {"every_weeks": None}),
    ("ordinal", {"period": "ordinal", "ordinal": 5, "month_weekday": 0}),
    ("ordinal", {"period": "ordinal", "ordinal": None, "month_weekday": 0}),
    ("month_weekday", {"period": "ordinal", "ordinal": 1, "month_weekday": 8}),
    ("dates", {"period": "dates"}),
    ("dates", {"period": "dates", "dates": (date(2027, 3, 1), date(2027, 3, 1))}),
    ("dates", {"period": "dates", "dates": (date(9999, 12, 31),)}),
    ("dates", {"period": "dates", "dates": tuple(date(2027, 1, 1) + timedelta(days=n) for n in range(201))}),
    ("top_up", {"period": "first_seen", "top_up": "reset"}),
]


@pytest.mark.parametrize(("field", "changed"), WRONG)
def test_what_is_wrong_is_named_by_its_field(field: str, changed: dict[str, Any]) -> None:
    assert list(check(replace(WEEKLY, **changed))) == [field]
