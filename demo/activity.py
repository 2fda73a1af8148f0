"""A month of plausible activity, made by the same services that real charges go through."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from itertools import takewhile

from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.internet import booking as internet
from app.internet import rates
from app.ledger import accounts
from app.ledger import service as ledger
from app.money import MICRO
from app.people.credentials import identify
from app.people.models import User
from app.printing import asking, charging
from app.schedules import rules as schedule_rules
from app.schedules import runs
from app.schedules import service as schedules
from app.schedules.models import Schedule
from app.schedules.rules import Occurrence
from app.schedules.terms import Terms
from app.settings import Settings, settings_of_app
from demo.people import PEOPLE

PAGES = (1, 2, 2, 3, 4, 6, 8, 12)
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
    """What happened: `user` printed `amount` pages or used `amount` bytes; without a user, a credit fell due."""

    at: datetime
    user: User | None = None
    amount: int = 0


def fill(*, now: datetime | None = None) -> None:
    """Make the demo's people known to the present instance, give it its schedule, and a month of charges and more.

    It begins with the month before the present one, so that a monthly credit lies behind everything.
    """
    settings, now = settings_of_app(), now or clock.now()
    begin = _month_before(now.astimezone(settings.zone))
    users = {person.username: identify(person.username) for person in PEOPLE}
    schedule = writing(lambda session: schedules.create(session, terms=_terms(settings), now=begin))
    for name in ("carol", "alice", "bob")[: 1 if settings.charges_internet else 3]:
        _give(users[name], 12 if name == "carol" else 1, begin)
    credits = takewhile(lambda moment: moment < now, (found.due_at for found in _occurrences(schedule, begin)))
    charges = _charges(settings, [users[name] for name in ("alice", "bob", "carol")], begin, now)
    numbers = itertools.count(1)
    for event in sorted([*charges, *(Event(moment) for moment in credits)], key=lambda event: event.at):
        if event.user is None:
            _credit_due(event.at)
        elif settings.charges_print:
            _print(settings, event, event.user, next(numbers))
        else:
            _browse(settings, event, event.user)


def _month_before(local: datetime) -> datetime:
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1, tzinfo=local.tzinfo)


def _occurrences(schedule: Schedule, begin: datetime) -> Iterator[Occurrence]:
    return schedule_rules.occurrences(schedules.recurrence(schedule), after=begin)


def _give(user: User, units: int, now: datetime) -> None:
    account = accounts.get_account(reading(), user_id=user.id)
    writing(
        lambda session: ledger.post(
            session,
            account_id=account.id,
            amount=units * MICRO,
            source="adjustment",
            key=f"demo:{user.username}",
            now=now,
            title="Start of term",
            detail="by Ada Whitfield",
        )
    )


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


def _charges(settings: Settings, users: list[User], begin: datetime, now: datetime) -> Iterator[Event]:
    """Yield a few prints on school days, or browsing every day. The same at every start on the same day."""
    chance = random.Random(20121114)
    for day in range((now - begin).days + 1):
        date = (begin + timedelta(days=day)).astimezone(settings.zone).date()
        for user in users:
            school = date.weekday() < 5
            for _ in range(chance.choice((0, 1, 1, 2)) if school else chance.choice((0, 0, 1))):
                moment = time(chance.randrange(8, 17), chance.randrange(60), chance.randrange(60))
                at = datetime.combine(date, moment, settings.zone)
                pages, size_bytes = chance.choice(PAGES), chance.randrange(4_000_000, 70_000_000)
                if begin < at < now:
                    yield Event(at, user, pages if settings.charges_print else size_bytes)


def _credit_due(now: datetime) -> None:
    for run_id in writing(partial(schedules.plan_due, now=now)):
        while writing(partial(runs.credit_chunk, run_id=run_id, now=now)):
            pass


def _print(settings: Settings, event: Event, user: User, number: int) -> None:
    chance = random.Random(number)
    seen = asking.JobSeen(
        server="printserver1",
        printer=chance.choice(PRINTERS),
        user=user.username,
        job_id=number,
        job_uuid=f"urn:uuid:demo-{number}",
        title=chance.choice(TITLES),
        pages=event.amount,
    )

    def go(session: Session) -> None:
        answer = asking.ask(session, seen=seen, user_id=user.id, settings=settings, now=event.at)
        if answer.decision == "print":
            charging.capture(session, job_id=answer.job, run=answer.run, pages=event.amount, now=event.at)

    writing(go)


def _browse(settings: Settings, event: Event, user: User) -> None:
    if accounts.get_account(reading(), user_id=user.id).balance <= 0:
        return  # the proxy would have refused
    item = internet.UsageItem(user.username, user.id, event.amount, event.amount // 60_000, event.at)
    plan = rates.load(reading(), settings)
    place = internet.place(reading(), source="proxy1").batch
    writing(
        lambda session: internet.book(
            session,
            source="proxy1",
            batch=place + 1,
            position={},
            usage=internet.usage_of([item]),
            plan=plan,
            now=event.at,
        )
    )
