"""The administrators' health page: what needs somebody first, each thing with what to do about it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import flask
import redis
from flask import Blueprint, Flask, current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import books_health, clock, health, sync_health
from app.api.access import admin, auditor
from app.db import db, reading
from app.internet import rules as internet
from app.internet.models import UnmatchedUsage, UsagePosition
from app.jobs import ticker
from app.jobs.models import Lease
from app.jobs.queue import Jobs
from app.ledger.models import Verification
from app.people import local
from app.purse.rules import ago_in_words
from app.schedules.models import Run
from app.schedules.runs import AT_WORK
from app.settings import Settings, settings_of_app

PATIENCE_S: Final = 3.0
"""How long the page waits for what is outside; what has not answered by then is said not to answer."""

TICK_LATE: Final = timedelta(seconds=30)
VERIFIED_LATE: Final = timedelta(hours=26)
RUN_LATE: Final = timedelta(minutes=2)
DISK_LOW: Final = 0.1

blueprint = Blueprint("health", __name__, url_prefix="/admin/health")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `state`: "ok", "warn" (look soon) or "bad" (look now); `todo`: what to do."""

    name: str
    state: str
    word: str
    text: str
    todo: str = ""


@blueprint.get("")
@auditor
def show_health() -> str:
    """Show what needs somebody, then what is fine."""
    settings, session, now = settings_of_app(), reading(), clock.now()
    outside = _ask_outside()
    checks = [
        *outside,
        _ticker(session, now, settings),
        _runs(session, now),
        _books(session, now, settings),
        _database(settings),
        _disk(settings),
    ]
    if current_app.extensions["twinpurse.roster"] is not None:
        checks.append(Check("People sync", *sync_health.look_at(session, now)))
    checks += _local_administrators(session, settings)
    if settings.charges_internet:
        checks.append(_usage(session, now))
    worst_first = sorted(checks, key=lambda check: ("bad", "warn", "ok").index(check.state))
    return flask.render_template(
        "health.html",
        needs=[check for check in worst_first if check.state != "ok"],
        fine=[check for check in checks if check.state == "ok"],
        books=books_health.look_at(session, settings.unit),
    )


@blueprint.post("/verify")
@admin
def verify_now() -> Response:
    """Have the books verified soon. While that waits, asking again changes nothing."""
    jobs: Jobs = current_app.extensions["twinpurse.jobs"]
    try:
        jobs.enqueue("app.ledger.tasks.verify_books")
    except redis.RedisError:
        flask.flash("The queue does not answer, so nothing was asked for.", "bad")
    else:
        flask.flash("Asked for. The result stands here when it is done: large books take minutes.", "ok")
    return flask.redirect(flask.url_for(".show_health", _anchor="books"), 303)


def _ask_outside() -> list[Check]:
    """Ask directory and queue at the same time, and wait a bounded time for both."""
    # The proxy means nothing in another thread; Flask types it as if it were the application itself.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    asked = {"Directory": _directory, "Queue": _queue}
    answers = {name: _probe(app, name, question) for name, question in asked.items()}
    deadline = time.monotonic() + PATIENCE_S
    return [_answer(name, answer, deadline) for name, answer in answers.items()]


def _probe(app: Flask, name: str, question: Callable[[Flask], Check]) -> Future[Check]:
    """Ask in a thread of its own. While an answer is awaited, the same is not asked again."""
    awaited: dict[str, Future[Check]] = app.extensions.setdefault("twinpurse.probes", {})
    answer = awaited.get(name)
    if answer is None or answer.done():
        answer = awaited[name] = Future()
        threading.Thread(target=_ask, args=(app, question, answer), name="health probe", daemon=True).start()
    return answer


def _ask(app: Flask, question: Callable[[Flask], Check], answer: Future[Check]) -> None:
    try:
        answer.set_result(question(app))
    except Exception as exc:  # what goes wrong is the answer: the page shows it
        answer.set_exception(exc)


def _answer(name: str, answer: Future[Check], deadline: float) -> Check:
    try:
        return answer.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        text = f"No answer within {PATIENCE_S:.0f} seconds."
    except Exception as exc:  # see _ask
        current_app.logger.error("health: the question to the %s failed", name, exc_info=exc)
        text = f"Asking it failed ({type(exc).__name__})."
    return Check(name, "bad", "Silent", text, "Look whether its server runs, and whether this machine reaches it.")


def _directory(app: Flask) -> Check:
    began = time.monotonic()
    problems = app.extensions["twinpurse.directory"].check()
    if problems:
        todo = "Nobody new can sign in meanwhile. Directory, under People, says where it fails and what to change."
        return Check("Directory", "bad", "Does not work", _sentences(problems), todo)
    return Check("Directory", "ok", "Answers", f"Answered in {(time.monotonic() - began) * 1000:.0f} ms.")


def _queue(app: Flask) -> Check:
    problem = health.queue_problem(app)
    if problem:
        todo = "Start Redis, or correct redis_url in config.toml. Runs wait in the database; none is lost."
        return Check("Queue", "bad", "Does not answer", _sentences([problem]), todo)
    jobs: Jobs = app.extensions["twinpurse.jobs"]
    place = "Inside the instance" if jobs.own_worker else "In Redis"
    return Check("Queue", "ok", "Answers", f"{place}; {_counted(jobs.queue.count, 'job')} waiting.")


def _ticker(session: Session, now: datetime, settings: Settings) -> Check:
    seen_at = session.scalar(select(Lease.seen_at).where(Lease.name == ticker.LEASE))
    todo = f"Restart the service that serves {settings.folder}; its log says why the ticker stopped."
    if seen_at is None:
        return Check("Ticker", "bad", "Never ticked", "Credits on schedule are not made.", todo)
    text = f"Last tick {ago_in_words(now - seen_at)}."
    if now - seen_at > TICK_LATE:
        return Check("Ticker", "bad", "Stopped", f"{text} Credits on schedule wait.", todo)
    return Check("Ticker", "ok", "On time", text)


def _runs(session: Session, now: datetime) -> Check:
    count, oldest = session.execute(select(func.count(), func.min(Run.due_at)).where(Run.state.in_(AT_WORK))).one()
    if not count or oldest is None:
        return Check("Scheduled runs", "ok", "None waiting", "Every run that fell due is done.")
    text = f"{_counted(count, 'run')} not done; the oldest fell due {ago_in_words(now - oldest)}."
    if now - oldest <= RUN_LATE:
        return Check("Scheduled runs", "ok", "At work", text)
    todo = "Look at ticker and queue. A run goes on by itself where it stopped; nobody is credited twice."
    return Check("Scheduled runs", "warn", f"{count} waiting", text, todo)


def _books(session: Session, now: datetime, settings: Settings) -> Check:
    last = session.scalar(select(Verification).order_by(Verification.id.desc()).limit(1))
    todo = f"Run: twinpurse verify {settings.folder}"
    if last is None:
        return Check("Books", "warn", "Not verified", "They have not been verified yet.", todo)
    when = f"verified {ago_in_words(now - last.at)}"
    if books_health.did_not_end(last):
        text = f"The verification {ago_in_words(now - last.at)} did not come to its end. The log says why."
        return Check("Books", "bad", "Not verified", text, todo)
    if last.difference_count:
        named = _sentences(books_health.in_short(last, settings.unit))
        text = f"{_counted(last.difference_count, 'difference')}, {when}. {named}"
        return Check("Books", "bad", "Do not add up", text, f"Copy the database before you change anything. {todo}")
    text = f"All {_counted(last.entries, 'entry', 'entries')} of {_counted(last.accounts, 'purse')} add up; {when}."
    if now - last.at > VERIFIED_LATE:
        return Check("Books", "warn", "Not verified lately", text, todo)
    return Check("Books", "ok", "Add up", text)


def _database(settings: Settings) -> Check:
    problem = health.database_problem()
    if problem:
        return Check("Database", "bad", "Not up to date", _sentences([problem]), f"twinpurse upgrade {settings.folder}")
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(db.engine.dialect.name, db.engine.dialect.name)
    return Check("Database", "ok", "Up to date", f"{name} has every table that this program needs.")


def _disk(settings: Settings) -> Check:
    usage = shutil.disk_usage(settings.folder)
    share = usage.free / usage.total
    text = f"{usage.free / 1e9:,.0f} GB of {usage.total / 1e9:,.0f} GB free where {settings.folder} lies."
    if share < DISK_LOW:
        return Check("Disk", "warn", f"{share:.0%} free", text, "Make room: nothing is booked on a full disk.")
    return Check("Disk", "ok", f"{share:.0%} free", text)


def _local_administrators(session: Session, settings: Settings) -> list[Check]:
    """Who can sign in as an administrator whatever the directory says is worth knowing, also when all is well."""
    names = [each.user.username for each in local.list_administrators(session)]
    if not names:
        return []
    word = "1 exists" if len(names) == 1 else f"{len(names)} exist"
    text = f"{', '.join(names)}: signs in with a password kept here, directory or not."
    return [
        Check("Local administrator", "ok", word, f"{text} twinpurse admin {settings.folder} NAME --remove ends that.")
    ]


def _usage(session: Session, now: datetime) -> Check:
    sources, newest = session.execute(select(func.count(), func.max(UsagePosition.updated_at))).one()
    text = "No proxy has reported yet."
    if newest is not None:
        text = f"{_counted(sources, 'proxy', 'proxies')} reported; the last report came {ago_in_words(now - newest)}."
    names, size_bytes = session.execute(
        select(func.count(UnmatchedUsage.username.distinct()), func.coalesce(func.sum(UnmatchedUsage.bytes), 0))
    ).one()
    if names:
        unknown = f"{internet.size_in_words(int(size_bytes))} under {_counted(names, 'name')} unknown to the directory."
        todo = "Compare how the proxy writes names with the directory. What was used is kept, and charged to nobody."
        return Check("Internet use", "warn", "Unknown names", f"{text} {unknown}", todo)
    return Check("Internet use", "ok", "Reported" if sources else "Nothing yet", text)


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _sentences(texts: list[str]) -> str:
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts if text)
