"""The clock is set back and forward, jumps for summer time, meets short months: each occurrence is credited once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import reading, writing
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from app.schedules import runs, service
from app.schedules.models import Run
from tests.schedules.conftest import WEEKLY

BACK, FORWARD = timedelta(hours=-1), timedelta(minutes=10)
"""A clock that an administrator, or a bad time server, sets."""
DAILY = replace(WEEKLY, everyone=True, groups=(), period="daily", weekdays=(), time_of_day="02:30", catch_up="all")
MONTHLY = replace(DAILY, period="monthly", month_day=31)


@pytest.fixture
def people_of(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[Callable[[datetime], int]]:
    """A function that makes the cast known at an instant and says how many they are; the books must be right after."""
    with make_instance(database_url=database_url).app_context():
        yield lambda now: len(known(now))
        reading().rollback()
        assert verify(reading()).differences == []


def readings(start: datetime, end: datetime) -> Iterator[datetime]:
    """What the clock says every 40 minutes; at some of them it is off, and then right again."""
    now, number = start, 0
    while now < end:
        off = (timedelta(), BACK, timedelta(), FORWARD, timedelta(), BACK, FORWARD)[number % 7]
        yield now + off
        now, number = now + timedelta(minutes=40), number + 1
    yield end


def tick(now: datetime) -> None:
    """What ticker and worker do at a moment: plan what is due, then credit every run that waits."""
    writing(lambda session: service.plan_due(session, now=now))
    for run_id in reading().scalars(select(Run.id).where(Run.state.in_(("waiting", "running")))).all():
        while writing(lambda session, run_id=run_id: runs.credit_chunk(session, run_id=run_id, now=now, chunk=3)):  # type: ignore[misc]
            pass


@pytest.mark.parametrize(
    ("terms", "windows", "expected"),
    [
        pytest.param(
            DAILY,
            [("2027-03-27T00:00", "2027-03-29T12:00")],
            ["2027-03-27T02:30", "2027-03-28T02:30", "2027-03-29T02:30"],
            id="gap: 02:30 is skipped on the 28th",
        ),
        pytest.param(
            DAILY,
            [("2027-10-30T00:00", "2027-11-01T12:00")],
            ["2027-10-30T02:30", "2027-10-31T02:30", "2027-11-01T02:30"],
            id="fold: 02:30 comes twice on the 31st",
        ),
        pytest.param(
            MONTHLY,
            [("2028-01-30T20:00", "2028-01-31T06:00"), ("2028-02-28T20:00", "2028-03-01T04:00")],
            ["2028-01-31T02:30", "2028-02-29T02:30"],
            id="the 31st in a leap year",
        ),
        pytest.param(
            MONTHLY,
            [("2027-02-27T20:00", "2027-03-01T04:00"), ("2027-04-29T20:00", "2027-05-01T04:00")],
            ["2027-02-28T02:30", "2027-03-31T02:30", "2027-04-30T02:30"],
            id="the 31st in short months, and one that was missed",
        ),
    ],
)
def test_each_occurrence_is_credited_once(
    people_of: Callable[[datetime], int], terms: object, windows: list[tuple[str, str]], expected: list[str]
) -> None:
    times = [tuple(datetime.fromisoformat(end).replace(tzinfo=UTC) for end in window) for window in windows]
    people = people_of(times[0][0])
    writing(lambda session: service.create(session, terms=terms, now=times[0][0]))  # type: ignore[arg-type]
    for now in chain.from_iterable(readings(*window) for window in times):
        tick(now)
    reading().rollback()
    assert list(reading().scalars(select(Run.occurrence).order_by(Run.occurrence))) == expected
    assert len(set(reading().scalars(select(Entry.key)))) == people * len(expected)
    assert (
        list(reading().scalars(select(Account.balance).where(Account.user_id.is_not(None))))
        == [2 * MICRO * len(expected)] * people
    )


def test_a_clock_that_jumps_between_two_workers_credits_nobody_twice(people_of: Callable[[datetime], int]) -> None:
    """Each chunk is credited by a worker with another idea of the time."""
    start = datetime(2027, 3, 15, tzinfo=UTC)
    people = people_of(start)
    writing(lambda session: service.create(session, terms=DAILY, now=start))
    due = start + timedelta(hours=12)
    (run_id,) = writing(lambda session: service.plan_due(session, now=due))
    offsets = iter((BACK, FORWARD, timedelta(), BACK, FORWARD) * people)
    while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=due + next(offsets), chunk=1)):
        assert writing(lambda session: service.plan_due(session, now=due + next(offsets))) == []
    assert list(reading().scalars(select(Account.balance))) == [2 * MICRO] * people
