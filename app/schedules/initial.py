"""Initial credit: what people get once, when they are first seen here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.db import one_of
from app.ledger.bulk import credit_many
from app.ledger.models import Account
from app.schedules import reach
from app.schedules.models import Schedule


def credit_newcomers(session: Session, *, user_ids: Sequence[int], now: datetime) -> None:
    """Credit people who have just become known by every schedule for new people that reaches them; these add up.

    Called in the transaction that makes them known, so that it happens with it or not at all, and never again.
    """
    query = select(Schedule).where(
        Schedule.period == "first_seen", Schedule.deleted_at.is_(None), Schedule.paused_at.is_(None)
    )
    for schedule in session.scalars(query.order_by(Schedule.id)):
        if is_open(schedule, now):
            credit_many(
                session,
                where=(one_of(session, Account.user_id, user_ids), *_members(schedule)),
                amount=schedule.amount,
                top_up="add",
                cap=None,
                key_prefix=f"initial:{schedule.id}:",
                now=now,
                at=now,
                title=schedule.name,
            )


def _members(schedule: Schedule) -> tuple[ColumnElement[bool], ...]:
    """Whom it is for, active or not: who is first seen disabled has it when they may come in."""
    return reach.reached_by(everyone=schedule.everyone, group_ids=[group.id for group in schedule.groups])


def is_open(schedule: Schedule, now: datetime) -> bool:
    """Whether today, in the schedule's zone, lies between its first and its last day."""
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    return (schedule.starts_on or today) <= today and not is_over(schedule, now)


def is_over(schedule: Schedule, now: datetime) -> bool:
    """Whether the schedule's last day is past, in its zone."""
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    return schedule.ends_on is not None and schedule.ends_on < today
