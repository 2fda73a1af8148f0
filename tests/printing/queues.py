"""Printers and jobs for tests of pages and verbs: sent, held and printed through the services, at any time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

import flask
from flask import Flask
from sqlalchemy import update

from app import clock
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account
from app.money import MICRO
from app.people.models import User
from app.printing import asking, charging, documents, printers
from app.printing.models import Printer, PrintJob
from app.printing.releases import Actor
from app.settings import settings_of_app

ADMIN = "Ada Min (admin)"
P = ParamSpec("P")
R = TypeVar("R")


def within(work: Callable[P, R]) -> Callable[P, R]:
    """Run a method of Queues in the application's context, one of its own where there is none.

    A browser of a test must not ask within one: Flask would take it for the request's own, and mix up who is signed in.
    """

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if flask.has_app_context():
            return work(*args, **kwargs)
        with args[0].app.app_context():  # type: ignore[attr-defined]
            return work(*args, **kwargs)

    return run


@dataclass
class Queues:
    """What happens at printers, in few words."""

    app: Flask
    users: dict[str, int]
    now: datetime = field(default_factory=clock.now)
    jobs: int = 0

    @within
    def credit(self, name: str, units: int) -> None:
        """Give somebody so many units."""
        self.jobs += 1
        account_id, key = self.account(name).id, f"test:{self.jobs}"
        writing(
            lambda session: ledger.post(
                session,
                account_id=account_id,
                amount=units * MICRO,
                source="adjustment",
                key=key,
                now=self.now,
                title="Start",
            )
        )

    @within
    def role(self, name: str, role: str) -> None:
        """Make somebody a helper, say."""
        writing(lambda session: session.execute(update(User).where(User.username == name).values(role=role)))

    @within
    def printer(self, name: str = "Library", *, release: bool = True, minutes: int = 60, server: str = "cups1") -> None:
        """A printer whose jobs wait, say."""

        def make(session: object) -> None:
            made: Printer = printers.get_printer(session, server=server, name=name, now=self.now)  # type: ignore[arg-type]
            made.release, made.release_minutes = release, minutes

        writing(make)

    @within
    def send(
        self,
        name: str = "alice",
        *,
        pages: int | None = 3,
        printer: str = "Library",
        title: str = "Essay.pdf",
        ago: timedelta = timedelta(),
        server: str = "cups1",
        uuid: str = "",
    ) -> int:
        """A document is sent, or the print server asks again (`uuid`); return the job's id."""
        self.jobs += 1
        document = documents.Document((documents.Run(pages, False, "a4"),)) if pages else None
        seen = asking.JobSeen(
            server, printer, name, 100 + self.jobs, uuid or f"uuid-{self.jobs}", title, pages, document, doubt=""
        )
        settings, user_id, at = settings_of_app(), self.users.get(name), self.now - ago
        return writing(lambda session: asking.ask(session, seen=seen, user_id=user_id, settings=settings, now=at).job)

    @within
    def print(self, name: str = "alice", *, pages: int = 3, printed: int | None = None, **more: object) -> int:
        """A document is sent and comes out; return the job's id."""
        more.setdefault("printer", "Free for all")
        job_id = self.send(name, pages=pages, **more)  # type: ignore[arg-type]
        count, job = pages if printed is None else printed, self.job(job_id)
        at = job.created_at
        writing(lambda session: charging.capture(session, job_id=job_id, run=job.run, pages=count, now=at))
        return job_id

    @within
    def again(self, job_id: int) -> PrintJob:
        """The print server asks again about a job."""
        job = self.job(job_id)
        self.send(job.username, pages=job.pages_counted, printer=job.printer, title=job.title, uuid=job.job_uuid)
        return self.job(job_id)

    @within
    def job(self, job_id: int) -> PrintJob:
        """A job as the database has it now."""
        reading().rollback()
        return reading().get_one(PrintJob, job_id, populate_existing=True)

    @within
    def account(self, name: str) -> Account:
        """Somebody's purse as the database has it now."""
        reading().rollback()
        account = accounts.get_account(reading(), user_id=self.users[name])
        reading().refresh(account)
        return account

    def actor(self, name: str, role: str = "") -> Actor:
        """Somebody who asks for something."""
        return Actor(self.users[name], role, f"{name.title()} ({name})")


def begin(app: Flask, known: Callable[..., dict[str, int]]) -> Queues:
    """Make the cast known to an instance, alice and bob with ten units each."""
    queues = Queues(app, known(clock.now() - timedelta(days=40)))
    queues.credit("alice", 10)
    queues.credit("bob", 10)
    return queues
