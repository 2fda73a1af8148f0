"""Initial credit: what somebody gets once, when they are first seen here."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger import service as ledger
from app.ledger.accounts import get_account
from app.people.models import User
from app.schedules.models import Schedule


def credit_newcomer(session: Session, *, user: User, now: datetime) -> None:
    """Credit somebody who has just become known by every schedule for new people that reaches them; these add up.

    Called in the transaction that makes them known, so that it happens with it or not at all, and never again.
    """
    groups = {group.id for group in user.groups}
    query = select(Schedule).where(
        Schedule.period == "first_seen", Schedule.deleted_at.is_(None), Schedule.paused_at.is_(None)
    )
    for schedule in session.scalars(query.order_by(Schedule.id)):
        reached = schedule.everyone or any(group.id in groups for group in schedule.groups)
        if reached and is_open(schedule, now):
            ledger.post(
                session,
                account_id=get_account(session, user_id=user.id).id,
                amount=schedule.amount,
                source="allocation",
                key=f"initial:{schedule.id}:{user.id}",
                now=now,
                title=schedule.name,
            )


def is_open(schedule: Schedule, now: datetime) -> bool:
    """Whether today, in the schedule's zone, lies between its first and its last day."""
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    return (schedule.starts_on or today) <= today and not is_over(schedule, now)


def is_over(schedule: Schedule, now: datetime) -> bool:
    """Whether the schedule's last day is past, in its zone."""
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    return schedule.ends_on is not None and schedule.ends_on < today
