"""What passes over the directory did or would do: lists of them, whom they changed and how, and how far one is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.people import sync
from app.people.models import User
from app.people.sync_models import DirectoryPlace, DirectorySync, SyncChange
from app.people.sync_words import WHAT

PART: Final = 5_000
"""People that are in memory at a time."""


@dataclass(frozen=True)
class Changed:
    """What a pass changed of one person. `user_id`: their page here, None for who is not known (yet)."""

    id: int
    what: str
    username: str
    name: str
    was: str
    now: str
    directory_id: str
    user_id: int | None


@dataclass(frozen=True)
class Progress:
    """How far a pass is: people read, or changes applied of `total`; `rate` is so many a second."""

    done: int
    total: int
    rate: float


def list_passes(session: Session, *, before: int | None = None, limit: int) -> list[DirectorySync]:
    """Return passes, the newest first, those older than `before`."""
    query = select(DirectorySync).order_by(DirectorySync.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(DirectorySync.id < before)))


def count_passes(session: Session) -> int:
    """Return how many passes are kept."""
    return session.scalar(select(func.count()).select_from(DirectorySync)) or 0


def list_changes(session: Session, *, sync_id: int, what: str, after: int = 0, limit: int) -> list[Changed]:
    """Return whom a pass changed in one way, in the order of their names, after the change `after`."""
    return [
        Changed(*row)
        for row in session.execute(
            _query().where(SyncChange.sync_id == sync_id, SyncChange.what == what, SyncChange.id > after).limit(limit)
        )
    ]


def every_change(session: Session, *, sync_id: int) -> Iterator[Changed]:
    """Yield all that a pass changed, kind by kind, a part in memory at a time."""
    for what in WHAT:
        after = 0
        while part := list_changes(session, sync_id=sync_id, what=what, after=after, limit=PART):
            yield from part
            after = part[-1].id


def counts(one: DirectorySync) -> dict[str, int]:
    """Return how many people a pass changed in each way."""
    return {what: getattr(one, what) for what in WHAT}


def total(one: DirectorySync) -> int:
    """Return how many changes a pass applies; one person may have several."""
    return sum(number for what, number in counts(one).items() if what != "left_out")


def progress(one: DirectorySync, now: datetime) -> Progress:
    """Return how far a pass is that is at work."""
    if one.state == "reading":
        return Progress(one.read, 0, one.read / max((now - one.started_at).total_seconds(), 0.001))
    return Progress(one.applied, total(one), 0.0)


def follows_changes(session: Session) -> bool:
    """Whether the directory tells who changed, so that not everybody has to be read."""
    return session.get(DirectoryPlace, sync.CHANGES) is not None


def last_good(session: Session) -> DirectorySync | None:
    """Return the newest full pass that was applied to its end."""
    return session.scalar(
        select(DirectorySync)
        .where(DirectorySync.kind == "full", DirectorySync.state == "done")
        .order_by(DirectorySync.id.desc())
        .limit(1)
    )


def waiting(session: Session) -> DirectorySync | None:
    """Return the pass that waits for an administrator's yes."""
    return session.scalar(
        select(DirectorySync).where(DirectorySync.state == "waiting").order_by(DirectorySync.id.desc()).limit(1)
    )


def at_work(session: Session) -> DirectorySync | None:
    """Return the full pass or preview that is at work."""
    return session.scalar(select(DirectorySync).where(DirectorySync.busy == sync.BUSY["full"]))


def _query() -> Any:
    columns = (SyncChange.id, SyncChange.what, SyncChange.username, SyncChange.name, SyncChange.was, SyncChange.now)
    return (
        select(*columns, SyncChange.directory_id, User.id)
        .join_from(SyncChange, User, User.directory_id == SyncChange.directory_id, isouter=True)
        .order_by(SyncChange.id)
    )
