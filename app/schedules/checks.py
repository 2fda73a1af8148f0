"""What verification recomputes of runs: what each counted against the entries that stand under its keys."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.ledger.differences import Difference
from app.ledger.models import Entry
from app.ledger.rules import prefix_end
from app.schedules.models import Run


def totals_of_runs(session: Session) -> Iterator[Difference]:
    """A run's count of people credited, and the sum, are those of its entries: one range of the keys' index a run."""
    runs = session.execute(
        select(Run.id, Run.schedule_id, Run.occurrence, Run.credited, Run.total).order_by(Run.id)
    ).all()
    for run_id, schedule_id, occurrence, credited, total in runs:
        prefix = Run(schedule_id=schedule_id, occurrence=occurrence).key_prefix
        count, booked, last_id = session.execute(
            select(func.count(), func.coalesce(func.sum(Entry.amount), 0), func.max(Entry.id)).where(
                Entry.key >= prefix, Entry.key < prefix_end(prefix)
            )
        ).one()
        text = f"run {run_id}: schedule {schedule_id}, {occurrence}; its last entry is {last_id or 'missing'}"
        if count != credited:
            yield Difference("entries of a run", None, None, credited, count, text)
        if int(booked) != total:
            yield Difference("total of a run", None, None, total, int(booked), text, micro=True)
