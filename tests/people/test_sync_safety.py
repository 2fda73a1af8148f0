"""What a pass must not do: empty the instance, go on after an outage, or lose its way when its worker dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.errors import WrongStateError
from app.jobs import ticker
from app.people import sync, sync_changes, sync_reports, sync_work
from app.people.models import User
from app.people.sync_models import DirectorySync, SyncChange, SyncPerson
from app.settings import settings_of_app
from tests.people.conftest import Hand
from tests.people.roll import Roll, changes_of, go, known, look_up

MANY = [f"p{number:03}" for number in range(100)]


@pytest.fixture(autouse=True)
def app(make_instance: Callable[..., Flask], database_url: str) -> Iterator[Flask]:
    """An instance in whose context the test runs, on each database."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        yield app


def work(sync_id: int, roll: Roll) -> bool:
    return sync_work.work(sync_id, roster=roll, settings=settings_of_app().config.directory)


def begin(kind: str = "full") -> int:
    return writing(lambda session: sync.begin(session, kind=kind, asked_by="", now=clock.now()).id)


def statuses() -> dict[str, int]:
    """How many people have which status."""
    reading().rollback()
    counted = select(User.status, func.count()).group_by(User.status)
    return {row.status: row[1] for row in reading().execute(counted)}


def staged() -> int:
    reading().rollback()
    return reading().scalar(select(func.count()).select_from(SyncPerson)) or 0


def test_up_to_twenty_people_may_leave_without_a_yes_however_few_there_are() -> None:
    roll = Roll(*MANY[:25])
    go(roll)
    roll.remove(*MANY[:20])
    done = go(roll)
    assert (done.state, done.gone, statuses()) == ("done", 20, {"active": 5, "gone": 20})


def test_up_to_a_twentieth_may_leave_without_a_yes_however_many_that_are() -> None:
    roll = Roll(*(f"p{number:04}" for number in range(500)))
    go(roll)
    for number in range(25):
        roll.put(f"p{number:04}", disabled=True)
    assert go(roll).state == "done"
    for number in range(25, 50):
        roll.put(f"p{number:04}", disabled=True)
    waits = go(roll)  # 25 of the 475 who are left are more than a twentieth
    assert (waits.state, waits.disabled, statuses()) == ("waiting", 25, {"active": 475, "disabled": 25})


def test_more_wait_for_a_yes_and_nothing_at_all_is_changed_before() -> None:
    roll = Roll(*MANY)
    go(roll)
    roll.remove(*MANY[:15])
    for name in MANY[15:21]:
        roll.put(name, disabled=True)
    roll.put(MANY[50], username="renamed")
    roll.put("newcomer")
    waits = go(roll)
    assert (waits.state, waits.gone, waits.disabled, waits.renamed, waits.added) == ("waiting", 15, 6, 1, 1)
    assert statuses() == {"active": 100}
    assert "renamed" not in known()
    assert staged() == 86
    writing(lambda session: sync.approve(session, sync_id=waits.id, by="Ada", now=clock.now()))
    assert look_up(waits.id).state == "applying"
    assert work(waits.id, roll)
    done = look_up(waits.id)
    assert (done.state, done.decided_by, done.applied) == ("done", "Ada", 23)
    assert statuses() == {"active": 80, "gone": 15, "disabled": 6}
    assert staged() == 0
    writing(lambda session: sync.approve(session, sync_id=waits.id, by="Bob", now=clock.now()))
    assert look_up(waits.id).decided_by == "Ada"


def test_a_no_changes_nothing_and_a_later_pass_takes_the_place_of_one_that_waits() -> None:
    roll = Roll(*MANY)
    go(roll)
    gone = {name: roll.people.pop(name) for name in MANY[:30]}
    first = go(roll)
    second = go(roll)
    assert (look_up(first.id).state, look_up(first.id).message) == ("discarded", "A later pass took its place")
    writing(lambda session: sync.discard(session, sync_id=second.id, by="Ada", now=clock.now()))
    assert (look_up(second.id).state, statuses(), staged()) == ("discarded", {"active": 100}, 0)
    for verb in (sync.approve, sync.cancel):
        with pytest.raises(WrongStateError):
            writing(lambda session, verb=verb: verb(session, sync_id=second.id, by="Ada", now=clock.now()))
    third = go(roll)
    roll.people |= gone
    assert (go(roll).state, look_up(third.id).state) == ("done", "discarded")


def test_an_empty_answer_changes_nothing_even_where_few_are_known() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    roll.people.clear()
    waits = go(roll)
    assert (waits.state, waits.read, waits.gone, statuses()) == ("waiting", 0, 2, {"active": 2})


def test_an_empty_answer_at_the_beginning_is_no_alarm() -> None:
    assert go(Roll()).state == "done"


@pytest.mark.parametrize("after", [0, 1, 4])
def test_an_outage_in_the_middle_of_reading_changes_nobody(after: int) -> None:
    roll = Roll(*MANY, page=20)
    go(roll)
    roll.remove(*MANY[:10])
    roll.put(MANY[50], username="renamed", disabled=True)
    roll.dies_after = after
    failed = go(roll)
    assert (failed.state, failed.message, failed.applied) == ("failed", "the directory went away in the middle", 0)
    assert statuses() == {"active": 100}
    assert "renamed" not in known()
    assert staged() == 0
    roll.dies_after = None
    assert go(roll).state == "done"
    assert statuses() == {"active": 89, "gone": 10, "disabled": 1}


def test_a_directory_that_is_away_from_the_beginning_changes_nobody() -> None:
    roll = Roll("alice")
    go(roll)
    roll.away = True
    assert (go(roll).state, statuses()) == ("failed", {"active": 1})


def test_a_worker_that_dies_while_reading_is_followed_by_one_who_reads_anew(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll, sync_id = Roll(*MANY, page=20), begin()
    monkeypatch.setattr(sync_work, "KEPT_TOGETHER", 20)
    pages = roll.everyone

    def die(progress: object = None) -> object:
        yield from list(pages())[:2]
        raise KeyboardInterrupt  # nothing is noted, as when the process is killed

    roll.everyone = die  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        work(sync_id, roll)
    assert (look_up(sync_id).read, staged()) == (40, 40)
    roll.everyone = pages  # type: ignore[method-assign]
    roll.remove(MANY[0])
    assert not work(sync_id, roll)  # its worker may still live
    hand.on(seconds=61)
    assert sync.unattended(reading(), now=clock.now()) == [sync_id]
    assert work(sync_id, roll)
    done = look_up(sync_id)
    assert (done.state, done.read, done.added, statuses()) == ("done", 99, 99, {"active": 99})


def test_a_worker_that_dies_while_applying_is_followed_by_one_who_goes_on(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_changes, "CHUNK", 10)
    roll, sync_id = Roll(*MANY), begin()
    real = sync_changes.apply_chunk

    def some(session: object, *, sync: DirectorySync, now: object, chunk: int = 10) -> bool:
        if sync.applied >= 30:
            raise KeyboardInterrupt
        return real(session, sync=sync, now=now, chunk=10)  # type: ignore[arg-type]

    monkeypatch.setattr(sync_changes, "apply_chunk", some)
    with pytest.raises(KeyboardInterrupt):
        work(sync_id, roll)
    assert (look_up(sync_id).state, look_up(sync_id).applied, statuses()) == ("applying", 30, {"active": 30})
    monkeypatch.setattr(sync_changes, "apply_chunk", real)
    hand.on(seconds=61)
    roll.away = True  # all was read: the directory is not needed any more
    assert work(sync_id, roll)
    assert (look_up(sync_id).state, look_up(sync_id).applied, statuses()) == ("done", 100, {"active": 100})


def test_a_worker_that_was_taken_for_dead_changes_nothing_any_more(hand: Hand) -> None:
    roll, sync_id = Roll(*MANY, page=20), begin()
    pages = roll.everyone
    others: list[bool] = []

    def sleep(progress: object = None) -> object:
        roll.everyone = pages  # type: ignore[method-assign]
        hand.on(seconds=61)
        others.append(work(sync_id, roll))
        return pages()

    roll.everyone = sleep  # type: ignore[assignment,method-assign]
    assert not work(sync_id, roll)
    assert others == [True]
    assert (look_up(sync_id).state, staged(), statuses()) == ("done", 0, {"active": 100})


def test_a_pass_that_is_cancelled_stops_at_its_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_work, "KEPT_TOGETHER", 20)
    roll, sync_id = Roll(*MANY, page=20), begin()
    told: list[int] = []

    def tell(_what: str, count: int) -> None:
        told.append(count)
        if len(told) == 2:
            writing(lambda session: sync.cancel(session, sync_id=sync_id, by="Ada", now=clock.now()))

    done = sync_work.work(sync_id, roster=roll, settings=settings_of_app().config.directory, tell=tell)
    assert not done
    assert told == [20, 40]
    assert (look_up(sync_id).state, look_up(sync_id).decided_by) == ("cancelled", "Ada")
    assert (staged(), statuses()) == (0, {})


def test_a_preview_says_what_would_change_and_changes_nothing() -> None:
    roll = Roll(*MANY)
    go(roll)
    roll.remove(*MANY[:30])
    roll.put(MANY[50], username="renamed")
    roll.put("newcomer")
    seen = go(roll, "preview")
    assert (seen.state, seen.gone, seen.renamed, seen.added, seen.applied) == ("done", 30, 1, 1, 0)
    assert changes_of(seen)["renamed"] == [("renamed", MANY[50], "renamed")]
    assert statuses() == {"active": 100}
    assert staged() == 0
    assert [change.what for change in sync_reports.every_change(reading(), sync_id=seen.id)] == (
        ["added", "renamed"] + ["gone"] * 30
    )


def test_an_error_that_nobody_foresaw_ends_the_pass(caplog: pytest.LogCaptureFixture) -> None:
    roll, sync_id = Roll("alice"), begin()

    def fall_over() -> str | None:
        raise ZeroDivisionError

    roll.place = fall_over  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        work(sync_id, roll)
    assert look_up(sync_id).state == "failed"
    assert "ZeroDivisionError" in look_up(sync_id).message


def test_full_passes_are_due_at_first_then_daily_and_sooner_after_a_failure(hand: Hand) -> None:
    roll = Roll("alice")
    assert sync.full_due(reading(), now=clock.now())
    roll.away = True
    go(roll)
    assert not sync.full_due(reading(), now=clock.now() + timedelta(minutes=59))
    assert sync.full_due(reading(), now=clock.now() + timedelta(minutes=61))
    roll.away = False
    go(roll)
    assert not sync.full_due(reading(), now=clock.now() + timedelta(hours=23))
    assert sync.full_due(reading(), now=clock.now() + timedelta(hours=24))


def test_the_ticker_asks_for_passes_and_for_changes_and_a_worker_does_them(app: Flask, hand: Hand) -> None:
    app.extensions["twinpurse.roster"] = Roll("alice", "bob")
    jobs = app.extensions["twinpurse.jobs"]
    ticker.tick(app, holder="me", now=hand.now)
    waiting = [job.func_name for job in jobs.queue.jobs]
    assert waiting.count("app.people.tasks.sync_people") == 1
    assert waiting.count("app.people.tasks.sync_changes") == 1
    hand.on(seconds=5)
    ticker.tick(app, holder="me", now=hand.now)
    assert len(jobs.queue.jobs) == len(waiting)
    for job in jobs.queue.jobs:
        job.func(*job.args)
    assert sorted(known()) == ["alice", "bob"]


def test_what_passes_changed_is_forgotten_after_a_time_and_the_figures_stay(hand: Hand) -> None:
    go(Roll("alice"))
    hand.on(days=91)
    writing(lambda session: sync.forget_old(session, now=clock.now()))
    assert reading().scalars(select(SyncChange)).all() == []
    assert reading().scalars(select(DirectorySync.added)).all() == [1]
