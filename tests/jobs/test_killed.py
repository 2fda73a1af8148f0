"""A worker is killed with SIGKILL in the middle of a run; another one finishes it, and everybody is credited once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from app.jobs.queue import Jobs
from tests.jobs.conftest import LATER, MAIN, ROOT, Crowd
from tests.servers.postgres import Postgres
from tests.servers.process import LOOPBACK, free_port, wait_port
from tests.servers.redis_server import RedisServer

PEOPLE = 6_000
CHUNK = 250
SEED = int(os.environ.get("TWINPURSE_SEED") or time.time_ns() % 1_000_000)
"""Decides at which moments a worker is killed; every failure prints it."""

CHUNKS_OF = (
    "from app.schedules import runs, tasks;"
    "runs.CHUNK = {chunk}; tasks.TURN_S = 0; tasks.PAUSES_S = dict.fromkeys(tasks.PAUSES_S, 0.02); "
)
"""With many chunks and a pause after each there is time to kill a worker before the run is done."""

INSTANCE = (
    "import sys, time; from app.factory import create_app, start_background; from app.settings import Settings;"
    "start_background(create_app(Settings.load(sys.argv[1]))); time.sleep(600)"
)
WORKER = "from app.cli import main; main()"


def python(program: str, *arguments: str, chunk: int = CHUNK) -> list[str]:
    """The command of a program that credits so many people a transaction."""
    return [sys.executable, "-c", CHUNKS_OF.format(chunk=chunk) + program, *arguments]


def kill_when(crowd: Crowd, command: list[str], *, dealt_with: int, wait_s: float = 0.0) -> None:
    """Start a program that works, and kill it so long after so many people were dealt with."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while crowd.progress()[1] < dealt_with:
            assert process.poll() is None, "the worker ended by itself"
            assert time.monotonic() < deadline, "the worker did not go on"
            time.sleep(0.002)
        time.sleep(wait_s)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert crowd.progress()[0] == "running"
    assert 0 < crowd.progress()[1] < crowd.people


def kill_again_and_again(crowd: Crowd, command: list[str], *, kills: int) -> None:
    """Kill one worker after another at moments that nobody chose, in the first seven tenths of the run."""
    print(f"TWINPURSE_SEED={SEED}")
    dice = random.Random(SEED)  # noqa: S311 - it chooses moments, no secrets
    for moment in sorted(dice.sample(range(1, int(crowd.people * 0.7)), kills)):
        kill_when(crowd, command, dealt_with=moment, wait_s=dice.uniform(0, 0.03))
        crowd.long_silence()


@pytest.mark.long
def test_the_instances_own_worker_is_killed_on_sqlite(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(people=PEOPLE)
    command = python(INSTANCE, str(crowd.folder))
    kill_again_and_again(crowd, command, kills=1)
    kill_when(crowd, command, dealt_with=crowd.progress()[1] + 1)
    assert crowd.tick(holder="next start") == []
    assert len(crowd.tick(holder="next start", after=LATER)) == 1
    crowd.work()
    crowd.check_everybody_got_it_once()


@pytest.mark.long
def test_a_worker_process_is_killed_with_postgresql_and_redis(
    make_crowd: Callable[..., Crowd], postgres: Postgres, redis_server: RedisServer
) -> None:
    crowd = on_servers(make_crowd, postgres, redis_server)
    crowd.tick()
    kill_again_and_again(crowd, python(WORKER, "worker", str(crowd.folder)), kills=1)
    assert len(crowd.tick(after=LATER)) == 1
    subprocess.run([*MAIN, "worker", str(crowd.folder), "--burst"], cwd=ROOT, check=True, timeout=60)
    crowd.check_everybody_got_it_once()
    verified = subprocess.run([*MAIN, "verify", str(crowd.folder)], cwd=ROOT, capture_output=True, text=True)
    assert (verified.returncode, "No difference." in verified.stdout) == (0, True)


@pytest.mark.long
@pytest.mark.parametrize("place", ["sqlite", "servers"])
def test_ten_workers_are_killed_in_one_run_over_100_000_people(
    make_crowd: Callable[..., Crowd], postgres: Postgres, redis_server: RedisServer, place: str
) -> None:
    if place == "sqlite":
        crowd = make_crowd(people=100_000)
        command = python(INSTANCE, str(crowd.folder), chunk=2_000)
    else:
        crowd = on_servers(make_crowd, postgres, redis_server, people=100_000)
        command = python(WORKER, "worker", str(crowd.folder), chunk=2_000)
    kill_again_and_again(crowd, command, kills=10)
    crowd.tick(after=LATER)
    crowd.work()
    crowd.check_everybody_got_it_once()


@pytest.mark.long
def test_a_worker_process_outlives_a_redis_that_goes_and_comes_back(make_crowd: Callable[..., Crowd]) -> None:
    with RedisServer() as server:
        crowd = make_crowd(redis_url=server.url)
        server.child.stop()
        process = subprocess.Popen([*MAIN, "worker", str(crowd.folder)], cwd=ROOT)
        try:
            time.sleep(4)
            assert process.poll() is None
            server.child.start()
            wait_port(server.port, server.child)
            crowd.tick(holder="test", after=LATER)
            deadline = time.monotonic() + 30
            while crowd.progress()[0] != "done" and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            process.terminate()
            assert process.wait(20) == 0
        crowd.check_everybody_got_it_once()


@pytest.mark.long
def test_a_worker_in_a_burst_says_that_redis_is_away(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(people=1, redis_url=f"redis://{LOOPBACK}:{free_port()}/0")
    command = [*MAIN, "worker", str(crowd.folder), "--burst"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.startswith("twinpurse: Redis does not answer")) == (8, True), ended.stderr


@pytest.mark.long
def test_another_worker_process_takes_over_by_itself_when_the_first_falls_silent(
    make_crowd: Callable[..., Crowd], postgres: Postgres, redis_server: RedisServer
) -> None:
    crowd = on_servers(make_crowd, postgres, redis_server)
    kill_when(crowd, python(WORKER, "worker", str(crowd.folder)), dealt_with=1)
    second = subprocess.Popen([*MAIN, "worker", str(crowd.folder)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while crowd.progress()[0] != "done" and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        second.terminate()
        assert second.wait(20) == 0
    crowd.check_everybody_got_it_once()


def on_servers(
    make_crowd: Callable[..., Crowd], postgres: Postgres, redis_server: RedisServer, *, people: int = PEOPLE
) -> Crowd:
    Jobs("any", redis_server.url).connection.flushall()
    return make_crowd(people=people, database_url=postgres.fresh_database(), redis_url=redis_server.url)
