"""The verbs of schedules: what counts from when, what an edit leaves alone, and that a run is made once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from app.money import MICRO
from app.people import service as people
from app.people.models import Group
from app.schedules import forecast, reports, service
from app.schedules.models import Run, Schedule
from app.schedules.terms import Terms, check
from tests.schedules.conftest import WEEKLY, at_once, balances

pytestmark = pytest.mark.usefixtures("house")

START = datetime(2027, 3, 15, 6, 0, tzinfo=UTC)  # Monday 07:00 in Berlin
WEEK = timedelta(days=7)


def create(now: datetime = START, **changed: Any) -> Schedule:
    """Keep the weekly schedule with some terms changed."""
    return writing(lambda session: service.create(session, terms=replace(WEEKLY, **changed), now=now))


def edit(schedule: Schedule, version: int, now: datetime, **changed: Any) -> Schedule:
    """Change a schedule."""
    terms = replace(WEEKLY, **changed)
    return writing(
        lambda session: service.edit(session, schedule_id=schedule.id, version=version, terms=terms, now=now)
    )


def plan(now: datetime) -> list[int]:
    """Make the runs that are due."""
    return writing(lambda session: service.plan_due(session, now=now))


def runs() -> list[Run]:
    """All runs, in order."""
    reading().rollback()
    return list(reading().scalars(select(Run).order_by(Run.id).execution_options(populate_existing=True)))


def test_a_new_schedule_counts_from_the_moment_it_was_made() -> None:
    create(now=START)
    assert plan(START) == []
    assert not service.anything_due(reading(), now=START + WEEK - timedelta(seconds=1))
    assert service.anything_due(reading(), now=START + WEEK)
    plan(START + WEEK)
    assert [(run.occurrence, run.due_at) for run in runs()] == [("2027-03-22T07:00", START + WEEK)]
    assert plan(START + WEEK) == []


def test_a_run_keeps_the_terms_that_it_was_made_with() -> None:
    schedule = create()
    plan(START + WEEK)
    changed = edit(schedule, 1, START + WEEK, amount=9 * MICRO, name="Other", groups=("Staff",))
    assert changed.version == 2
    plan(START + 2 * WEEK)
    assert [(run.title, run.amount) for run in runs()] == [("Weekly print money", 2 * MICRO), ("Other", 9 * MICRO)]


@pytest.mark.parametrize("verb", ["edit", "pause", "delete"])
def test_what_fell_due_a_moment_before_a_change_is_still_run(verb: str) -> None:
    schedule, now = create(), START + WEEK + timedelta(seconds=1)
    if verb == "edit":
        edit(schedule, 1, now, time_of_day="09:00")
    elif verb == "pause":
        writing(lambda session: service.pause(session, schedule_id=schedule.id, now=now))
    else:
        writing(lambda session: service.delete(session, schedule_id=schedule.id, now=now))
    assert [run.occurrence for run in runs()] == ["2027-03-22T07:00"]


def test_a_pause_passes_over_what_falls_due_in_it() -> None:
    schedule = create()
    for _ in range(2):
        writing(lambda session: service.pause(session, schedule_id=schedule.id, now=START + timedelta(days=1)))
    assert plan(START + 2 * WEEK) == []
    edit(schedule, 1, START + 2 * WEEK, amount=MICRO)
    assert runs() == []
    later = START + 2 * WEEK + timedelta(hours=1)
    for _ in range(2):
        writing(lambda session: service.resume(session, schedule_id=schedule.id, now=later))
    assert plan(START + 2 * WEEK + timedelta(hours=2)) == []
    plan(START + 3 * WEEK)
    assert [run.occurrence for run in runs()] == ["2027-04-05T07:00"]


def test_a_deleted_schedule_is_gone_and_its_runs_stay() -> None:
    schedule = create()
    plan(START + WEEK)
    writing(lambda session: service.delete(session, schedule_id=schedule.id, now=START + WEEK))
    assert plan(START + 3 * WEEK) == []
    assert service.list_all(reading()) == []
    assert len(runs()) == 1
    verbs: list[Any] = [service.pause, service.resume, service.delete]
    for verb in verbs:
        with pytest.raises(NotFoundError):
            writing(partial(verb, schedule_id=schedule.id, now=START))
    with pytest.raises(NotFoundError):
        service.get(reading(), schedule_id=schedule.id)


def test_an_edit_of_what_somebody_else_changed_is_refused() -> None:
    schedule = create()
    edit(schedule, 1, START, name="First")
    with pytest.raises(WrongStateError):
        edit(schedule, 1, START, name="Second")
    reading().rollback()
    assert service.get(reading(), schedule_id=schedule.id).name == "First"


def test_of_two_edits_at_once_one_wins() -> None:
    schedule, gate = create(), Barrier(2)

    def try_it() -> bool:
        gate.wait()
        try:
            edit(schedule, 1, START, amount=3 * MICRO)
        except WrongStateError:
            return False
        return True

    assert sorted(at_once(try_it)) == [False, True]
    reading().rollback()
    assert service.get(reading(), schedule_id=schedule.id).version == 2


def test_two_planners_at_once_make_each_run_once() -> None:
    for number in range(5):
        create(name=f"Schedule {number}", catch_up="all")
    for week in range(1, 4):
        gate = Barrier(2)

        def planner(gate: Barrier = gate, week: int = week) -> int:
            gate.wait()
            return len(plan(START + week * WEEK))

        assert sum(at_once(planner)) == 5
    assert len(runs()) == 15


@pytest.mark.parametrize(("catch_up", "expected"), [("all", ["22", "29", "05"]), ("last", ["05"]), ("none", [])])
def test_the_server_was_off_for_three_weeks(catch_up: str, expected: list[str]) -> None:
    create(catch_up=catch_up)
    now = START + 3 * WEEK + timedelta(hours=2)
    plan(now)
    assert [run.occurrence[8:10] for run in runs()] == expected
    assert plan(now) == []


def test_groups_are_compared_without_case_and_may_be_unknown_yet() -> None:
    schedule = create(groups=("students", "Teachers", "STUDENTS", "teachers "))
    assert [group.name for group in schedule.groups] == ["Students", "Teachers"]
    assert reading().scalar(select(func.count()).select_from(Group).where(Group.name_key == "teachers")) == 1


def test_a_preview_changes_nothing_and_says_who_gets_how_much(house: dict[str, int]) -> None:
    _give(house["alice"], 9)
    _give(house["bob"], 10)
    cap = forecast.preview(reading(), terms=replace(WEEKLY, top_up="cap", cap=10 * MICRO))
    assert (cap.people, cap.credited, cap.total, cap.lowered) == (2, 1, MICRO, 0)
    reset = forecast.preview(reading(), terms=replace(WEEKLY, everyone=True, groups=(), top_up="reset"))
    assert (reset.people, reset.credited, reset.lowered) == (4, 4, 2)
    assert (reset.total, reset.taken) == (-11 * MICRO, 15 * MICRO)
    unknown = forecast.preview(reading(), terms=replace(WEEKLY, groups=("Staff", "Nobody")))
    assert (unknown.people, unknown.total, unknown.empty) == (1, 2 * MICRO, ("Nobody",))
    assert people.find_group(reading(), name="Nobody") is None
    assert balances(house) == {"alice": 9, "bob": 10, "carol": 0, "admin": 0}


def test_the_next_credit_is_the_soonest_of_all_groups(house: dict[str, int]) -> None:
    create()
    create(name="Daily", everyone=True, groups=(), period="daily", weekdays=(), time_of_day="12:00", amount=MICRO)
    found = service.next_credit(reading(), user_id=house["alice"], balance=0, now=START)
    assert found is not None
    assert (found.schedule, found.amount, found.at) == ("Daily", MICRO, START + timedelta(hours=5))
    monday = service.next_credit(reading(), user_id=house["alice"], balance=0, now=START + WEEK - timedelta(hours=1))
    assert monday is not None
    assert monday.schedule == "Weekly print money"


def test_the_last_run_and_the_sums_of_a_schedule() -> None:
    schedule, other = create(), create(name="Another")
    plan(START + WEEK)
    plan(START + 2 * WEEK)
    last = service.last_runs(reading())
    assert {last[one.id].occurrence for one in (schedule, other)} == {"2027-03-29T07:00"}
    assert service.sum_runs(reading(), schedule_id=schedule.id) == (2, 0)
    assert [run.occurrence for run in reports.list_runs(reading(), schedule_id=schedule.id, limit=1)] == [
        "2027-03-29T07:00"
    ]


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "  "}),
    ("name", {"name": "x" * 81}),
    ("name", {"name": "two\nlines"}),
    ("name", {"name": "nul\x00"}),
    ("groups", {"groups": ()}),
    ("groups", {"groups": ("x" * 257,)}),
    ("groups", {"groups": ("a\x00b",)}),
    ("amount", {"amount": 0}),
    ("amount", {"amount": -1, "top_up": "reset"}),
    ("cap", {"top_up": "cap", "cap": None}),
    ("cap", {"top_up": "cap", "cap": 0}),
    ("weekdays", {"weekdays": ()}),
    ("weekdays", {"weekdays": (7,)}),
    ("month_day", {"period": "monthly", "month_day": None}),
    ("month_day", {"period": "monthly", "month_day": 32}),
    ("time_of_day", {"time_of_day": "24:00"}),
    ("time_of_day", {"time_of_day": "٠7:00"}),
    ("time_zone", {"time_zone": "../../etc/passwd"}),
    ("time_zone", {"time_zone": "Europe/Atlantis"}),
    ("ends_on", {"starts_on": date(2027, 3, 2), "ends_on": date(2027, 3, 1)}),
    ("starts_on", {"starts_on": date(9999, 12, 31)}),
    ("top_up", {"top_up": "double"}),
    ("period", {"period": "hourly"}),
    ("catch_up", {"catch_up": "maybe"}),
]


@pytest.mark.long
@pytest.mark.parametrize("database_url", [""], indirect=False)
@pytest.mark.parametrize(("field", "changed"), WRONG)
def test_what_is_wrong_is_named_by_its_field(field: str, changed: dict[str, Any]) -> None:
    assert list(check(replace(WEEKLY, **changed))) == [field]


@pytest.mark.parametrize("database_url", [""], indirect=False)
def test_wrong_terms_are_refused_and_nothing_is_kept() -> None:
    wrong = replace(WEEKLY, name="", amount=0, weekdays=())
    with pytest.raises(InvalidInputError) as caught:
        writing(lambda session: service.create(session, terms=wrong, now=START))
    assert set(caught.value.facts["fields"]) == {"name", "amount", "weekdays"}  # type: ignore[call-overload]
    assert service.list_all(reading()) == []


@pytest.mark.parametrize("database_url", [""], indirect=False)
@pytest.mark.parametrize(
    "terms", [replace(WEEKLY, amount=0, top_up="reset"), replace(WEEKLY, everyone=True, groups=()), WEEKLY]
)
def test_what_is_right_has_no_problems(terms: Terms) -> None:
    assert check(terms) == {}


def _give(user_id: int, units: int) -> None:
    account = accounts.get_account(reading(), user_id=user_id)
    writing(
        lambda session: ledger.post(
            session,
            account_id=account.id,
            amount=units * MICRO,
            source="adjustment",
            key=f"test:{user_id}:{units}",
            now=START,
            title="test",
        )
    )


def test_a_form_that_is_sent_twice_makes_one_schedule() -> None:
    form_id = "a-form-that-was-sent-twice"
    made = [
        writing(lambda session: service.create(session, terms=WEEKLY, now=START, form_id=form_id)).id for _ in range(2)
    ]
    assert made[0] == made[1]
    assert reading().scalar(select(func.count(Schedule.id))) == 1
