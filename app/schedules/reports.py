"""What runs did: lists of runs, how far one is, whom it credited, and who stopped it or had it taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.errors import NotFoundError
from app.ledger.models import Account, Entry
from app.ledger.rules import prefix_end
from app.people import service as people
from app.people.models import User
from app.schedules.models import Run, RunEvent
from app.schedules.runs import AT_WORK
from language import N_, _

FILTERS: Final[dict[str, str]] = {
    "work": N_("At work"),
    "stopped": N_("Stopped by an error"),
    "done": N_("Done"),
    "cancelled": N_("Cancelled"),
    "reversed": N_("Taken back"),
}
"""What a list of runs can be narrowed to, in words."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: `considered` of `people`. `rate` is people a second; `left_s` None while nothing is known."""

    considered: int
    people: int
    rate: float
    left_s: float | None


@dataclass(frozen=True)
class Credited:
    """One person whom a run credited. Amounts in millionths; `taken_back`: the entry is reversed."""

    user_id: int
    username: str
    name: str
    entry_id: int
    key: str
    amount: int
    balance_after: int
    booked_at: datetime
    taken_back: bool


def get(session: Session, *, schedule_id: int, run_id: int) -> Run:
    """Return a run of that schedule, which may be deleted. Raises NotFoundError."""
    run = session.get(Run, run_id)
    if run is None or run.schedule_id != schedule_id:
        raise NotFoundError(_("There is no such run."), run_id=run_id)
    return run


def list_runs(
    session: Session, *, schedule_id: int | None = None, only: str = "", before: int | None = None, limit: int = 50
) -> list[Run]:
    """Return runs, the newest first: of one schedule or of all, `only` a key of FILTERS, those older than `before`."""
    query = select(Run).where(*_chosen(schedule_id, only)).order_by(Run.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Run.id < before)
    return list(session.scalars(query))


def count_runs(session: Session, *, schedule_id: int | None = None, only: str = "") -> int:
    """Return how many runs `list_runs` would list, page by page."""
    return session.scalar(select(func.count()).select_from(Run).where(*_chosen(schedule_id, only))) or 0


def list_events(session: Session, *, run_id: int) -> list[RunEvent]:
    """Return what people did to a run, in order."""
    return list(session.scalars(select(RunEvent).where(RunEvent.run_id == run_id).order_by(RunEvent.id)))


def list_credited(session: Session, *, run: Run, query: str = "", after: str = "", limit: int) -> list[Credited]:
    """Return whom a run credited, by user name, after the name `after`; `query` searches names and groups."""
    found = (
        _credited_query()
        .where(*_entries_of(run), User.username > after, *people.matching(query))
        .order_by(User.username)
        .limit(limit)
    )
    return [Credited(*row) for row in session.execute(found)]


def list_credited_by_key(session: Session, *, run: Run, after: str, limit: int) -> list[Credited]:
    """Return whom a run credited in the order of the entries' keys, after the key `after`; begin with "".

    Nothing is sorted: the next part of a million costs as much as the first.
    """
    found = _credited_query().where(*_entries_of(run), Entry.key > after).order_by(Entry.key).limit(limit)
    return [Credited(*row) for row in session.execute(found)]


def count_credited(session: Session, *, run: Run, query: str) -> int:
    """Return how many people `list_credited` would list, page by page."""
    if not query:
        return run.credited
    counted = select(func.count()).join_from(Entry, Account, Account.id == Entry.account_id)
    counted = counted.join(User, User.id == Account.user_id).where(*_entries_of(run), *people.matching(query))
    return session.scalar(counted) or 0


def progress(run: Run, events: Sequence[RunEvent], now: datetime) -> Progress:
    """Return how far a run is and, while it is at work, how fast since it began or last went on."""
    if run.state == "reversing":
        return Progress(run.reversed_count, run.credited, 0.0, None)
    people = max(run.people or 0, run.considered)
    since, before = run.started_at, 0
    for event in events:
        if event.what == "resumed":
            since, before = event.at, event.considered
    if run.state != "running" or since is None:
        return Progress(run.considered, people, 0.0, None)
    rate = (run.considered - before) / max((now - since).total_seconds(), 0.001)
    return Progress(run.considered, people, rate, (people - run.considered) / rate if rate > 0 else None)


def _chosen(schedule_id: int | None, only: str) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [] if schedule_id is None else [Run.schedule_id == schedule_id]
    if only == "work":
        chosen.append(Run.state.in_(AT_WORK))
    elif only == "stopped":
        chosen.append(Run.error != "")
    elif only == "reversed":
        chosen.append(Run.state.in_(("reversing", "reversed")))
    elif only:
        chosen.append(Run.state == only)
    return chosen


def _entries_of(run: Run) -> tuple[ColumnElement[bool], ...]:
    return Entry.key >= run.key_prefix, Entry.key < prefix_end(run.key_prefix)


def _credited_query() -> Any:
    reversal = aliased(Entry)
    return (
        select(
            User.id,
            User.username,
            User.display_name,
            Entry.id,
            Entry.key,
            Entry.amount,
            Entry.balance_after,
            Entry.created_at,
            exists().where(reversal.reverses_id == Entry.id),
        )
        .join_from(Entry, Account, Account.id == Entry.account_id)
        .join(User, User.id == Account.user_id)
    )
