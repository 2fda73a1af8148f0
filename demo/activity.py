"""A month of plausible activity, made by the same services that real charges go through."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial

from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.internet import service as internet
from app.ledger import service as ledger
from app.money import MICRO
from app.people.credentials import identify
from app.people.models import User
from app.printing import service as printing
from app.schedules import runs
from app.schedules import service as schedules
from app.schedules.terms import Terms
from app.settings import Settings, settings_of_app
from demo.people import PEOPLE

DAYS = 32
TITLES = (
    "Biology lab report.pdf",
    "History essay, draft 2.docx",
    "Maths worksheet 9.pdf",
    "Timetable.pdf",
    "Art portfolio.pdf",
    "Chemistry notes.odt",
    "Seminar handout.pdf",
    "Application letter.docx",
)
PRINTERS = ("Library 1", "Hall 2", "Room 212")


@dataclass(frozen=True)
class Event:
    """Something that happened: `user` printed `amount` pages, or used `amount` bytes."""

    at: datetime
    user: User
    amount: int


def fill(*, now: datetime | None = None) -> None:
    """Make the demo's people known to the present instance, give it its schedule, and a month of charges."""
    settings, now = settings_of_app(), now or clock.now()
    users = {person.username: identify(person.username) for person in PEOPLE}
    begin = now - timedelta(days=DAYS)
    writing(lambda session: schedules.create(session, terms=_terms(settings), now=begin))
    account = ledger.get_account(reading(), user_id=users["carol"].id)
    writing(
        lambda session: ledger.post(
            session,
            account_id=account.id,
            amount=12 * MICRO,
            source="adjustment",
            key="demo:carol",
            now=begin,
            title="Start of term",
            detail="by Ada Whitfield",
        )
    )
    numbers = itertools.count(1)
    students = [users["alice"], users["bob"], users["carol"]]
    for event in _days(settings, students, begin, now):
        _credit_due(event.at)
        if settings.charges_print:
            _print(settings, event, next(numbers))
        else:
            _browse(settings, event, next(numbers))
    _credit_due(now)


def _terms(settings: Settings) -> Terms:
    weekly = settings.charges_print
    return Terms(
        name="Weekly print money" if weekly else "Monthly Internet money",
        everyone=False,
        groups=("Students",),
        amount=(2 if weekly else 10) * MICRO,
        top_up="add",
        cap=None,
        period="weekly" if weekly else "monthly",
        weekdays=(0,) if weekly else (),
        month_day=None if weekly else 1,
        time_of_day="07:00" if weekly else "00:05",
        time_zone=settings.config.time_zone,
    )


def _days(settings: Settings, users: list[User], begin: datetime, now: datetime) -> Iterator[Event]:
    """Yield events in order: a few prints on school days, or browsing every day. The same at every start."""
    chance = random.Random(20121114)
    events = []
    for day in range(DAYS + 1):
        date = (begin + timedelta(days=day)).astimezone(settings.zone).date()
        for user in users:
            school = date.weekday() < 5
            for _ in range(chance.choice((0, 1, 1, 2)) if school else chance.choice((0, 0, 1))):
                hour, minute = chance.randrange(8, 17), chance.randrange(60)
                at = datetime.combine(date, time(hour, minute, chance.randrange(60)), settings.zone)
                pages, size = chance.choice((1, 2, 2, 3, 4, 5, 8)), chance.randrange(2_000_000, 42_000_000)
                if begin < at < now:
                    events.append(Event(at, user, pages if settings.charges_print else size))
    return iter(sorted(events, key=lambda event: event.at))


def _credit_due(now: datetime) -> None:
    for run_id in writing(partial(schedules.plan_due, now=now)):
        while writing(partial(runs.credit_chunk, run_id=run_id, now=now)):
            pass


def _print(settings: Settings, event: Event, number: int) -> None:
    chance = random.Random(number)
    seen = printing.JobSeen(
        server="demo",
        printer=chance.choice(PRINTERS),
        user=event.user.username,
        job_id=number,
        job_uuid=f"urn:uuid:demo-{number}",
        title=chance.choice(TITLES),
        pages=event.amount,
    )
    terms = printing.Terms(settings.config.print.price_per_page, settings.unit, settings.enforces)

    def go(session: Session) -> None:
        answer = printing.ask(session, seen=seen, user_id=event.user.id, terms=terms, now=event.at)
        if answer.decision == "print":
            printing.capture(session, job_id=answer.job, run=answer.run, pages=event.amount, now=event.at)

    writing(go)


def _browse(settings: Settings, event: Event, number: int) -> None:
    item = internet.UsageItem(event.user.username, event.user.id, event.amount, event.amount // 60_000, event.at)
    writing(
        lambda session: internet.book(
            session,
            source="demo",
            batch=number,
            position={},
            items=[item],
            price_per_mb=settings.config.internet.price_per_mb,
            now=event.at,
        )
    )
