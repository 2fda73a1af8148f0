"""An instance with many people and one run that is due, on each database, with the queue in memory or in Redis."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.jobs import ticker, worker
from app.jobs.models import Lease
from app.jobs.queue import Jobs
from app.ledger.models import Account, Entry, Verification
from app.ledger.verify import verify
from app.money import MICRO
from app.people.models import User
from app.schedules import service as schedules
from app.schedules.models import Run, Schedule
from tests.servers.redis_server import RedisServer

MAIN = [sys.executable, "-c", "from app.cli import main; main()"]
ROOT = Path(__file__).resolve().parents[2]
LATER = timedelta(minutes=1)
"""Past every lease, and past the silence after which a run is given to another worker."""


class Crowd:
    """An instance whose `people` all wait for one credit of 2.00."""

    def __init__(self, app: Flask, people: int) -> None:
        self.app = app
        self.people = people
        self.folder: Path = app.extensions["twinpurse.settings"].folder
        self.jobs: Jobs = app.extensions["twinpurse.jobs"]
        with app.app_context():
            add_people(people)
            add_schedule()

    def tick(self, holder: str = "test", after: timedelta = timedelta()) -> list[int]:
        """Do one round of the ticker, `after` from now; return the runs that were asked for."""
        return ticker.tick(self.app, holder=holder, now=clock.now() + after)

    def work(self) -> None:
        """Work off the queue in this process."""
        worker.work(self.app, burst=True, worker_class=worker.ThreadWorker)

    def run(self) -> Run | None:
        """The only run, None before it is planned."""
        with self.app.app_context():
            return reading().scalars(select(Run)).one_or_none()

    def progress(self) -> tuple[str, int]:
        """(state, people dealt with) of the only run."""
        run = self.run()
        return (run.state, run.considered) if run else ("", 0)

    def long_silence(self) -> None:
        """Let whoever held the lease or worked on the run be silent for so long that others take over."""

        def forget(session: Session) -> None:
            session.execute(delete(Lease).where(Lease.name == ticker.LEASE))
            session.execute(update(Run).values(heartbeat_at=None))

        with self.app.app_context():
            writing(forget)

    def verifications(self) -> int:
        """How many verifications were kept."""
        with self.app.app_context():
            return reading().scalar(select(func.count(Verification.id))) or 0

    def check_everybody_got_it_once(self) -> None:
        """The run is done, everybody has 2.00 by one entry, and the books have no difference."""
        assert self.progress() == ("done", self.people)
        with self.app.app_context():
            session = reading()
            assert session.scalar(select(func.count(Entry.id))) == self.people
            assert session.scalar(select(func.count(func.distinct(Entry.account_id)))) == self.people
            assert set(session.scalars(select(Account.balance).distinct())) == {2 * MICRO}
            assert verify(session).differences == []


def add_people(count: int) -> None:
    """Make so many users with empty purses, as quickly as the database takes them."""
    now = clock.now()
    rows = [
        {
            "directory_id": f"d{number}",
            "username": f"user{number}",
            "display_name": "",
            "email": "",
            "created_at": now,
            "refreshed_at": now,
        }
        for number in range(count)
    ]
    columns = ["kind", "name", "user_id", "balance", "reserved", "floor", "sequence", "created_at"]
    zero = literal(0)
    purses = select(literal("user"), User.username, User.id, zero, zero, zero, zero, User.created_at)
    writing(lambda session: session.execute(insert(User.__table__), rows))
    writing(lambda session: session.execute(insert(Account).from_select(columns, purses)))


def add_schedule() -> None:
    """Make a daily schedule for everyone whose last occurrence has not been run."""
    terms = schedules.Terms(
        name="Daily",
        everyone=True,
        groups=(),
        amount=2 * MICRO,
        top_up="add",
        cap=None,
        period="daily",
        weekdays=(),
        month_day=None,
        time_of_day="07:00",
        time_zone="Europe/Berlin",
        catch_up="all",
    )
    writing(lambda session: schedules.create(session, terms=terms, now=clock.now()))
    before = last_seven() - timedelta(seconds=1)
    writing(lambda session: session.execute(update(Schedule).values(settled_until=before)))


def last_seven() -> datetime:
    """The last 07:00 in Berlin; the clocks there change in March and October only, at night."""
    recurrence = schedules.recurrence(reading().scalars(select(Schedule)).one())
    now = clock.now()
    found = schedules.rules.missed(recurrence, after=now - timedelta(days=2), now=now)
    return found[-1].due_at


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis for the whole session."""
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    """Run the test twice: with the queue in memory, and in a real Redis that is empty."""
    if request.param == "memory":
        return ""
    server: RedisServer = request.getfixturevalue("redis_server")
    Jobs("any", server.url).connection.flushall()
    return server.url


@pytest.fixture
def make_crowd(make_instance: Callable[..., Flask]) -> Callable[..., Crowd]:
    """A function that makes a Crowd: make_crowd(people=50, redis_url=..., database_url=...)."""

    def make(people: int = 50, **plan: object) -> Crowd:
        return Crowd(make_instance(**plan), people)

    return make
