"""What the verbs keep of a "when": weeks that do not shift, one skipped run, and nothing twice over an edit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from app.db import reading, writing
from app.errors import NotFoundError, WrongStateError
from app.money import MICRO
from app.schedules import service
from app.schedules.models import Run, Schedule
from tests.schedules.conftest import WEEKLY, at_once

pytestmark = pytest.mark.usefixtures("house")

START = datetime(2027, 3, 15, 6, 0, tzinfo=UTC)  # Monday 07:00 in Berlin
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
NEXT, AFTER_NEXT = "2027-03-22T07:00", "2027-03-29T07:00"


def create(now: datetime = START, **changed: Any) -> Schedule:
    """Keep the weekly schedule with some terms changed."""
    return writing(lambda session: service.create(session, terms=replace(WEEKLY, **changed), now=now))


def edit(schedule: Schedule, now: datetime, **changed: Any) -> Schedule:
    """Change a schedule as it is now."""
    reading().rollback()
    version = service.get(reading(), schedule_id=schedule.id).version
    terms = replace(WEEKLY, **changed)
    return writing(
        lambda session: service.edit(session, schedule_id=schedule.id, version=version, terms=terms, now=now)
    )


def skip(schedule: Schedule, occurrence: str = NEXT, now: datetime = START, verb: Any = service.skip_next) -> Schedule:
    """Skip the next run, or with another verb take that back."""
    done: Schedule = writing(
        lambda session: verb(session, schedule_id=schedule.id, occurrence=occurrence, by="Ada", now=now)
    )
    return done


def plan(now: datetime) -> list[str]:
    """Make the runs that are due; return all there are."""
    writing(lambda session: service.plan_due(session, now=now))
    reading().rollback()
    return list(reading().scalars(select(Run.occurrence).order_by(Run.id)))


def coming(schedule: Schedule, now: datetime, count: int = 3) -> list[tuple[str, bool]]:
    """The next runs as the pages show them: identity, and whether it is skipped."""
    reading().rollback()
    found = service.upcoming(service.get(reading(), schedule_id=schedule.id), now=now, count=count)
    return [(run.identity, run.skipped) for run in found]


def test_a_skipped_run_is_shown_as_such_never_made_and_the_next_one_is() -> None:
    schedule = create(catch_up="all")
    kept = skip(schedule)
    assert (kept.skipped, kept.skip_changed_by, kept.skip_changed_at, kept.version) == (NEXT, "Ada", START, 2)
    assert coming(schedule, START, 2) == [(NEXT, True), (AFTER_NEXT, False)]
    assert not service.anything_due(reading(), now=START + WEEK)
    assert plan(START + WEEK) == []
    assert plan(START + 2 * WEEK) == [AFTER_NEXT]
    assert coming(schedule, START + 2 * WEEK, 1) == [("2027-04-05T07:00", False)]


def test_skipping_one_after_the_other_never_lets_the_first_come_back() -> None:
    schedule = create(catch_up="all")
    skip(schedule)
    skip(schedule, AFTER_NEXT, START + WEEK + HOUR)
    assert plan(START + 2 * WEEK) == []
    assert plan(START + 3 * WEEK - HOUR) == ["2027-04-05T07:00"]


def test_a_skip_is_taken_back_until_its_time_has_come() -> None:
    schedule = create()
    skip(schedule)
    for _ in range(2):
        skip(schedule, verb=service.undo_skip, now=START + WEEK - HOUR)
    assert plan(START + WEEK) == [NEXT]
    skip(schedule, AFTER_NEXT, START + WEEK)
    with pytest.raises(WrongStateError, match="has passed"):
        skip(schedule, AFTER_NEXT, START + 2 * WEEK, service.undo_skip)
    assert plan(START + 2 * WEEK) == [NEXT]


def test_only_the_next_run_can_be_skipped_and_sending_it_twice_skips_one() -> None:
    schedule = create()
    for wrong in (AFTER_NEXT, "2027-03-15T07:00", "", "x"):
        with pytest.raises(WrongStateError, match="another one by now"):
            skip(schedule, wrong or "2027-01-01T00:00")
    for _ in range(2):
        assert skip(schedule).version == 2
    with pytest.raises(WrongStateError):
        skip(schedule, AFTER_NEXT)
    with pytest.raises(NotFoundError):
        skip(Schedule(id=4711))
    writing(lambda session: service.pause(session, schedule_id=schedule.id, now=START))
    skip(schedule, verb=service.undo_skip)
    with pytest.raises(WrongStateError, match="paused"):
        skip(schedule)


def test_what_fell_due_a_moment_ago_is_run_and_not_skipped() -> None:
    schedule = create()
    with pytest.raises(WrongStateError):
        skip(schedule, now=START + WEEK)
    assert plan(START + WEEK) == [NEXT]


def test_a_skip_and_the_planner_at_once_agree_about_who_was_first() -> None:
    schedule, gate = create(), Barrier(2)
    turns = iter([True, False])

    def one() -> str:
        skips = next(turns)
        gate.wait()
        try:
            if skips:
                skip(schedule, now=START + WEEK - timedelta(seconds=1))
            else:
                plan(START + WEEK)
        except WrongStateError:
            return "refused"
        return "skipped" if skips else "planned"

    done = at_once(one)
    assert plan(START + WEEK) == ([] if "skipped" in done else [NEXT])


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"amount": 9 * MICRO, "name": "Other"}, True),
        ({"time_of_day": "08:00"}, False),
        ({"weekdays": (0, 1)}, False),
        ({"time_zone": "Europe/London"}, False),
        ({"ends_on": date(2027, 12, 31)}, False),
    ],
)
def test_an_edit_of_the_when_drops_the_skip_and_another_keeps_it(changed: dict[str, Any], kept: bool) -> None:
    schedule = create()
    skip(schedule)
    assert edit(schedule, START + HOUR, **changed).skipped == (NEXT if kept else "")


def test_a_form_that_was_open_before_the_skip_is_refused() -> None:
    schedule = create()
    skip(schedule)
    with pytest.raises(WrongStateError):
        writing(
            lambda session: service.edit(
                session, schedule_id=schedule.id, version=1, terms=replace(WEEKLY, time_of_day="08:00"), now=START
            )
        )


def test_the_next_credit_is_not_the_skipped_one(house: dict[str, int]) -> None:
    schedule = create()
    skip(schedule)
    found = service.next_credit(reading(), user_id=house["alice"], balance=0, now=START)
    assert found is not None
    assert found.at == START + 2 * WEEK - HOUR  # Berlin's clock has gone forward


def test_the_weeks_that_count_stay_when_a_schedule_is_edited() -> None:
    wednesday = START + timedelta(days=2)
    schedule = create(now=wednesday, every_weeks=2)
    assert schedule.anchor == date(2027, 3, 17)
    expected = [("2027-03-29T07:00", False), ("2027-04-12T07:00", False)]
    assert coming(schedule, wednesday, 2) == expected
    later = wednesday + WEEK
    assert edit(schedule, later, every_weeks=2, amount=9 * MICRO).anchor == date(2027, 3, 17)
    assert coming(schedule, later, 2) == expected
    moved = edit(schedule, later, every_weeks=2, starts_on=date(2027, 3, 25))
    assert (moved.anchor, coming(schedule, later, 1)) == (date(2027, 3, 25), [("2027-04-05T07:00", False)])
    assert edit(schedule, later, every_weeks=2).anchor == date(2027, 3, 25)


def test_another_zone_does_not_bring_an_occurrence_back() -> None:
    daily: dict[str, Any] = {"period": "daily", "weekdays": ()}
    schedule = create(now=START - HOUR, **daily)
    assert plan(START) == ["2027-03-15T07:00"]
    edit(schedule, START + HOUR / 2, **daily, time_zone="America/New_York")
    assert coming(schedule, START + HOUR / 2, 1) == [("2027-03-16T07:00", False)]
    assert plan(START + 12 * HOUR) == ["2027-03-15T07:00"]
    assert plan(START + 30 * HOUR) == ["2027-03-15T07:00", "2027-03-16T07:00"]


@pytest.mark.parametrize("back", [HOUR, timedelta(days=20)])
def test_a_clock_set_back_and_an_edit_bring_nothing_back(back: timedelta) -> None:
    schedule = create(now=START - HOUR, catch_up="all")
    before = plan(START + 2 * WEEK)
    assert len(before) == 3
    assert plan(START + 2 * WEEK - back) == before
    edit(schedule, START + 2 * WEEK - back, amount=9 * MICRO, catch_up="all")
    assert plan(START + 2 * WEEK + HOUR) == before
    assert coming(schedule, START + 2 * WEEK - back, 1) == [("2027-04-05T07:00", False)]


def test_everything_of_every_period_is_kept_and_comes_out_again() -> None:
    ordinal = create(period="ordinal", ordinal=-1, month_weekday=7, weekdays=())
    assert (ordinal.ordinal, ordinal.month_weekday, ordinal.weekdays) == (-1, 7, "")
    assert coming(ordinal, START, 2) == [("2027-03-31T07:00", False), ("2027-04-30T07:00", False)]
    days = (date(2028, 2, 29), date(2027, 4, 12))
    dates = create(period="dates", dates=days, weekdays=())
    assert dates.dates == "2027-04-12 2028-02-29"
    assert coming(dates, START) == [("2027-04-12T07:00", False), ("2028-02-29T07:00", False)]
    many = tuple(date(2028, 1, 1) + timedelta(days=number) for number in range(200))
    assert len(coming(edit(dates, START, period="dates", dates=many), START, 300)) == 200
    assert plan(START + 400 * timedelta(days=1))
