"""The worker: RQ's own, in a process of its own or, on one machine, in a thread of the instance."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from typing import Any

import redis
from flask import Flask
from rq import SimpleWorker
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from app.errors import UnavailableError
from app.jobs import ticker
from app.jobs.queue import Jobs, ListedJob
from app.settings import settings_of_app
from language import speaking

RESTART_S = 1.0

log = logging.getLogger(__name__)


class InstanceWorker(SimpleWorker):
    """RQ's worker without a fork, doing each job inside the instance's application context."""

    death_penalty_class = TimerDeathPenalty
    job_class = ListedJob
    app: Flask
    told_to_stop = False

    def handle_warm_shutdown_request(self) -> None:
        """Remember that SIGTERM or SIGINT came: RQ ends its loop after some errors too."""
        super().handle_warm_shutdown_request()
        self.told_to_stop = True

    def perform_job(self, job: Job, queue: Queue, *execution: Any) -> bool:
        """Run one job, which speaks the instance's language in what it keeps for people.

        RQ 3 adds the job's execution to the arguments, RQ 2 does not.
        """
        with self.app.app_context(), speaking(settings_of_app().config.language):
            return bool(super().perform_job(job, queue, *execution))


class ThreadWorker(InstanceWorker):
    """The worker in a thread: signals belong to the main thread."""

    def _install_signal_handlers(self) -> None:
        pass


def work(app: Flask, *, burst: bool = False, worker_class: type[InstanceWorker] = InstanceWorker) -> bool:
    """Work off the instance's queue until told to stop (SIGTERM ends after the job at hand). `burst`: until empty.

    Returns False when RQ gave up by itself, as it does when Redis does not answer.
    """
    jobs: Jobs = app.extensions["twinpurse.jobs"]
    worker: Any = worker_class([jobs.queue], connection=jobs.connection, serializer=JSONSerializer, job_class=ListedJob)
    worker.app = app
    worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)
    return bool(worker.told_to_stop)


def start(app: Flask, *, stop: threading.Event) -> threading.Thread:
    """Work in a daemon thread of this process; start again after an error."""

    def loop() -> None:
        warnings.filterwarnings("ignore", module="rq")
        while not stop.is_set():
            try:
                work(app, worker_class=ThreadWorker)
            except Exception:  # the outermost loop of a thread: nothing may end it
                log.exception("the worker failed; it starts again")
            stop.wait(RESTART_S)

    thread = threading.Thread(target=loop, name="worker", daemon=True)
    thread.start()
    return thread


def serve(app: Flask, *, burst: bool = False) -> None:
    """Be a worker process: work and tick until SIGTERM; with `burst` work until the queue is empty."""
    stop = threading.Event()
    if not burst:
        ticker.start(app, stop=stop)
    try:
        while not _finished(app, burst=burst):
            time.sleep(RESTART_S)
    finally:
        stop.set()


def _finished(app: Flask, *, burst: bool) -> bool:
    """Work until RQ ends; True when that was asked for."""
    try:
        return work(app, burst=burst) or burst
    except redis.RedisError as exc:
        if burst:
            raise UnavailableError(f"Redis does not answer: {exc}") from exc
        log.warning("the queue does not answer (%s); the worker starts again", exc)
        return False
