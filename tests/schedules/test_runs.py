"""Crediting a run: each user once, whoever does it, however often, and whatever is killed in the middle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError
from app.ledger import accounts
from app.ledger import rules as ledger_rules
from app.money import MICRO
from app.people.models import User
from app.schedules import forecast, runs, service
from app.schedules.models import Run
from tests.schedules.conftest import WEEKLY, at_once, balances
from tests.schedules.pupils import DUE, SEVEN, START, allocations, credit, give, make_run, remember, run_of


def test_a_run_credits_its_groups_chunk_by_chunk_and_nobody_else(pupils: dict[str, int], house: dict[str, int]) -> None:
    run_id = make_run()
    assert credit(run_id) == 4
    run = run_of(run_id)
    assert (run.state, run.considered, run.credited, run.total) == ("done", 7, 7, 14 * MICRO)
    assert run.finished_at == DUE
    assert set(balances(pupils).values()) == {2}
    assert set(balances(house).values()) == {0}


def test_a_run_that_is_done_does_nothing_more(pupils: dict[str, int]) -> None:
    run_id = make_run()
    credit(run_id)
    assert credit(run_id) == 1
    assert allocations() == 7
    assert run_of(run_id).considered == 7


def test_two_workers_on_one_run_credit_everybody_once(pupils: dict[str, int]) -> None:
    for number in range(1, 6):
        run_id, gate = make_run(name=f"Schedule {number}"), Barrier(2)

        def worker(run_id: int = run_id, gate: Barrier = gate) -> None:
            gate.wait()
            credit(run_id)

        at_once(worker)
        run = run_of(run_id)
        assert (run.state, run.considered, run.credited, run.total) == ("done", 7, 7, 14 * MICRO)
        assert balances(pupils) == dict.fromkeys(SEVEN, 2 * number)
        assert allocations() == 7 * number


def test_a_worker_that_dies_in_a_chunk_takes_nothing_with_it(pupils: dict[str, int]) -> None:
    run_id = make_run()

    def die(session: Any) -> None:
        runs.credit_chunk(session, run_id=run_id, now=DUE, chunk=2)
        raise KeyboardInterrupt

    assert writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=DUE, chunk=2))
    with pytest.raises(KeyboardInterrupt):
        writing(die)
    run = run_of(run_id)
    assert (run.state, run.considered, run.credited, allocations()) == ("running", 2, 2, 2)
    assert credit(run_id) == 3
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)
    assert allocations() == 7


def test_a_cursor_that_was_lost_credits_nobody_again(pupils: dict[str, int]) -> None:
    run_id = make_run()
    credit(run_id)

    def forget(session: Any) -> None:
        run = session.get_one(Run, run_id)
        run.cursor, run.state = 0, "running"

    writing(forget)
    credit(run_id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)
    assert allocations() == 7


@pytest.mark.parametrize(
    ("top_up", "cap"),
    [("add", None), ("cap", 10 * MICRO), ("cap", 1_500_000), ("reset", None), ("reset", 3), ("lower", None)],
)
def test_how_it_tops_up_is_as_the_rule_says(pupils: dict[str, int], top_up: str, cap: int | None) -> None:
    before = {name: number * 1_700_000 for number, name in enumerate(SEVEN)}
    for name, amount in before.items():
        give(pupils[name], amount)
    run_id = make_run(top_up=top_up, cap=cap)
    credit(run_id)
    moved = {
        name: ledger_rules.credit(
            balance=balance, amount=2 * MICRO, top_up=top_up, cap=cap if top_up == "cap" else None
        )
        for name, balance in before.items()
    }
    reading().rollback()
    after = {name: accounts.get_account(reading(), user_id=pupils[name]).balance for name in SEVEN}
    assert after == {name: before[name] + moved[name] for name in SEVEN}
    run = run_of(run_id)
    assert (run.credited, run.total) == (sum(map(bool, moved.values())), sum(moved.values()))


def test_a_preview_says_what_the_run_then_does(pupils: dict[str, int]) -> None:
    for number, name in enumerate(SEVEN):
        give(pupils[name], number * MICRO)
    terms = replace(WEEKLY, groups=("Pupils",), top_up="cap", cap=4_500_000)
    said = forecast.preview(reading(), terms=terms)
    run_id = make_run(top_up="cap", cap=4_500_000)
    credit(run_id)
    run = run_of(run_id)
    assert (said.people, said.credited, said.total) == (run.considered, run.credited, run.total)


def test_who_is_in_two_groups_is_credited_once_by_one_schedule(pupils: dict[str, int]) -> None:
    writing(lambda session: remember(session, "pupil3", ("Pupils", "Choir")))
    credit(make_run(groups=("Pupils", "Choir")))
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)


def test_two_schedules_add_up(pupils: dict[str, int]) -> None:
    writing(lambda session: service.create(session, terms=replace(WEEKLY, groups=("Pupils",)), now=START))
    everyone = replace(WEEKLY, name="All", everyone=True, groups=(), amount=MICRO)
    writing(lambda session: service.create(session, terms=everyone, now=START))
    for run_id in writing(lambda session: service.plan_due(session, now=DUE)):
        credit(run_id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 3)


def test_a_group_without_people_ends_at_once(house: dict[str, int]) -> None:
    run_id = make_run(groups=("Nobody",))
    assert credit(run_id) == 1
    run = run_of(run_id)
    assert (run.state, run.considered, run.total) == ("done", 0, 0)


def test_a_run_is_unfinished_until_it_is_done_and_asked_for_when_silent(pupils: dict[str, int]) -> None:
    run_id = make_run()
    assert runs.unfinished(reading(), now=DUE) == [run_id]
    writing(lambda session: runs.note_asked(session, run_ids=[run_id], now=DUE))
    reading().rollback()
    assert runs.unfinished(reading(), now=DUE + runs.STALE_AFTER) == []
    silent = DUE + runs.STALE_AFTER + timedelta(seconds=1)
    assert runs.unfinished(reading(), now=silent) == [run_id]
    credit(run_id, now=silent)
    reading().rollback()
    assert runs.unfinished(reading(), now=silent + timedelta(days=1)) == []


def test_progress_counts_those_it_reaches(pupils: dict[str, int]) -> None:
    run_id = make_run()
    writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=DUE, chunk=2))
    run = run_of(run_id)
    assert (run.considered, run.people, run.started_at) == (2, 7, DUE)


def test_an_error_is_kept_until_the_run_goes_on(pupils: dict[str, int]) -> None:
    run_id = make_run()
    writing(lambda session: runs.note_error(session, run_id=run_id, error="x" * 9000))
    assert run_of(run_id).error == "x" * runs.ERROR_LENGTH_MAX
    credit(run_id)
    writing(lambda session: runs.note_error(session, run_id=run_id, error="too late"))
    assert run_of(run_id).error == ""


def test_an_unknown_run_is_not_found(house: dict[str, int]) -> None:
    with pytest.raises(NotFoundError):
        credit(4711)


@pytest.mark.parametrize("everyone", [True, False])
def test_who_is_disabled_or_gone_gets_nothing_until_they_are_back(pupils: dict[str, int], everyone: bool) -> None:
    statuses = {"pupil0": "disabled", "pupil1": "gone"}
    set_status(pupils, statuses)
    before = forecast.preview(reading(), terms=replace(WEEKLY, everyone=everyone, groups=("Pupils",)))
    run_id = make_run(everyone=everyone)
    credit(run_id)
    run = run_of(run_id)
    assert (before.people, before.credited) == (run.considered, run.credited)
    assert balances(pupils) == dict.fromkeys(SEVEN, 2) | dict.fromkeys(statuses, 0)
    assert service.next_credit(reading(), user_id=pupils["pupil0"], balance=0, now=clock.now()) is None
    set_status(pupils, dict.fromkeys(statuses, "active"))
    credit(make_run(everyone=everyone))
    assert balances(pupils) == dict.fromkeys(SEVEN, 4) | dict.fromkeys(statuses, 2)


def set_status(pupils: dict[str, int], statuses: dict[str, str]) -> None:
    """Let people be disabled, gone, or back."""
    for name, status in statuses.items():
        change = update(User).where(User.id == pupils[name]).values(status=status)
        writing(lambda session, change=change: session.execute(change))
