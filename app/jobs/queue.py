"""The queue: RQ over Redis, or over an in-memory Redis when the instance has the machine to itself.

A job is a name out of `TASKS` and ids, in JSON: whoever can write to Redis cannot make us run anything else
(RQ's JSON serializer alone would still call any function that a job names).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fakeredis
import redis
from flask import Flask
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from app.internet import tasks as internet_tasks
from app.ledger import tasks as ledger_tasks
from app.mail import tasks as mail_tasks
from app.notices import tasks as notice_tasks
from app.people import tasks as people_tasks
from app.radius import tasks as radius_tasks
from app.schedules import tasks as schedule_tasks

TASKS: dict[str, Callable[..., Any]] = {
    "app.internet.tasks.add_waiting_usage": internet_tasks.add_waiting_usage,
    "app.internet.tasks.forget_domains": internet_tasks.forget_domains,
    "app.ledger.tasks.verify_books": ledger_tasks.verify_books,
    "app.mail.tasks.forget_old": mail_tasks.forget_old,
    "app.mail.tasks.send_waiting": mail_tasks.send_waiting,
    "app.notices.tasks.look": notice_tasks.look,
    "app.people.tasks.forget_old": people_tasks.forget_old,
    "app.people.tasks.sync_changes": people_tasks.sync_changes,
    "app.people.tasks.sync_people": people_tasks.sync_people,
    "app.radius.tasks.forget_ended": radius_tasks.forget_ended,
    "app.schedules.tasks.credit_run": schedule_tasks.credit_run,
}
RESULT_TTL_S = 600


class ListedJob(Job):
    """A job that only ever runs a function out of `TASKS`: no callback, no webhook, whatever stands in Redis."""

    def restore(self, raw_data: Any) -> None:
        """Read the job from Redis. Raises NoSuchJobError for one that makes no sense: RQ's worker passes it over."""
        try:
            super().restore(raw_data)
        except NoSuchJobError:
            raise
        except Exception as exc:  # any other error would end the worker
            raise NoSuchJobError(f"job {self.id} makes no sense: {exc}") from exc
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks: list[Any] = []

    @property
    def func(self) -> Callable[..., Any]:
        """The function; PermissionError for a name that is not listed."""
        if self.func_name not in TASKS:
            raise PermissionError(f"not a task of this program: {self.func_name!r}")
        return TASKS[self.func_name]


class Jobs:
    """The queue of one instance. `own_worker`: the worker must live in this process, since the queue does."""

    def __init__(self, instance_id: str, redis_url: str) -> None:
        self.own_worker = not redis_url
        self.connection: Any = redis.Redis.from_url(redis_url) if redis_url else fakeredis.FakeStrictRedis()
        self.queue = Queue(
            f"twinpurse-{instance_id}", connection=self.connection, serializer=JSONSerializer, job_class=ListedJob
        )

    def enqueue(self, task: str, *ids: int) -> None:
        """Ask for a task soon. Raises redis.RedisError when Redis is away; the ticker will ask again."""
        if task not in TASKS:
            raise ValueError(f"{task!r} is not a listed task")
        job_id = "-".join([task.replace(".", "_"), *map(str, ids)])
        if self.queue.get_job_position(job_id) is not None:
            return  # it waits already; without a worker the same would be asked for again and again
        self.queue.enqueue_call(task, args=ids, job_id=job_id, result_ttl=RESULT_TTL_S, failure_ttl=86400, timeout=3600)


def init_app(app: Flask, instance_id: str, redis_url: str) -> None:
    """Give `app` its queue."""
    app.extensions["twinpurse.jobs"] = Jobs(instance_id, redis_url)
