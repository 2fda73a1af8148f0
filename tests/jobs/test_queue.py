"""The queue runs what is listed and nothing else, whoever writes to Redis."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.job import Callback
from rq.serializers import JSONSerializer, PickleSerializer
from rq.webhook import Webhook

from app.jobs.queue import TASKS, Jobs, ListedJob
from tests.jobs import poison
from tests.jobs.conftest import Crowd

VERIFY = "app.ledger.tasks.verify_books"


@pytest.fixture
def crowd(make_crowd: Callable[..., Crowd], redis_url: str) -> Crowd:
    """Three people, the queue in memory and in Redis."""
    poison.marks.clear()
    return make_crowd(people=3, redis_url=redis_url)


def foreign_queue(jobs: Jobs, serializer: Any = JSONSerializer) -> Queue:
    """The same queue as somebody who can write to Redis has it: without our list."""
    return Queue(jobs.queue.name, connection=jobs.connection, serializer=serializer)


def check_the_worker_lives(crowd: Crowd) -> None:
    crowd.work()
    before = crowd.verifications()
    crowd.jobs.enqueue(VERIFY)
    crowd.work()
    assert crowd.verifications() == before + 1


def test_a_listed_task_runs(crowd: Crowd) -> None:
    crowd.jobs.enqueue(VERIFY)
    crowd.work()
    assert crowd.verifications() == 1
    assert crowd.jobs.queue.count == 0
    assert crowd.jobs.queue.failed_job_registry.count == 0


def test_a_job_that_names_another_function_is_refused_and_the_worker_lives(crowd: Crowd, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    refused = [
        foreign_queue(crowd.jobs).enqueue_call(name, args=(argument,))
        for name, argument in (
            ("os.system", f"touch {mark}"),
            ("tests.jobs.poison.leave_mark", str(mark)),
            ("builtins.eval", f"open({str(mark)!r}, 'w')"),
            ("app.cli.main", ""),
            ("x", ""),
        )
    ]
    check_the_worker_lives(crowd)
    assert not mark.exists()
    assert poison.marks == []
    fetched = [ListedJob.fetch(job.id, connection=crowd.jobs.connection, serializer=JSONSerializer) for job in refused]
    assert [job.is_failed for job in fetched] == [True] * 5


def test_pickled_bytes_are_refused_and_the_worker_lives(crowd: Crowd, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    foreign_queue(crowd.jobs, PickleSerializer).enqueue_call("tests.jobs.poison.leave_mark", args=(str(mark),))
    check_the_worker_lives(crowd)
    assert not mark.exists()


def test_callbacks_and_webhooks_of_a_job_are_not_followed(crowd: Crowd) -> None:
    call = Callback("tests.jobs.poison.leave_mark")
    hook = Webhook("http://127.0.0.1:9/", "finished")
    for task, args in ((VERIFY, ()), ("app.schedules.tasks.credit_run", (999_999,))):
        job = foreign_queue(crowd.jobs).enqueue_call(
            task, args=args, on_success=call, on_failure=call, on_stopped=call, webhooks=[hook]
        )
        ours = ListedJob.fetch(job.id, connection=crowd.jobs.connection, serializer=JSONSerializer)
        assert (ours.success_callback, ours.failure_callback, ours.stopped_callback, ours.webhooks) == (
            None,
            None,
            None,
            [],
        )
    check_the_worker_lives(crowd)
    assert poison.marks == []
    assert crowd.verifications() == 2


def test_a_job_that_makes_no_sense_does_not_stop_the_worker(crowd: Crowd) -> None:
    for damage in (
        {"data": b"no json"},
        {"data": zlib.compress(b"[]")},
        {"data": zlib.compress(b'{"a": 1}')},
        {"data": zlib.compress(b'["app.ledger.tasks.verify_books", null, ["x"], {"y": 1}]')},
        {"timeout": b"soon"},
        {"created_at": b"\xff"},
        {"status": b"excited"},
    ):
        job = foreign_queue(crowd.jobs).enqueue_call(VERIFY)
        crowd.jobs.connection.hset(job.key, mapping=damage)
    check_the_worker_lives(crowd)


def test_our_own_door_takes_listed_names_only(crowd: Crowd) -> None:
    with pytest.raises(ValueError, match="not a listed task"):
        crowd.jobs.enqueue("os.system")
    assert {f"{task.__module__}.{task.__name__}" for task in TASKS.values()} == set(TASKS)
