"""The worker: RQ's own, in a process of its own or, on one machine, in a thread of the instance."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from typing import Any

from flask import Flask
from rq import SimpleWorker
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from app.jobs import ticker
from app.jobs.queue import Jobs, ListedJob

log = logging.getLogger(__name__)


class InstanceWorker(SimpleWorker):
    """RQ's worker without a fork, doing each job inside the instance's application context."""

    death_penalty_class = TimerDeathPenalty
    job_class = ListedJob
    app: Flask

    def perform_job(self, job: Job, queue: Queue, *execution: Any) -> bool:
        """Run one job. RQ 3 adds the job's execution to the arguments, RQ 2 does not."""
        with self.app.app_context():
            return bool(super().perform_job(job, queue, *execution))


class ThreadWorker(InstanceWorker):
    """The worker in a thread: signals belong to the main thread."""

    def _install_signal_handlers(self) -> None:
        pass


def work(app: Flask, *, burst: bool = False, worker_class: type[InstanceWorker] = InstanceWorker) -> None:
    """Work off the instance's queue until told to stop (SIGTERM ends after the job at hand). `burst`: until empty."""
    jobs: Jobs = app.extensions["twinpurse.jobs"]
    worker: Any = worker_class([jobs.queue], connection=jobs.connection, serializer=JSONSerializer, job_class=ListedJob)
    worker.app = app
    worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)


def start(app: Flask, *, stop: threading.Event) -> threading.Thread:
    """Work in a daemon thread of this process; start again after an error."""

    def loop() -> None:
        warnings.filterwarnings("ignore", module="rq")
        while not stop.is_set():
            try:
                work(app, worker_class=ThreadWorker)
            except Exception:  # the outermost loop of a thread: nothing may end it
                log.exception("the worker failed; it starts again")
                time.sleep(1)

    thread = threading.Thread(target=loop, name="worker", daemon=True)
    thread.start()
    return thread


def serve(app: Flask, *, burst: bool = False) -> None:
    """Be a worker process: work and tick until SIGTERM; with `burst` work until the queue is empty."""
    stop = threading.Event()
    if not burst:
        ticker.start(app, stop=stop)
    try:
        work(app, burst=burst)
    finally:
        stop.set()
