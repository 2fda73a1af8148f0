"""A worker is killed with SIGKILL in the middle of a run; another one finishes it, and everybody is credited once."""

from __future__ import annotations

import os
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

PEOPLE = 12_000
INSTANCE = [
    sys.executable,
    "-c",
    "import sys, time; from app.factory import create_app, start_background; from app.settings import Settings;"
    "start_background(create_app(Settings.load(sys.argv[1]))); time.sleep(60)",
]


def kill_in_the_middle(crowd: Crowd, command: list[str]) -> None:
    """Start a program that works, and kill it as soon as the first chunk is in the database."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while crowd.progress()[1] == 0:
            assert process.poll() is None, "the worker ended by itself"
            assert time.monotonic() < deadline, "the worker did not begin"
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    state, considered = crowd.progress()
    assert state == "running"
    assert 0 < considered < PEOPLE


def test_the_instances_own_worker_is_killed_on_sqlite(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(people=PEOPLE)
    kill_in_the_middle(crowd, [*INSTANCE, str(crowd.folder)])
    assert crowd.tick(holder="next start") == []
    assert len(crowd.tick(holder="next start", after=LATER)) == 1
    crowd.work()
    crowd.check_everybody_got_it_once()


def test_a_worker_process_is_killed_with_postgresql_and_redis(
    make_crowd: Callable[..., Crowd], postgres: Postgres, redis_server: RedisServer
) -> None:
    crowd = on_servers(make_crowd, postgres, redis_server)
    crowd.tick()
    kill_in_the_middle(crowd, [*MAIN, "worker", str(crowd.folder)])
    assert len(crowd.tick(after=LATER)) == 1
    subprocess.run([*MAIN, "worker", str(crowd.folder), "--burst"], cwd=ROOT, check=True, timeout=60)
    crowd.check_everybody_got_it_once()
    verified = subprocess.run([*MAIN, "verify", str(crowd.folder)], cwd=ROOT, capture_output=True, text=True)
    assert (verified.returncode, "No difference." in verified.stdout) == (0, True)


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
    kill_in_the_middle(crowd, [*MAIN, "worker", str(crowd.folder)])
    second = subprocess.Popen([*MAIN, "worker", str(crowd.folder)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while crowd.progress()[0] != "done" and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        second.terminate()
        assert second.wait(20) == 0
    crowd.check_everybody_got_it_once()


def on_servers(make_crowd: Callable[..., Crowd], postgres: Postgres, redis_server: RedisServer) -> Crowd:
    Jobs("any", redis_server.url).connection.flushall()
    return make_crowd(people=PEOPLE, database_url=postgres.fresh_database(), redis_url=redis_server.url)
