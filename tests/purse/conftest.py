"""Alice's purse with some weeks of life in it, made through the services with past times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.db import reading, writing
from app.internet import booking as internet
from app.internet import rates
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Entry
from app.money import MICRO
from app.printing import asking, charging
from app.schedules import service as schedules
from app.settings import settings_of_app


@dataclass
class Life:
    """What happens to purses, in few words. Call it within the application's context."""

    users: dict[str, int]
    now: datetime = field(default_factory=clock.now)
    jobs: int = 0
    batches: int = 0

    def account_id(self, name: str = "alice") -> int:
        """The account of one of the cast."""
        return accounts.get_account(reading(), user_id=self.users[name]).id

    def post(self, units: float, name: str = "alice", *, ago: timedelta = timedelta(), **more: Any) -> Entry:
        """Book so many units; an adjustment unless told otherwise."""
        self.jobs += 1
        given = {"source": "adjustment", "title": "Start", "key": f"test:{self.jobs}"} | more
        at, account_id = self.now - ago, self.account_id(name)
        return writing(
            lambda session: ledger.post(session, account_id=account_id, amount=round(units * MICRO), now=at, **given)
        )

    def ask(self, pages: int | None, name: str = "alice", *, title: str = "Essay.pdf", **more: Any) -> asking.Answer:
        """A document is sent to a printer."""
        self.jobs += 1
        settings, at = settings_of_app(), self.now - more.get("ago", timedelta())
        seen = asking.JobSeen("cups1", "Library 1", name, 58000 + self.jobs, f"uuid-{self.jobs}", title, pages)
        user_id = self.users[name]
        return writing(lambda session: asking.ask(session, seen=seen, user_id=user_id, settings=settings, now=at))

    def print(self, pages: int, printed: int | None = None, name: str = "alice", **more: Any) -> asking.Answer:
        """A document is sent and comes out, with `printed` pages if not all."""
        answer, at = self.ask(pages, name, **more), self.now - more.get("ago", timedelta())
        count = pages if printed is None else printed
        writing(lambda session: charging.capture(session, job_id=answer.job, run=answer.run, pages=count, now=at))
        return answer

    def surf(self, size_bytes: int, name: str = "alice", *, ago: timedelta = timedelta()) -> None:
        """A proxy reports what somebody used."""
        self.batches += 1
        at, batch = self.now - ago, self.batches
        usage = internet.usage_of([internet.UsageItem(name, self.users[name], size_bytes, 3, at)])
        plan = rates.load(reading(), settings_of_app())
        writing(
            lambda session: internet.book(
                session, source="proxy1", batch=batch, position={}, usage=usage, plan=plan, now=at
            )
        )

    def schedule(self, **more: Any) -> None:
        """A schedule begins; every Monday at 07:00 two units up to ten for everyone unless told otherwise."""
        given = {
            "name": "Weekly money",
            "everyone": True,
            "groups": (),
            "amount": 2 * MICRO,
            "top_up": "cap",
            "cap": 10 * MICRO,
            "period": "weekly",
            "weekdays": (0,),
            "month_day": None,
            "time_of_day": "07:00",
            "time_zone": "Europe/Berlin",
        } | more
        writing(lambda session: schedules.create(session, terms=schedules.Terms(**given), now=self.now))


@pytest.fixture
def life(known: Callable[..., dict[str, int]]) -> Callable[[Flask], Life]:
    """A function that makes the cast known to an instance and returns their Life."""

    def begin(app: Flask, **more: Any) -> Life:
        with app.app_context():
            return Life(known(clock.now() - timedelta(days=40)), **more)

    return begin
