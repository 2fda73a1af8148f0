"""Verbs of schedules: keep them, find what is due, and say what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session

from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.ledger import rules as ledger_rules
from app.ledger.models import Account
from app.people import service as people
from app.people.models import Membership
from app.schedules import rules
from app.schedules.models import Run, RunGroup, Schedule, ScheduleGroup
from app.schedules.terms import Terms, check, distinct_names


@dataclass(frozen=True)
class Preview:
    """What a run would do now. `total`, `taken` in millionths; with "reset" a purse may also lose what it has.

    `people` are reached, `credited` of them gain or lose something, `lowered` of these lose, `taken` (>= 0) in all.
    `empty` are the named groups that nobody is in: nobody has signed in from them yet, or the name is wrong.
    """

    people: int
    credited: int
    total: int
    lowered: int = 0
    taken: int = 0
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class NextCredit:
    """The next credit that a user can expect, in millionths, and the schedule's name."""

    at: datetime
    amount: int
    schedule: str


def create(session: Session, *, terms: Terms, now: datetime, form_id: str | None = None) -> Schedule:
    """Keep a new schedule; it counts from now on. Raises InvalidInputError with every field that is wrong.

    `form_id` is what the form carried: sending it twice makes one schedule and returns the first.
    """
    known = session.scalar(select(Schedule).where(Schedule.form_id == form_id)) if form_id else None
    if known is not None:
        return known
    _check(terms)
    schedule = Schedule(created_at=now, groups=[], form_id=form_id)
    _apply(session, schedule, terms, now)
    session.add(schedule)
    session.flush()
    return schedule


def edit(session: Session, *, schedule_id: int, version: int, terms: Terms, now: datetime) -> Schedule:
    """Change a schedule from now on. What has fallen due by `now` is run on the old terms, as are runs that exist.

    Raises InvalidInputError, NotFoundError, WrongStateError when somebody else changed it since `version` was shown.
    """
    _check(terms)
    schedule = _get_to_change(session, schedule_id)
    if schedule.version != version:
        raise WrongStateError("Somebody else has changed this schedule meanwhile. Look at it again before you save.")
    _plan(session, schedule, now)
    _apply(session, schedule, terms, now)
    session.flush()
    return schedule


def pause(session: Session, *, schedule_id: int, now: datetime) -> Schedule:
    """Stop making runs until `resume`; what has fallen due by `now` is still run. Doing it again changes nothing."""
    schedule = _get_to_change(session, schedule_id)
    _plan(session, schedule, now)
    schedule.paused_at = schedule.paused_at or now
    return schedule


def resume(session: Session, *, schedule_id: int, now: datetime) -> Schedule:
    """Make runs again from now on; what fell due in the pause is passed over."""
    schedule = _get_to_change(session, schedule_id)
    if schedule.paused_at is not None:
        schedule.paused_at = None
        schedule.settled_until = now
    return schedule


def delete(session: Session, *, schedule_id: int, now: datetime) -> None:
    """Take a schedule out of use. Its runs, those that have fallen due by `now` too, stay in the books."""
    schedule = _get_to_change(session, schedule_id)
    _plan(session, schedule, now)
    schedule.deleted_at = now


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


def last_runs(session: Session) -> dict[int, Run]:
    """Return the newest run of every schedule that has one, by the schedule's id."""
    newest = func.row_number().over(partition_by=Run.schedule_id, order_by=(Run.due_at.desc(), Run.id.desc()))
    ranked = select(Run.id, newest.label("place")).subquery()
    query = select(Run).join(ranked, ranked.c.id == Run.id).where(ranked.c.place == 1)
    return {run.schedule_id: run for run in session.scalars(query)}


def sum_runs(session: Session, *, schedule_id: int) -> tuple[int, int]:
    """Return how many runs a schedule has had, and what they credited in all, in millionths."""
    query = select(func.count(), func.coalesce(func.sum(Run.total), 0)).where(Run.schedule_id == schedule_id)
    count, total = session.execute(query).one()
    return int(count), int(total)


def count_people(session: Session) -> int:
    """Return how many people "everyone" is now."""
    return session.scalar(select(func.count()).select_from(accounts_of(everyone=True, group_ids=()).subquery())) or 0


def count_reached(session: Session, *, run: Run) -> int:
    """Return how many people a run reaches as groups are now, for its progress."""
    group_ids = session.scalars(select(RunGroup.group_id).where(RunGroup.run_id == run.id)).all()
    chosen = accounts_of(everyone=run.everyone, group_ids=group_ids).subquery()
    return session.scalar(select(func.count()).select_from(chosen)) or 0


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
        rules.missed(recurrence(schedule), after=schedule.settled_until, now=now)
        for schedule in session.scalars(_working_query())
    )


def plan_due(session: Session, *, now: datetime) -> list[int]:
    """Make the runs that fell due by `now` and return their ids. Two callers make each run once: UNIQUE decides."""
    made = []
    for schedule in session.scalars(_working_query().with_for_update()).all():
        made += _plan(session, schedule, now)
    session.flush()
    return made


def preview(session: Session, *, terms: Terms) -> Preview:
    """Say what one run would do with today's balances; nothing is changed."""
    groups = {name: people.find_group(session, name=name) for name in distinct_names(terms.groups)}
    chosen = accounts_of(everyone=terms.everyone, group_ids=[group.id for group in groups.values() if group])
    count, credited, total, lowered, taken = 0, 0, 0, 0, 0
    for balance in session.scalars(select(Account.balance).where(Account.id.in_(chosen))):
        moved = ledger_rules.credit(balance=balance, amount=terms.amount, top_up=terms.top_up, cap=terms.cap)
        count, credited, total = count + 1, credited + bool(moved), total + moved
        lowered, taken = lowered + (moved < 0), taken - min(0, moved)
    peopled = set(session.scalars(select(Membership.group_id).distinct()))
    empty = tuple(name for name, group in groups.items() if group is None or group.id not in peopled)
    return Preview(count, credited, total, lowered, taken, () if terms.everyone else empty)


def next_credit(session: Session, *, user_id: int, balance: int, now: datetime) -> NextCredit | None:
    """Return the soonest credit of all schedules that reach the user; None when there is none.

    Its amount is what it would be with today's `balance` (millionths).
    """
    found = []
    for schedule in reaching(session, user_id=user_id):
        upcoming = rules.next_occurrences(recurrence(schedule), after=now, count=1)
        amount = ledger_rules.credit(balance=balance, amount=schedule.amount, top_up=schedule.top_up, cap=schedule.cap)
        found += [NextCredit(occurrence.due_at, amount, schedule.name) for occurrence in upcoming]
    return min(found, key=lambda credit: credit.at, default=None)


def reaching(session: Session, *, user_id: int) -> list[Schedule]:
    """Return the schedules at work that credit this user: everyone's, and those of the user's groups."""
    groups = select(Membership.group_id).where(Membership.user_id == user_id)
    reaches = exists().where(ScheduleGroup.schedule_id == Schedule.id, ScheduleGroup.group_id.in_(groups))
    return list(session.scalars(_working_query().where(or_(Schedule.everyone, reaches))))


def accounts_of(*, everyone: bool, group_ids: Sequence[int]) -> Select[int]:
    """Return a query for the ids of the users' accounts that a schedule reaches."""
    query = select(Account.id).where(Account.user_id.is_not(None))
    if not everyone:
        query = query.where(Account.user_id.in_(select(Membership.user_id).where(Membership.group_id.in_(group_ids))))
    return query


def _working_query() -> Select[Schedule]:
    return select(Schedule).where(Schedule.deleted_at.is_(None), Schedule.paused_at.is_(None)).order_by(Schedule.id)


def _get_to_change(session: Session, schedule_id: int) -> Schedule:
    """Return a schedule whose row is locked: who edits, pauses or plans it at the same time waits, and then sees it.

    SQLite's dialect leaves FOR UPDATE out: its writer is alone anyway.
    """
    schedule = session.get(Schedule, schedule_id, with_for_update=True, populate_existing=True)
    if schedule is None or schedule.deleted_at is not None:
        raise NotFoundError("There is no such schedule.", schedule_id=schedule_id)
    return schedule


def _plan(session: Session, schedule: Schedule, now: datetime) -> list[int]:
    """Make the runs of one schedule that fell due by `now`; none while it is paused."""
    if schedule.paused_at is not None:
        return []
    overdue = rules.missed(recurrence(schedule), after=schedule.settled_until, now=now)
    if not overdue:
        return []
    schedule.settled_until = now
    due = rules.to_run(overdue, catch_up=schedule.catch_up, now=now)
    return [run_id for occurrence in due for run_id in _make_run(session, schedule, occurrence, now)]


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
    names = [] if terms.everyone else distinct_names(terms.groups)
    schedule.groups = [people.group_named(session, name=name) for name in names]
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


def _check(terms: Terms) -> None:
    problems = check(terms)
    if problems:
        raise InvalidInputError("Some fields need correcting.", fields=problems)
