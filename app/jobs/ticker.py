"""The ticker: finds what is due in the database and asks for it. One works at a time; any number may run."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from contextlib import suppress
from datetime import datetime, timedelta

import redis
from flask import Flask, current_app
from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import WrongStateError
from app.internet import hours, running, use_privacy
from app.jobs.models import Lease
from app.jobs.queue import Jobs
from app.ledger import service as ledger
from app.mail import outbox
from app.notices import watch
from app.people import sync, sync_watch
from app.printing import releases, titles
from app.schedules import runs
from app.schedules import service as schedules
from app.settings import settings_of_app
from language import speaking

LEASE = "ticker"
NIGHTLY = "nightly verification"
DAY = timedelta(days=1)
LEASE_LIFE = timedelta(seconds=15)
TITLE_CHUNKS = 4
INTERVAL_S = 2.0

log = logging.getLogger(__name__)


def tick(app: Flask, *, holder: str, now: datetime | None = None) -> list[int]:
    """Do one round if the lease is ours: expire holds, tidy print jobs, plan due runs, ask for every unfinished run.

    Returns the runs that were asked for. Safe to call at any time, from anywhere, by any number of callers: planning
    and crediting are each guarded by the database on their own; the lease only spares work. What a round writes into
    the database for people is in the instance's language.
    """
    with app.app_context(), speaking(settings_of_app().config.language):
        return _round(app.extensions["twinpurse.jobs"], holder, now or clock.now())


def _round(jobs: Jobs, holder: str, now: datetime) -> list[int]:
    if not writing(lambda session: take_lease(session, name=LEASE, holder=holder, now=now)):
        return []
    writing(lambda session: ledger.expire_holds(session, now=now))
    _tidy_print_jobs(now)
    if schedules.anything_due(reading(), now=now):
        writing(lambda session: schedules.plan_due(session, now=now))
    waiting = runs.unfinished(reading(), now=now)
    if waiting:
        writing(lambda session: runs.note_asked(session, run_ids=waiting, now=now))
    for run_id in waiting:
        jobs.enqueue("app.schedules.tasks.credit_run", run_id)
    if current_app.extensions["twinpurse.roster"] is not None:
        _ask_for_people(jobs, now)
    today = now.astimezone(settings_of_app().zone).date()
    if use_privacy.anything_to_forget(reading(), today=today):
        jobs.enqueue("app.internet.tasks.forget_domains")
    if running.anything_to_forget(reading(), now=now):
        writing(lambda session: running.forget(session, now=now))
    if hours.anything_waits(reading()):
        jobs.enqueue("app.internet.tasks.add_waiting_usage")
    if settings_of_app().config.mail is not None:
        _ask_for_mail(jobs, now)
    if nightly_due(reading(), now=now):
        jobs.enqueue("app.ledger.tasks.verify_books")
        jobs.enqueue("app.people.tasks.forget_old")
        jobs.enqueue("app.mail.tasks.forget_old")
        if settings_of_app().charges_internet:
            jobs.enqueue("app.radius.tasks.forget_ended")
        writing(lambda session: note_nightly(session, now=now))
    return waiting


def _tidy_print_jobs(now: datetime) -> None:
    """End jobs that nobody released in time, and blank titles that are too old: some in each round."""
    if releases.anything_due(reading(), now=now):
        writing(lambda session: releases.expire_due(session, now=now))
    for _chunk in range(TITLE_CHUNKS):
        if not titles.anything_due(reading(), now=now):
            break
        writing(lambda session: titles.blank_due(session, now=now))


def _ask_for_people(jobs: Jobs, now: datetime) -> None:
    """Ask for a full pass over the directory once a day, for one that lost its worker, and for changes."""
    waiting = sync.unattended(reading(), now=now)
    if sync.full_due(reading(), now=now):
        with suppress(WrongStateError):  # a preview is at work; the next round looks again
            waiting.append(writing(lambda session: sync.begin(session, kind="full", asked_by="", now=now).id))
    if waiting:
        writing(lambda session: sync.note_asked(session, sync_ids=waiting, now=now))
    for sync_id in waiting:
        jobs.enqueue("app.people.tasks.sync_people", sync_id)
    if sync_watch.due(reading(), now=now):
        writing(lambda session: sync_watch.note_asked(session, now=now))
        jobs.enqueue("app.people.tasks.sync_changes")


def _ask_for_mail(jobs: Jobs, now: datetime) -> None:
    """Ask for a look at whose purse became low, and for e-mails to be sent."""
    if watch.is_due(reading(), now=now):
        jobs.enqueue("app.notices.tasks.look")
    if outbox.anything_due(reading(), now=now):
        jobs.enqueue("app.mail.tasks.send_waiting")


def nightly_due(session: Session, *, now: datetime) -> bool:
    """Whether the books were last verified (or that was asked for) longer ago than a day."""
    asked = session.scalar(select(Lease.until).where(Lease.name == NIGHTLY))
    return asked is None or asked <= now


def note_nightly(session: Session, *, now: datetime) -> None:
    """Note that the verification was asked for; the next one is due a day later."""
    session.merge(Lease(name=NIGHTLY, holder="ticker", until=now + DAY, seen_at=now))


def take_lease(session: Session, *, name: str, holder: str, now: datetime) -> bool:
    """Take or renew a lease; False while somebody else's is good.

    One that ends later than any lease can was taken before the clock was set back.
    """
    mine = session.execute(
        update(Lease)
        .where(Lease.name == name, or_(Lease.holder == holder, Lease.until < now, Lease.until > now + LEASE_LIFE))
        .values(holder=holder, until=now + LEASE_LIFE, seen_at=now)
        .returning(Lease.name)
        .execution_options(synchronize_session=False)
    ).first()
    if mine is None and session.scalar(select(Lease.name).where(Lease.name == name)) is None:
        session.execute(insert(Lease).values(name=name, holder=holder, until=now + LEASE_LIFE, seen_at=now))
        return True
    return mine is not None


def start(app: Flask, *, stop: threading.Event, interval_s: float = INTERVAL_S) -> threading.Thread:
    """Tick in a daemon thread until `stop` is set. An error is logged and the next round comes all the same."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def loop() -> None:
        while not stop.wait(interval_s):
            try:
                tick(app, holder=holder)
            except redis.RedisError as exc:
                log.warning("the queue does not answer (%s); runs wait in the database", exc)
            except Exception:  # the outermost loop of a thread: nothing may end it
                log.exception("a round of the ticker failed")

    thread = threading.Thread(target=loop, name="ticker", daemon=True)
    thread.start()
    return thread
