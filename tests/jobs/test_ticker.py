"""The ticker: leases, two at once, an emptied queue, a Redis that is away, and the nightly verification."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from flask import Flask
from sqlalchemy import func, select, update

from app import clock
from app.db import reading, writing
from app.jobs import ticker
from app.jobs.models import Lease
from app.ledger.models import Note
from app.schedules import reversals
from app.schedules import tasks as schedule_tasks
from app.schedules.models import Run, Schedule
from app.schedules.runs import STALE_AFTER
from language import _, current, speaking
from tests.jobs.conftest import LATER, MAIN, ROOT, Crowd, last_seven
from tests.servers.process import LOOPBACK, free_port, wait_port
from tests.servers.redis_server import RedisServer

STALE = STALE_AFTER + timedelta(seconds=1)


def test_a_tick_plans_asks_once_and_the_worker_credits_everybody(
    make_crowd: Callable[..., Crowd], database_url: str, redis_url: str
) -> None:
    crowd = make_crowd(people=2500, database_url=database_url, redis_url=redis_url)
    assert len(crowd.tick()) == 1
    assert crowd.tick() == []
    crowd.work()
    crowd.check_everybody_got_it_once()
    assert crowd.tick(after=LATER) == []
    assert crowd.jobs.queue.count == 0


def test_a_lease_is_one_holders_until_it_is_over(make_crowd: Callable[..., Crowd], database_url: str) -> None:
    crowd, start = make_crowd(people=1, database_url=database_url), clock.now()

    def take(holder: str, seconds: float) -> bool:
        now = start + timedelta(seconds=seconds)
        with crowd.app.app_context():
            return writing(lambda session: ticker.take_lease(session, name="x", holder=holder, now=now))

    life = ticker.LEASE_LIFE.total_seconds()
    assert take("a", 0)
    assert not take("b", life)
    assert take("a", life)
    assert not take("b", life + 1)
    assert take("b", 2 * life + 1)
    assert not take("a", 2 * life + 2)


def test_eight_that_want_a_new_lease_at_once_get_it_once(make_crowd: Callable[..., Crowd], database_url: str) -> None:
    crowd, now, gate = make_crowd(people=1, database_url=database_url), clock.now(), threading.Barrier(8)

    def take(number: int) -> bool:
        with crowd.app.app_context():
            gate.wait()
            return writing(lambda session: ticker.take_lease(session, name="x", holder=str(number), now=now))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


@pytest.mark.parametrize("apart", [timedelta(), LATER])
def test_tickers_at_once_make_each_run_once(
    make_crowd: Callable[..., Crowd], database_url: str, apart: timedelta
) -> None:
    """With `apart`, each ticker's clock says that the others' leases are over: then all of them work."""
    crowd, gate = make_crowd(people=20, database_url=database_url), threading.Barrier(4)

    def tick(number: int) -> list[int]:
        gate.wait()
        return crowd.tick(holder=str(number), after=apart * number)

    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(tick, range(4)))
    assert {run for runs in asked for run in runs} == {1}
    crowd.work()
    crowd.check_everybody_got_it_once()


def test_an_emptied_queue_is_asked_again(make_crowd: Callable[..., Crowd], redis_url: str) -> None:
    crowd = make_crowd(redis_url=redis_url)
    asked = crowd.tick()
    crowd.jobs.connection.flushall()
    crowd.work()
    assert crowd.progress() == ("waiting", 0)
    assert crowd.tick(after=STALE_AFTER - timedelta(seconds=5)) == []
    assert crowd.tick(after=STALE) == asked
    crowd.work()
    crowd.check_everybody_got_it_once()


@pytest.mark.long
def test_while_redis_is_away_runs_wait_in_the_database(make_crowd: Callable[..., Crowd]) -> None:
    with RedisServer() as server:
        crowd = make_crowd(redis_url=server.url)
        server.child.stop()
        with pytest.raises(redis.RedisError):
            crowd.tick()
        assert crowd.progress() == ("waiting", 0)
        server.child.start()
        wait_port(server.port, server.child)
        assert len(crowd.tick(after=STALE)) == 1
        crowd.work()
        crowd.check_everybody_got_it_once()


def test_the_tickers_thread_outlives_a_redis_that_is_away(make_crowd: Callable[..., Crowd]) -> None:
    crowd, stop = make_crowd(redis_url=f"redis://{LOOPBACK}:{free_port()}/0"), threading.Event()
    thread = ticker.start(crowd.app, stop=stop, interval_s=0.05)
    deadline = time.monotonic() + 20
    while crowd.run() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    assert thread.is_alive()
    assert crowd.progress() == ("waiting", 0)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_the_books_are_verified_once_a_day(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(people=1)
    for after, kept in ((0, 1), (0, 1), (23, 1), (25, 2), (30, 2)):
        crowd.tick(after=timedelta(hours=after))
        crowd.work()
        assert crowd.verifications() == kept
    with crowd.app.app_context():
        assert reading().scalar(select(func.count(Lease.name))) == 2


@pytest.mark.long
def test_two_worker_processes_with_a_ticker_each_make_each_run_once(
    make_crowd: Callable[..., Crowd], postgres: object, redis_server: RedisServer
) -> None:
    url = postgres.fresh_database()  # type: ignore[attr-defined]
    redis.Redis.from_url(redis_server.url).flushall()
    crowd = make_crowd(people=3000, database_url=url, redis_url=redis_server.url)
    with crowd.app.app_context():
        earlier = last_seven() - timedelta(days=4, seconds=1)
        writing(lambda session: session.execute(update(Schedule).values(settled_until=earlier)))
    workers = [subprocess.Popen([*MAIN, "worker", str(crowd.folder)], cwd=ROOT) for _ in range(2)]
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.2)
            with crowd.app.app_context():
                states = list(reading().scalars(select(Run.state)))
            if states == ["done"] * 5:
                break
    finally:
        for one in workers:
            one.terminate()
        codes = [one.wait(20) for one in workers]
    assert states == ["done"] * 5
    assert codes == [0, 0]
    with crowd.app.app_context():
        credited = list(reading().scalars(select(Run.credited)))
    assert credited == [3000] * 5


def test_a_clock_that_was_set_back_stops_neither_lease_nor_run(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(people=1)
    with crowd.app.app_context():
        ahead = clock.now() + timedelta(hours=1)
        assert writing(lambda session: ticker.take_lease(session, name="ticker", holder="gone", now=ahead))
    assert len(crowd.tick()) == 1
    with crowd.app.app_context():
        writing(lambda session: session.execute(update(Run).values(heartbeat_at=ahead)))
    assert len(crowd.tick()) == 1


def test_what_waits_in_the_queue_is_not_asked_for_again(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(people=1)
    for number in range(3):
        assert len(crowd.tick(after=number * STALE)) == 1
    assert crowd.jobs.queue.count == 4  # the run, and the night's three jobs
    crowd.work()
    crowd.check_everybody_got_it_once()


def test_ticker_and_worker_write_in_the_language_of_the_instance(
    make_instance: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd, spoken = Crowd(make_instance(language="de"), 2), []
    monkeypatch.setattr(ticker, "_tidy_print_jobs", lambda _now: spoken.append(current().code))
    [run_id] = crowd.tick()
    with crowd.app.app_context():
        schedule_tasks.credit_run(run_id)
        writing(lambda session: reversals.begin(session, run_id=run_id, by="admin", now=clock.now()))
    crowd.tick(after=LATER)
    crowd.work()
    with crowd.app.app_context():
        titles = set(reading().scalars(select(Note.title)))
    with speaking("de"):
        assert titles == {"Daily", _("Taken back: %(name)s", name="Daily")}
    assert titles != {"Daily", "Taken back: Daily"}
    assert (spoken, current().code) == (["de", "de"], "en")
