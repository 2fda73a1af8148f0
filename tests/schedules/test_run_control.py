"""Running now, cancelling, going on and taking back: each does it once, and the books show all of it."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import reading, writing
from app.errors import NotFoundError, WrongStateError
from app.ledger import service as ledger
from app.ledger.models import Entry
from app.money import MICRO
from app.schedules import reports, reversals, runs, service, tasks
from app.schedules.models import Run, Schedule
from tests.schedules.conftest import at_once, balances
from tests.schedules.pupils import DUE, SEVEN, allocations, credit, give, make_run, run_of

FORM = "form-id-of-sixteen-or-more"
BY = "Ada Min (admin)"


def run_now(schedule_id: int, form_id: str = FORM) -> Run:
    """Run a schedule now."""
    return writing(lambda session: runs.run_now(session, schedule_id=schedule_id, form_id=form_id, by=BY, now=DUE))


def cancel(run_id: int) -> Run:
    """Cancel a run."""
    return writing(lambda session: runs.cancel(session, run_id=run_id, by=BY, now=DUE))


def resume(run_id: int) -> Run:
    """Let a run go on."""
    return writing(lambda session: runs.resume(session, run_id=run_id, by=BY, now=DUE))


def one_chunk(run_id: int) -> bool:
    """Credit two people."""
    return writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=DUE, chunk=2))


def take_back(run_id: int, chunk: int = 3) -> int:
    """Have a run taken back to the end; return how many chunks that took."""
    writing(lambda session: reversals.begin(session, run_id=run_id, by=BY, now=DUE))
    chunks = 1
    while writing(lambda session: reversals.reverse_chunk(session, run_id=run_id, now=DUE, chunk=chunk)):
        chunks += 1
    return chunks


def events(run_id: int) -> list[tuple[str, str, int]]:
    """What people did to a run."""
    reading().rollback()
    return [(event.what, event.by, event.considered) for event in reports.list_events(reading(), run_id=run_id)]


def the_schedule() -> Schedule:
    """The only schedule."""
    reading().rollback()
    return reading().scalars(select(Schedule)).one()


def test_run_now_makes_a_run_of_its_own_on_the_schedules_terms(pupils: dict[str, int]) -> None:
    make_run(top_up="cap", cap=3 * MICRO)
    schedule = the_schedule()
    run = run_now(schedule.id)
    assert (run.occurrence, run.asked_by, run.due_at) == (f"now:{FORM}", BY, DUE)
    assert (run.title, run.amount, run.top_up, run.cap) == ("Weekly print money", 2 * MICRO, "cap", 3 * MICRO)
    credit(run.id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)
    assert the_schedule().settled_until == schedule.settled_until == DUE
    keys = set(reading().scalars(select(Entry.key).where(Entry.source == "allocation")))
    assert keys == {f"allocation:{schedule.id}:now:{FORM}:{user_id}" for user_id in pupils.values()}


def test_the_same_form_makes_one_run_however_often_and_at_once(pupils: dict[str, int]) -> None:
    make_run()
    schedule_id, gate = the_schedule().id, Barrier(4)

    def send() -> int:
        gate.wait()
        return run_now(schedule_id).id

    assert len(set(at_once(send, 4))) == 1
    assert run_now(schedule_id).id == run_now(schedule_id).id
    assert run_now(schedule_id, "another-form-of-the-page").id != run_now(schedule_id).id
    assert reports.count_runs(reading(), schedule_id=schedule_id) == 3


def test_a_paused_schedule_runs_now_and_stays_paused_and_a_deleted_one_does_not(pupils: dict[str, int]) -> None:
    make_run()
    schedule_id = the_schedule().id
    writing(lambda session: service.pause(session, schedule_id=schedule_id, now=DUE))
    credit(run_now(schedule_id).id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)
    assert the_schedule().paused_at == DUE
    writing(lambda session: service.delete(session, schedule_id=schedule_id, now=DUE))
    with pytest.raises(NotFoundError):
        run_now(schedule_id, "a-form-after-the-deletion")


def test_a_cancelled_run_stops_before_the_next_chunk_and_goes_on_where_it_stopped(pupils: dict[str, int]) -> None:
    run_id = make_run()
    assert one_chunk(run_id)
    writing(lambda session: runs.note_error(session, run_id=run_id, error="The disk is full"))
    cancel(run_id)
    assert not one_chunk(run_id)
    run = run_of(run_id)
    assert run.error == ""
    assert (run.state, run.considered, run.credited, allocations()) == ("cancelled", 2, 2, 2)
    assert runs.unfinished(reading(), now=DUE + timedelta(days=1)) == []
    resume(run_id)
    assert runs.unfinished(reading(), now=DUE) == [run_id]
    credit(run_id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)
    run = run_of(run_id)
    assert (run.state, run.considered, run.people, run.started_at) == ("done", 7, 7, DUE)
    assert events(run_id) == [("cancelled", BY, 2), ("resumed", BY, 2)]


def test_a_run_can_be_cancelled_before_it_begins(pupils: dict[str, int]) -> None:
    run_id = make_run()
    cancel(run_id)
    assert runs.unfinished(reading(), now=DUE) == []
    resume(run_id)
    credit(run_id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 2)


def test_cancelling_and_going_on_twice_is_once_and_too_late_is_refused(pupils: dict[str, int]) -> None:
    run_id = make_run()
    with pytest.raises(WrongStateError):
        writing(lambda session: reversals.begin(session, run_id=run_id, by=BY, now=DUE))
    for _ in range(2):
        cancel(run_id)
    for _ in range(2):
        resume(run_id)
    assert events(run_id) == [("cancelled", BY, 0), ("resumed", BY, 0)]
    credit(run_id)
    for verb in (cancel, resume):
        with pytest.raises(WrongStateError):
            verb(run_id)
        with pytest.raises(NotFoundError):
            verb(4711)
    assert run_of(run_id).state == "done"


def test_a_chunk_that_was_chosen_before_the_run_was_cancelled_is_not_credited(
    pupils: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, choose = make_run(), runs._next_users

    def cancelled_meanwhile(session: Session, *arguments: Any, **named: Any) -> tuple[int, int]:
        cancelled = update(Run).values(state="cancelled").execution_options(synchronize_session=False)
        session.execute(cancelled)
        return choose(session, *arguments, **named)

    monkeypatch.setattr(runs, "_next_users", cancelled_meanwhile)
    assert one_chunk(run_id)
    monkeypatch.undo()
    assert not one_chunk(run_id)
    run = run_of(run_id)
    assert (run.state, run.cursor, run.considered, allocations()) == ("cancelled", 0, 0, 0)


def test_cancelling_while_two_workers_credit_leaves_the_books_and_the_count_agreed(pupils: dict[str, int]) -> None:
    for number in range(4):
        run_id, gate = make_run(name=f"Schedule {number}"), Barrier(3)
        turns = iter(("cancel", "credit", "credit"))

        def act(run_id: int = run_id, gate: Barrier = gate, turns: object = turns) -> None:
            turn = next(turns)  # type: ignore[call-overload]
            gate.wait()
            if turn == "credit":
                credit(run_id, chunk=1)
                return
            try:
                cancel(run_id)
            except WrongStateError:
                assert run_of(run_id).state == "done"

        before = allocations()
        at_once(act, 3)
        run = run_of(run_id)
        assert run.state in ("cancelled", "done")
        assert allocations() - before == run.credited == run.considered
        if run.state == "cancelled":
            resume(run_id)
            credit(run_id)
        assert allocations() - before == 7


def test_what_a_run_credited_is_taken_back_once_and_the_rest_stays(pupils: dict[str, int]) -> None:
    give(pupils["pupil0"], 5 * MICRO)
    run_id = make_run()
    credit(run_id)
    entry_id = reading().scalars(select(Entry.id).where(Entry.key.endswith(f":{pupils['pupil1']}"))).one()
    writing(lambda session: ledger.reverse(session, entry_id=entry_id, key=f"reversal:{entry_id}", now=DUE, title="r"))
    found = reversals.look_at(reading(), run=run_of(run_id))
    assert (found.count, found.total, found.spent) == (6, 12 * MICRO, 0)
    assert take_back(run_id) == 4  # the last one finds nothing more
    run = run_of(run_id)
    assert (run.state, run.reversed_count, run.reversed_total) == ("reversed", 6, 12 * MICRO)
    assert balances(pupils) == dict.fromkeys(SEVEN, 0) | {"pupil0": 5}
    assert take_back(run_id) == 1
    assert run_of(run_id).reversed_count == 6
    assert events(run_id) == [("reversed", BY, 7)]
    assert reading().scalar(select(func.count(Entry.id)).where(Entry.reverses_id.is_not(None))) == 7


def test_a_purse_goes_below_zero_when_what_was_spent_is_taken_back(pupils: dict[str, int]) -> None:
    run_id = make_run()
    credit(run_id)
    give(pupils["pupil0"], -2 * MICRO)
    assert reversals.look_at(reading(), run=run_of(run_id)).spent == 1
    take_back(run_id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 0) | {"pupil0": -2}


def test_a_cancelled_run_is_taken_back_and_does_not_go_on_then(pupils: dict[str, int]) -> None:
    run_id = make_run()
    one_chunk(run_id)
    cancel(run_id)
    writing(lambda session: reversals.begin(session, run_id=run_id, by=BY, now=DUE))
    assert runs.unfinished(reading(), now=DUE) == [run_id]
    with pytest.raises(WrongStateError):
        resume(run_id)
    assert tasks.credit_run(run_id) >= 1
    assert balances(pupils) == dict.fromkeys(SEVEN, 0)
    assert run_of(run_id).state == "reversed"
    assert not one_chunk(run_id)


def test_two_workers_take_a_run_back_once(pupils: dict[str, int]) -> None:
    run_id, gate = make_run(), Barrier(2)
    credit(run_id)

    def worker() -> None:
        gate.wait()
        take_back(run_id, chunk=1)

    at_once(worker)
    assert balances(pupils) == dict.fromkeys(SEVEN, 0)
    run = run_of(run_id)
    assert (run.state, run.reversed_count, run.reversed_total) == ("reversed", 7, 14 * MICRO)


def test_what_a_reset_took_is_given_back(pupils: dict[str, int]) -> None:
    give(pupils["pupil0"], 9 * MICRO)
    run_id = make_run(top_up="reset")
    credit(run_id)
    found = reversals.look_at(reading(), run=run_of(run_id))
    assert (found.count, found.total, found.spent) == (7, 5 * MICRO, 0)
    take_back(run_id)
    assert balances(pupils) == dict.fromkeys(SEVEN, 0) | {"pupil0": 9}


def test_a_run_that_credited_nobody_has_nothing_to_take_back(house: dict[str, int]) -> None:
    run_id = make_run(groups=("Nobody",))
    credit(run_id)
    with pytest.raises(WrongStateError):
        writing(lambda session: reversals.begin(session, run_id=run_id, by=BY, now=DUE))


def test_progress_is_counted_from_the_beginning_or_from_when_it_went_on(pupils: dict[str, int]) -> None:
    run_id = make_run()
    one_chunk(run_id)
    after_ten = reports.progress(run_of(run_id), (), DUE + timedelta(seconds=10))
    assert (after_ten.considered, after_ten.people, after_ten.rate, after_ten.left_s) == (2, 7, 0.2, 25.0)
    cancel(run_id)
    resume(run_id)
    run, seen = run_of(run_id), reports.list_events(reading(), run_id=run_id)
    assert reports.progress(run, seen, DUE + timedelta(seconds=10)).left_s is None
    one_chunk(run_id)
    after_four = reports.progress(run_of(run_id), seen, DUE + timedelta(seconds=4))
    assert (after_four.considered, after_four.rate, after_four.left_s) == (4, 0.5, 6.0)


def test_an_error_nobody_foresaw_is_told_in_words(pupils: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = make_run()

    def fail(*_: object, **__: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(runs, "credit_chunk", fail)
    with pytest.raises(ZeroDivisionError):
        tasks.credit_run(run_id)
    assert run_of(run_id).error == "An error that nobody foresaw (ZeroDivisionError); the log has more"
