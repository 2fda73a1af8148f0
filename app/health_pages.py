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

from app import books_health, clock, health, mail_health, sync_health
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
from language import N_, _, _n, current, numbers, speaking

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
        checks.append(Check(_("People sync"), *sync_health.look_at(session, now)))
    if settings.config.mail is not None:
        checks.append(Check(_("E-mail"), *mail_health.look_at(session, now)))
    checks += _local_administrators(session, settings)
    if settings.charges_internet:
        checks.append(_usage(session, now))
    worst_first = sorted(checks, key=lambda check: ("bad", "warn", "ok").index(check.state))
    return flask.render_template(
        "health.html",
        needs=[check for check in worst_first if check.state != "ok"],
        fine=[check for check in checks if check.state == "ok"],
        books=books_health.look_at(session, settings.unit),
        figure=numbers.figure,
    )


@blueprint.post("/verify")
@admin
def verify_now() -> Response:
    """Have the books verified soon. While that waits, asking again changes nothing."""
    jobs: Jobs = current_app.extensions["twinpurse.jobs"]
    try:
        jobs.enqueue("app.ledger.tasks.verify_books")
    except redis.RedisError:
        flask.flash(_("The queue does not answer, so nothing was asked for."), "bad")
    else:
        flask.flash(_("Asked for. The result stands here when it is done: large books take minutes."), "ok")
    return flask.redirect(flask.url_for(".show_health", _anchor="books"), 303)


def _ask_outside() -> list[Check]:
    """Ask directory and queue at the same time, and wait a bounded time for both."""
    # The proxy means nothing in another thread; Flask types it as if it were the application itself.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Werkzeug types the proxy as the app
    asked = {N_("Directory"): _directory, N_("Queue"): _queue}
    answers = {name: _probe(app, name, question) for name, question in asked.items()}
    deadline = time.monotonic() + PATIENCE_S
    return [_answer(name, answer, deadline) for name, answer in answers.items()]


def _probe(app: Flask, name: str, question: Callable[[Flask], Check]) -> Future[Check]:
    """Ask in a thread of its own. While an answer is awaited, the same is not asked again in that language."""
    awaited: dict[tuple[str, str], Future[Check]] = app.extensions.setdefault("twinpurse.probes", {})
    code = current().code
    answer = awaited.get((name, code))
    if answer is None or answer.done():
        answer = awaited[name, code] = Future()
        threading.Thread(target=_ask, args=(app, question, code, answer), name="health probe", daemon=True).start()
    return answer


def _ask(app: Flask, question: Callable[[Flask], Check], code: str, answer: Future[Check]) -> None:
    try:
        with speaking(code):  # a thread begins in English
            answer.set_result(question(app))
    except Exception as exc:  # what goes wrong is the answer: the page shows it
        answer.set_exception(exc)


def _answer(name: str, answer: Future[Check], deadline: float) -> Check:
    try:
        return answer.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        text = _("No answer within %(seconds)s seconds.", seconds=f"{PATIENCE_S:.0f}")
    except Exception as exc:  # see _ask
        current_app.logger.error("health: the question to the %s failed", name, exc_info=exc)
        text = _("Asking it failed (%(error)s).", error=type(exc).__name__)
    todo = _("Look whether its server runs, and whether this machine reaches it.")
    return Check(_(name), "bad", _("Silent"), text, todo)


def _directory(app: Flask) -> Check:
    began = time.monotonic()
    problems = app.extensions["twinpurse.directory"].check()
    if problems:
        todo = _("Nobody new can sign in meanwhile. Directory, under People, says where it fails and what to change.")
        return Check(_("Directory"), "bad", _("Does not work"), _sentences(problems), todo)
    text = _("Answered in %(time)s ms.", time=f"{(time.monotonic() - began) * 1000:.0f}")
    return Check(_("Directory"), "ok", _("Answers"), text)


def _queue(app: Flask) -> Check:
    problem = health.queue_problem(app)
    if problem:
        todo = _("Start Redis, or correct redis_url in config.toml. Runs wait in the database; none is lost.")
        return Check(_("Queue"), "bad", _("Does not answer"), _sentences([problem]), todo)
    jobs: Jobs = app.extensions["twinpurse.jobs"]
    count = jobs.queue.count
    if jobs.own_worker:
        text = _n("Inside the instance; 1 job waiting.", "Inside the instance; %(num)s jobs waiting.", count)
    else:
        text = _n("In Redis; 1 job waiting.", "In Redis; %(num)s jobs waiting.", count)
    return Check(_("Queue"), "ok", _("Answers"), text)


def _ticker(session: Session, now: datetime, settings: Settings) -> Check:
    seen_at = session.scalar(select(Lease.seen_at).where(Lease.name == ticker.LEASE))
    name, folder = _("Ticker"), settings.folder
    todo = _("Restart the service that serves %(folder)s; its log says why the ticker stopped.", folder=folder)
    if seen_at is None:
        return Check(name, "bad", _("Never ticked"), _("Credits on schedule are not made."), todo)
    text = _("Last tick %(ago)s.", ago=ago_in_words(now - seen_at))
    if now - seen_at > TICK_LATE:
        return Check(name, "bad", _("Stopped"), f"{text} {_('Credits on schedule wait.')}", todo)
    return Check(name, "ok", _("On time"), text)


def _runs(session: Session, now: datetime) -> Check:
    count, oldest = session.execute(select(func.count(), func.min(Run.due_at)).where(Run.state.in_(AT_WORK))).one()
    name = _("Scheduled runs")
    if not count or oldest is None:
        return Check(name, "ok", _("None waiting"), _("Every run that fell due is done."))
    text = _n(
        "1 run not done; the oldest fell due %(ago)s.",
        "%(num)s runs not done; the oldest fell due %(ago)s.",
        count,
        ago=ago_in_words(now - oldest),
    )
    if now - oldest <= RUN_LATE:
        return Check(name, "ok", _("At work"), text)
    todo = _("Look at ticker and queue. A run goes on by itself where it stopped; nobody is credited twice.")
    return Check(name, "warn", _("%(number)s waiting", number=count), text, todo)


def _books(session: Session, now: datetime, settings: Settings) -> Check:
    last = session.scalar(select(Verification).order_by(Verification.id.desc()).limit(1))
    name, todo = _("Books"), _("Run: %(command)s", command=f"twinpurse verify {settings.folder}")
    if last is None:
        return Check(name, "warn", _("Not verified"), _("They have not been verified yet."), todo)
    ago = ago_in_words(now - last.at)
    if books_health.did_not_end(last):
        text = _("The verification %(ago)s did not come to its end. The log says why.", ago=ago)
        return Check(name, "bad", _("Not verified"), text, todo)
    if last.difference_count:
        count = _n("1 difference, verified %(ago)s.", "%(num)s differences, verified %(ago)s.",
                   last.difference_count, ago=ago)  # fmt: skip
        text = f"{count} {_sentences(books_health.in_short(last, settings.unit))}"
        todo = f"{_('Copy the database before you change anything.')} {todo}"
        return Check(name, "bad", _("Do not add up"), text, todo)
    entries = _n("All 1 entry of %(purses)s add up; verified %(ago)s.",
                 "All %(num)s entries of %(purses)s add up; verified %(ago)s.",
                 last.entries, ago=ago, purses=_n("1 purse", "%(num)s purses", last.accounts))  # fmt: skip
    if now - last.at > VERIFIED_LATE:
        return Check(name, "warn", _("Not verified lately"), entries, todo)
    return Check(name, "ok", _("Add up"), entries)


def _database(settings: Settings) -> Check:
    problem = health.database_problem()
    if problem:
        todo = f"twinpurse upgrade {settings.folder}"
        return Check(_("Database"), "bad", _("Not up to date"), _sentences([problem]), todo)
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(db.engine.dialect.name, db.engine.dialect.name)
    text = _("%(database)s has every table that this program needs.", database=name)
    return Check(_("Database"), "ok", _("Up to date"), text)


def _disk(settings: Settings) -> Check:
    usage = shutil.disk_usage(settings.folder)
    share = usage.free / usage.total
    text = _(
        "%(free)s GB of %(total)s GB free where %(folder)s lies.",
        free=numbers.count(round(usage.free / 1e9)),
        total=numbers.count(round(usage.total / 1e9)),
        folder=settings.folder,
    )
    word = _("%(share)s free", share=numbers.percent(round(100 * share)))
    if share < DISK_LOW:
        return Check(_("Disk"), "warn", word, text, _("Make room: nothing is booked on a full disk."))
    return Check(_("Disk"), "ok", word, text)


def _local_administrators(session: Session, settings: Settings) -> list[Check]:
    """Who can sign in as an administrator whatever the directory says is worth knowing, also when all is well."""
    names = [each.user.username for each in local.list_administrators(session)]
    if not names:
        return []
    word = _n("1 exists", "%(num)s exist", len(names))
    text = _("%(names)s: signs in with a password kept here, directory or not.", names=", ".join(names))
    ends = _("%(command)s ends that.", command=f"twinpurse admin {settings.folder} NAME --remove")
    return [Check(_("Local administrator"), "ok", word, f"{text} {ends}")]


def _usage(session: Session, now: datetime) -> Check:
    sources, newest = session.execute(select(func.count(), func.max(UsagePosition.updated_at))).one()
    text = _("No proxy has reported yet.")
    if newest is not None:
        text = _n(
            "1 proxy reported; the last report came %(ago)s.",
            "%(num)s proxies reported; the last report came %(ago)s.",
            sources,
            ago=ago_in_words(now - newest),
        )
    names, size_bytes = session.execute(
        select(func.count(UnmatchedUsage.username.distinct()), func.coalesce(func.sum(UnmatchedUsage.bytes), 0))
    ).one()
    if names:
        unknown = _n(
            "%(size)s under 1 name unknown to the directory.",
            "%(size)s under %(num)s names unknown to the directory.",
            names,
            size=internet.size_in_words(int(size_bytes)),
        )
        todo = _("Compare how the proxy writes names with the directory. What was used is kept, and charged to nobody.")
        return Check(_("Internet use"), "warn", _("Unknown names"), f"{text} {unknown}", todo)
    return Check(_("Internet use"), "ok", _("Reported") if sources else _("Nothing yet"), text)


def _sentences(texts: list[str]) -> str:
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts if text)
