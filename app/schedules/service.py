"""Verbs of schedules: keep them, find what is due, and say what comes next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session

from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.ledger import rules as ledger_rules
from app.people import service as people
from app.people.models import Membership, User
from app.schedules import rules, runs
from app.schedules.models import Run, Schedule, ScheduleGroup
from app.schedules.terms import Terms, check, distinct_names
from language import _


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

    Another "when" drops a skip. An occurrence that has its run does not come again, not even in another zone.
    Raises InvalidInputError, NotFoundError, WrongStateError when somebody else changed it since `version` was shown.
    """
    _check(terms)
    schedule = _get_to_change(session, schedule_id)
    if schedule.version != version:
        raise WrongStateError(_("Somebody else has changed this schedule meanwhile. Look at it again before you save."))
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
        schedule.settled_until = _settled(session, schedule, now)
    return schedule


def skip_next(session: Session, *, schedule_id: int, occurrence: str, by: str, now: datetime) -> Schedule:
    """Leave out the next occurrence, whose identity is `occurrence`: another one is not skipped by a page that is old.

    `by` is kept. Doing it again changes nothing. Raises NotFoundError, WrongStateError.
    """
    schedule = _get_to_change(session, schedule_id)
    _plan(session, schedule, now)
    if schedule.skipped == occurrence:
        return schedule
    if schedule.paused_at is not None:
        raise WrongStateError(_("The schedule is paused: nothing runs that could be skipped."))
    if occurrence != _next_identity(schedule, now):
        raise WrongStateError(_("The next run is another one by now. Look at it again before you skip it."))
    schedule.settled_until = max(schedule.settled_until, now)  # a skip of before, now past, is not looked at again
    _note_skip(schedule, occurrence, by, now)
    return schedule


def undo_skip(session: Session, *, schedule_id: int, occurrence: str, by: str, now: datetime) -> Schedule:
    """Let the skipped `occurrence` run after all. Doing it again changes nothing.

    `by` is kept. Raises NotFoundError, WrongStateError when its time has passed.
    """
    schedule = _get_to_change(session, schedule_id)
    if schedule.skipped != occurrence:
        return schedule
    if occurrence != _next_identity(schedule, now):
        raise WrongStateError(_("The time of the skipped run has passed. It stays skipped."))
    _note_skip(schedule, "", by, now)
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
        raise NotFoundError(_("There is no such schedule."), schedule_id=schedule_id)
    return schedule


def list_all(session: Session) -> list[Schedule]:
    """Return every schedule that was not deleted, by name."""
    return list(session.scalars(select(Schedule).where(Schedule.deleted_at.is_(None)).order_by(Schedule.name)))


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


def recurrence(schedule: Schedule | Terms, *, anchor: date | None = None) -> rules.Recurrence:
    """Return the "when" of a schedule, or of terms; for these, `anchor` says from which day's week weeks count."""
    if isinstance(schedule, Schedule):
        anchor, skipped = schedule.anchor, schedule.skipped
        dates = tuple(map(date.fromisoformat, schedule.dates.split()))
    else:
        dates, skipped = tuple(sorted(schedule.dates)), ""
    return rules.Recurrence(
        period=schedule.period,
        time_of_day=time.fromisoformat(schedule.time_of_day),
        zone=ZoneInfo(schedule.time_zone),
        weekdays=tuple(int(day) for day in schedule.weekdays),
        month_day=schedule.month_day or 1,
        starts_on=schedule.starts_on,
        ends_on=schedule.ends_on,
        every_weeks=schedule.every_weeks or 1,
        anchor=anchor or rules.Recurrence.anchor,
        ordinal=schedule.ordinal or 1,
        month_weekday=schedule.month_weekday or 0,
        dates=dates,
        skipped=skipped,
    )


def anchor_of(terms: Terms, schedule: Schedule | None, now: datetime) -> date:
    """Return from which day's week weeks count: the first day's; else as before; for a new schedule, today's."""
    if terms.starts_on is not None:
        return terms.starts_on
    return schedule.anchor if schedule is not None else now.astimezone(ZoneInfo(terms.time_zone)).date()


def upcoming(schedule: Schedule, *, now: datetime, count: int) -> list[rules.Upcoming]:
    """Return the next `count` runs that will be made, and the skipped one among them, as if it were not paused."""
    return rules.upcoming(recurrence(schedule), after=max(now, schedule.settled_until), count=count)


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


def next_credit(session: Session, *, user_id: int, balance: int, now: datetime) -> NextCredit | None:
    """Return the soonest credit of all schedules that reach the user; None when there is none.

    Skipped ones are none, and those that only take back. Its amount is what it would be with today's `balance`
    (millionths).
    """
    found = []
    for schedule in reaching(session, user_id=user_id):
        if schedule.top_up == "lower":
            continue
        after = max(now, schedule.settled_until)
        coming = rules.next_occurrences(recurrence(schedule), after=after, count=1)
        amount = ledger_rules.credit(balance=balance, amount=schedule.amount, top_up=schedule.top_up, cap=schedule.cap)
        found += [NextCredit(occurrence.due_at, amount, schedule.name) for occurrence in coming]
    return min(found, key=lambda credit: credit.at, default=None)


def reaching(session: Session, *, user_id: int) -> list[Schedule]:
    """Return the schedules at work that credit this user again: everyone's, and those of the user's groups.

    They add up. One schedule credits a user once, in however many of its groups they are.
    """
    groups = select(Membership.group_id).where(Membership.user_id == user_id)
    reaches = exists().where(ScheduleGroup.schedule_id == Schedule.id, ScheduleGroup.group_id.in_(groups))
    inactive = exists().where(User.id == user_id, User.status != "active")
    return list(session.scalars(_working_query().where(or_(Schedule.everyone, reaches), ~inactive)))


def _working_query() -> Select[Schedule]:
    """Query the schedules that make runs; those for new people make none."""
    return (
        select(Schedule)
        .where(Schedule.deleted_at.is_(None), Schedule.paused_at.is_(None), Schedule.period != "first_seen")
        .order_by(Schedule.id)
    )


def _get_to_change(session: Session, schedule_id: int) -> Schedule:
    """Return a schedule whose row is locked: who edits, pauses or plans it at the same time waits, and then sees it.

    SQLite's dialect leaves FOR UPDATE out: its writer is alone anyway.
    """
    schedule = session.get(Schedule, schedule_id, with_for_update=True, populate_existing=True)
    if schedule is None or schedule.deleted_at is not None:
        raise NotFoundError(_("There is no such schedule."), schedule_id=schedule_id)
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
    made = (
        runs.make(session, schedule=schedule, identity=occurrence.identity, due_at=occurrence.due_at, now=now)
        for occurrence in due
    )
    return [run.id for run in made if run is not None]


def _next_identity(schedule: Schedule, now: datetime) -> str:
    """Return the identity of the next occurrence, the skipped one too; "" when there is none."""
    every = replace(recurrence(schedule), skipped="")
    coming = rules.next_occurrences(every, after=max(now, schedule.settled_until), count=1)
    return coming[0].identity if coming else ""


def _note_skip(schedule: Schedule, occurrence: str, by: str, now: datetime) -> None:
    schedule.skipped = occurrence
    schedule.skip_changed_at = now
    schedule.skip_changed_by = by
    schedule.updated_at = now
    schedule.version += 1  # a form that was opened before would drop the skip unseen


def _settled(session: Session, schedule: Schedule, now: datetime) -> datetime:
    """Return `now`, or the last of the next occurrences that have run already: another zone may put them ahead."""
    settled = now
    for occurrence in rules.occurrences(recurrence(schedule), after=now):
        run = select(Run.id).where(Run.schedule_id == schedule.id, Run.occurrence == occurrence.identity)
        if session.scalar(run) is None:
            break
        settled = occurrence.due_at
    return settled


def _apply(session: Session, schedule: Schedule, terms: Terms, now: datetime) -> None:
    before = recurrence(schedule) if schedule.version else None
    schedule.anchor = anchor_of(terms, schedule if schedule.version else None, now)
    schedule.name = terms.name.strip()
    schedule.everyone = terms.everyone
    names = [] if terms.everyone else distinct_names(terms.groups)
    schedule.groups = [people.group_named(session, name=name) for name in names]
    schedule.amount = terms.amount
    schedule.top_up = terms.top_up
    schedule.cap = terms.cap if terms.top_up == "cap" else None
    schedule.period = terms.period
    schedule.weekdays = "".join(str(day) for day in sorted(set(terms.weekdays))) if terms.period == "weekly" else ""
    schedule.every_weeks = (terms.every_weeks or 1) if terms.period == "weekly" else 1
    schedule.month_day = terms.month_day if terms.period == "monthly" else None
    schedule.ordinal = terms.ordinal if terms.period == "ordinal" else None
    schedule.month_weekday = terms.month_weekday if terms.period == "ordinal" else None
    schedule.dates = " ".join(map(date.isoformat, sorted(terms.dates))) if terms.period == "dates" else ""
    schedule.time_of_day = terms.time_of_day
    schedule.time_zone = terms.time_zone
    schedule.starts_on = terms.starts_on
    schedule.ends_on = terms.ends_on
    schedule.catch_up = terms.catch_up
    schedule.skipped = schedule.skipped or ""
    if before is not None and before != recurrence(schedule):
        schedule.skipped = ""
    schedule.settled_until = _settled(session, schedule, now) if before is not None else now
    schedule.updated_at = now
    schedule.version = (schedule.version or 0) + 1


def _check(terms: Terms) -> None:
    problems = check(terms)
    if problems:
        raise InvalidInputError(_("Some fields need correcting."), fields=problems)
