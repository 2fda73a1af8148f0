"""Verbs of schedules: keep them, find what is due, and say what comes next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session

from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.ledger import rules as ledger_rules
from app.ledger.models import Account
from app.people import service as people
from app.people.models import Membership
from app.schedules import rules
from app.schedules.models import Run, RunGroup, Schedule, ScheduleGroup


@dataclass(frozen=True)
class Terms:
    """What an administrator says of a schedule. Amounts in millionths; `weekdays`: Monday is 0."""

    name: str
    everyone: bool
    groups: tuple[str, ...]
    amount: int
    top_up: str
    cap: int | None
    period: str
    weekdays: tuple[int, ...]
    month_day: int | None
    time_of_day: str
    time_zone: str
    starts_on: date | None = None
    ends_on: date | None = None
    catch_up: str = "last"


@dataclass(frozen=True)
class Preview:
    """What a run would do now: how many people, how many get something, millionths in all, and who is at the cap."""

    people: int
    credited: int
    total: int


@dataclass(frozen=True)
class NextCredit:
    """The next credit that a user can expect, in millionths, and the schedule's name."""

    at: datetime
    amount: int
    schedule: str


def create(session: Session, *, terms: Terms, now: datetime) -> Schedule:
    """Keep a new schedule; it counts from now on. Raises InvalidInputError with every field that is wrong."""
    _check(terms)
    schedule = Schedule(created_at=now, groups=[])
    _apply(session, schedule, terms, now)
    session.add(schedule)
    session.flush()
    return schedule


def edit(session: Session, *, schedule_id: int, version: int, terms: Terms, now: datetime) -> Schedule:
    """Change a schedule from now on; runs that exist keep their terms.

    Raises InvalidInputError, NotFoundError, WrongStateError when somebody else changed it since `version` was shown.
    """
    _check(terms)
    schedule = get(session, schedule_id=schedule_id)
    if schedule.version != version:
        raise WrongStateError("Somebody else has changed this schedule meanwhile. Look at it again before you save.")
    _apply(session, schedule, terms, now)
    session.flush()
    return schedule


def pause(session: Session, *, schedule_id: int, now: datetime) -> Schedule:
    """Stop making runs until `resume`. Doing it again changes nothing."""
    schedule = get(session, schedule_id=schedule_id)
    schedule.paused_at = schedule.paused_at or now
    return schedule


def resume(session: Session, *, schedule_id: int, now: datetime) -> Schedule:
    """Make runs again from now on; what fell due in the pause is passed over."""
    schedule = get(session, schedule_id=schedule_id)
    if schedule.paused_at is not None:
        schedule.paused_at = None
        schedule.settled_until = now
    return schedule


def delete(session: Session, *, schedule_id: int, now: datetime) -> None:
    """Take a schedule out of use. Its runs and what they credited stay in the books."""
    get(session, schedule_id=schedule_id).deleted_at = now


def get(session: Session, *, schedule_id: int) -> Schedule:
    """Return a schedule that was not deleted. Raises NotFoundError."""
    schedule = session.get(Schedule, schedule_id)
    if schedule is None or schedule.deleted_at is not None:
        raise NotFoundError("There is no such schedule.", schedule_id=schedule_id)
    return schedule


def list_all(session: Session) -> list[Schedule]:
    """Return every schedule that was not deleted, by name."""
    return list(session.scalars(select(Schedule).where(Schedule.deleted_at.is_(None)).order_by(Schedule.name)))


def list_runs(session: Session, *, schedule_id: int, limit: int = 12) -> list[Run]:
    """Return the schedule's last runs, newest first."""
    return list(
        session.scalars(
            select(Run).where(Run.schedule_id == schedule_id).order_by(Run.due_at.desc(), Run.id.desc()).limit(limit)
        )
    )


def recurrence(schedule: Schedule | Terms) -> rules.Recurrence:
    """Return the "when" of a schedule."""
    weekdays = schedule.weekdays
    return rules.Recurrence(
        period=schedule.period,
        time_of_day=time.fromisoformat(schedule.time_of_day),
        zone=ZoneInfo(schedule.time_zone),
        weekdays=tuple(int(day) for day in weekdays),
        month_day=schedule.month_day or 1,
        starts_on=schedule.starts_on,
        ends_on=schedule.ends_on,
    )


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether `plan_due` would find something; reads only."""
    return any(
        rules.missed(recurrence(schedule), after=schedule.settled_until, now=now) for schedule in _working(session)
    )


def plan_due(session: Session, *, now: datetime) -> list[int]:
    """Make the runs that fell due by `now` and return their ids. Two callers make each run once: UNIQUE decides."""
    made = []
    for schedule in _working(session):
        overdue = rules.missed(recurrence(schedule), after=schedule.settled_until, now=now)
        if overdue:
            schedule.settled_until = now
            for occurrence in rules.to_run(overdue, catch_up=schedule.catch_up, now=now):
                made += _make_run(session, schedule, occurrence, now)
    session.flush()
    return made


def preview(session: Session, *, terms: Terms) -> Preview:
    """Say what one run would do with today's balances; nothing is changed."""
    known = [people.find_group(session, name=name) for name in terms.groups]
    chosen = accounts_of(everyone=terms.everyone, group_ids=[group.id for group in known if group is not None])
    count, credited, total = 0, 0, 0
    for balance in session.scalars(select(Account.balance).where(Account.id.in_(chosen))):
        moved = ledger_rules.credit(balance=balance, amount=terms.amount, top_up=terms.top_up, cap=terms.cap)
        count, credited, total = count + 1, credited + bool(moved), total + moved
    return Preview(count, credited, total)


def next_credit(session: Session, *, user_id: int, balance: int, now: datetime) -> NextCredit | None:
    """Return the soonest credit of all schedules that reach the user; None when there is none.

    Its amount is what it would be with today's `balance` (millionths).
    """
    groups = select(Membership.group_id).where(Membership.user_id == user_id)
    reaches = exists().where(ScheduleGroup.schedule_id == Schedule.id, ScheduleGroup.group_id.in_(groups))
    found = []
    for schedule in session.scalars(_working_query().where(or_(Schedule.everyone, reaches))):
        upcoming = rules.next_occurrences(recurrence(schedule), after=now, count=1)
        amount = ledger_rules.credit(balance=balance, amount=schedule.amount, top_up=schedule.top_up, cap=schedule.cap)
        found += [NextCredit(occurrence.due_at, amount, schedule.name) for occurrence in upcoming]
    return min(found, key=lambda credit: credit.at, default=None)


def accounts_of(*, everyone: bool, group_ids: Sequence[int]) -> Select[int]:
    """Return a query for the ids of the users' accounts that a schedule reaches."""
    query = select(Account.id).where(Account.user_id.is_not(None))
    if not everyone:
        query = query.where(Account.user_id.in_(select(Membership.user_id).where(Membership.group_id.in_(group_ids))))
    return query


def _working_query() -> Select[Schedule]:
    return select(Schedule).where(Schedule.deleted_at.is_(None), Schedule.paused_at.is_(None)).order_by(Schedule.id)


def _working(session: Session) -> list[Schedule]:
    return list(session.scalars(_working_query()))


def _make_run(session: Session, schedule: Schedule, occurrence: rules.Occurrence, now: datetime) -> list[int]:
    twin = select(Run.id).where(Run.schedule_id == schedule.id, Run.occurrence == occurrence.identity)
    if session.scalar(twin) is not None:
        return []
    run = Run(
        schedule_id=schedule.id,
        occurrence=occurrence.identity,
        due_at=occurrence.due_at,
        title=schedule.name,
        amount=schedule.amount,
        top_up=schedule.top_up,
        cap=schedule.cap,
        everyone=schedule.everyone,
        created_at=now,
    )
    session.add(run)
    session.flush()
    session.add_all(RunGroup(run_id=run.id, group_id=group.id) for group in schedule.groups)
    return [run.id]


def _apply(session: Session, schedule: Schedule, terms: Terms, now: datetime) -> None:
    schedule.name = terms.name.strip()
    schedule.everyone = terms.everyone
    schedule.groups = [] if terms.everyone else [people.group_named(session, name=name) for name in terms.groups]
    schedule.amount = terms.amount
    schedule.top_up = terms.top_up
    schedule.cap = terms.cap if terms.top_up == "cap" else None
    schedule.period = terms.period
    schedule.weekdays = "".join(str(day) for day in sorted(set(terms.weekdays))) if terms.period == "weekly" else ""
    schedule.month_day = terms.month_day if terms.period == "monthly" else None
    schedule.time_of_day = terms.time_of_day
    schedule.time_zone = terms.time_zone
    schedule.starts_on = terms.starts_on
    schedule.ends_on = terms.ends_on
    schedule.catch_up = terms.catch_up
    schedule.settled_until = now
    schedule.updated_at = now
    schedule.version = (schedule.version or 0) + 1


def check(terms: Terms) -> dict[str, str]:
    """Return field -> what is wrong with it, for every field; empty when all is well."""
    problems = {}
    if not terms.name.strip() or len(terms.name) > 80:
        problems["name"] = "Give the schedule a name of at most 80 characters"
    if not terms.everyone and not terms.groups:
        problems["groups"] = "Choose at least one group, or everyone"
    if terms.amount <= 0 and terms.top_up != "reset":
        problems["amount"] = "The amount must be more than 0"
    if terms.amount < 0:
        problems["amount"] = "The amount must not be negative"
    if terms.top_up == "cap" and (terms.cap is None or terms.cap <= 0):
        problems["cap"] = "Say up to which balance it tops up"
    if terms.period == "weekly" and not terms.weekdays:
        problems["weekdays"] = "Choose at least one day of the week"
    if terms.period == "monthly" and not 1 <= (terms.month_day or 0) <= 31:
        problems["month_day"] = "Choose a day from 1 to 31"
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", terms.time_of_day):
        problems["time_of_day"] = "Write the time as 07:00"
    if terms.time_zone not in available_timezones():
        problems["time_zone"] = "Choose a time zone such as Europe/Berlin"
    if terms.starts_on and terms.ends_on and terms.ends_on < terms.starts_on:
        problems["ends_on"] = "The last day must be on or after the first day"
    for field, allowed in _CHOICES.items():
        if getattr(terms, field) not in allowed:
            problems[field] = "Choose one of the list"
    return problems


_CHOICES = {
    "top_up": ("add", "cap", "reset"),
    "period": ("daily", "weekly", "monthly"),
    "catch_up": ("all", "last", "none"),
}


def _check(terms: Terms) -> None:
    problems = check(terms)
    if problems:
        raise InvalidInputError("Some fields need correcting.", fields=problems)
