"""Initial credit: once for everybody who becomes known, by every schedule for new people that reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from app.db import reading, writing
from app.errors import WrongStateError
from app.ledger.models import Account, Entry
from app.money import MICRO
from app.people import credentials
from app.people import service as people
from app.schedules import runs, service
from app.schedules.models import Run, Schedule
from directory.memory import MemoryDirectory, MemoryPerson
from tests.conftest import person
from tests.schedules.conftest import WEEKLY, at_once

pytestmark = pytest.mark.usefixtures("house")

START = datetime(2027, 3, 15, 6, 0, tzinfo=UTC)


def welcome(units: int = 5, **changed: Any) -> Schedule:
    """Keep a schedule for new people: everyone, unless changed."""
    given: dict[str, Any] = {"name": f"Welcome {units}", "everyone": True, "groups": (), "amount": units * MICRO}
    terms = replace(WEEKLY, **(given | changed), period="first_seen", weekdays=(), time_of_day="00:00")
    return writing(lambda session: service.create(session, terms=terms, now=START))


def see(name: str = "nina", groups: tuple[str, ...] = ("Students",), now: datetime = START) -> int:
    """The directory tells of somebody; return the user's id."""
    return writing(
        lambda session: people.remember(session, person=person(name, "New Person", groups), admin_groups=[], now=now).id
    )


def credited(user_id: int) -> list[tuple[str, int]]:
    """Keys of the user's entries with whole units."""
    reading().rollback()
    query = select(Entry.key, Entry.amount).join(Account).where(Account.user_id == user_id).order_by(Entry.id)
    return [(key, amount // MICRO) for key, amount in reading().execute(query)]


def test_who_is_first_seen_is_credited_once_and_never_again() -> None:
    schedule = welcome()
    user_id = see()
    for later in range(3):
        assert see(now=START + timedelta(days=later)) == user_id
    assert credited(user_id) == [(f"initial:{schedule.id}:{user_id}", 5)]


def test_everyones_and_every_groups_add_up_and_one_schedule_counts_once() -> None:
    welcome(1)
    welcome(2, everyone=False, groups=("Students", "Choir"))
    welcome(4, everyone=False, groups=("choir",))
    welcome(8, everyone=False, groups=("Staff",))
    assert sorted(units for _, units in credited(see(groups=("Students", "Choir")))) == [1, 2, 4]


def test_who_was_known_before_gets_nothing(house: dict[str, int]) -> None:
    welcome()
    for name, groups in (("alice", ("Students",)), ("carol", ("Staff", "Students"))):
        assert credited(see(name, groups)) == []
    assert house["alice"] == see("alice")


def test_what_is_paused_deleted_over_or_not_begun_gives_nothing() -> None:
    paused, gone = welcome(1), welcome(2)
    writing(lambda session: service.pause(session, schedule_id=paused.id, now=START))
    writing(lambda session: service.delete(session, schedule_id=gone.id, now=START))
    welcome(4, ends_on=date(2027, 3, 14))
    welcome(8, starts_on=date(2027, 3, 16))
    assert credited(see()) == []
    writing(lambda session: service.resume(session, schedule_id=paused.id, now=START))
    assert [units for _, units in credited(see("noah"))] == [1]
    assert credited(see()) == []


def test_the_first_and_last_day_are_those_of_the_schedules_zone() -> None:
    welcome(1, ends_on=date(2027, 3, 15), time_zone="Pacific/Auckland")
    welcome(2, ends_on=date(2027, 3, 15), time_zone="America/New_York")
    night = datetime(2027, 3, 16, 3, tzinfo=UTC)  # still the 15th in New York
    assert [units for _, units in credited(see(now=night))] == [2]


def test_a_sign_in_and_a_print_job_at_once_of_somebody_new_give_one_credit(cast: MemoryDirectory) -> None:
    schedule = welcome()
    for name in ("nina", "noah", "olga", "paul"):
        cast.put(MemoryPerson(person(name, "New Person", ("Students",)), f"demo-{name}"))
        gate = Barrier(3)
        ways: list[Callable[[], int]] = [
            partial(credentials.check, username=name, password=f"demo-{name}", address="192.0.2.1"),
            *(lambda name=name: credentials.identify(name).id for _ in range(2)),
        ]

        def come(ways: list[Callable[[], int]] = ways, gate: Barrier = gate) -> int:
            way = ways.pop()
            gate.wait()
            return way()

        first, *others = at_once(come, 3)
        assert others == [first, first]
        assert credited(first) == [(f"initial:{schedule.id}:{first}", 5)]


def test_what_undoes_the_person_undoes_the_credit() -> None:
    welcome()

    def fail(session: Any) -> None:
        people.remember(session, person=person("nina", "Nina", ()), admin_groups=[], now=START)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is ours
        writing(fail)
    assert reading().scalars(select(Entry.id)).all() == []
    assert len(credited(see())) == 1


def test_it_makes_no_runs_and_is_nobodys_next_credit() -> None:
    schedule = welcome()
    user_id = see()
    assert not service.anything_due(reading(), now=START + timedelta(days=400))
    assert writing(lambda session: service.plan_due(session, now=START + timedelta(days=400))) == []
    assert service.next_credit(reading(), user_id=user_id, balance=0, now=START) is None
    assert service.reaching(reading(), user_id=user_id) == []
    with pytest.raises(WrongStateError):
        writing(lambda session: runs.run_now(session, schedule_id=schedule.id, form_id="x" * 20, by="Ada", now=START))
    assert reading().scalars(select(Run.id)).all() == []
