"""Usage under names that nobody has: kept, until it is assigned to somebody and charged, or dismissed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import one_of
from app.errors import KeyReusedError
from app.internet import rules
from app.internet.models import UnmatchedUsage, UsageCarry
from app.ledger.batch import Posting, post_many
from app.ledger.models import Account

CHUNK = 5_000
"""Rows that are booked in one transaction."""

OPEN = UnmatchedUsage.settled_at.is_(None)


@dataclass(frozen=True)
class Kept:
    """What one name used by one proxy and nobody paid for, with the times of the first and the last of it."""

    username: str
    source: str
    rows: int
    size_bytes: int
    requests: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Assigned:
    """What a chunk booked: so many rows, millionths charged in all."""

    rows: int
    charged: int


def list_kept(session: Session) -> list[Kept]:
    """Return what is kept, a line for each name and proxy."""
    rows = session.execute(
        select(
            UnmatchedUsage.username,
            UnmatchedUsage.source,
            func.count(),
            func.sum(UnmatchedUsage.bytes),
            func.sum(UnmatchedUsage.requests),
            func.min(UnmatchedUsage.at),
            func.max(UnmatchedUsage.at),
        )
        .where(OPEN)
        .group_by(UnmatchedUsage.username, UnmatchedUsage.source)
        .order_by(UnmatchedUsage.username, UnmatchedUsage.source)
    )
    return [Kept(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6]) for row in rows]


def assign_chunk(
    session: Session,
    *,
    names: Sequence[str],
    user_id: int,
    price_per_mb: int,
    by: str,
    now: datetime,
    limit: int = CHUNK,
) -> Assigned:
    """Book up to `limit` rows that are kept under `names` to a person, each once, at the time of its use.

    `price_per_mb` in millionths: today's, since that of the time is not kept. What rounding cuts off goes on with the
    person's own. `by` is kept on the rows. Charges are measured: the purse may go below its floor.
    """
    # The account before the carry, as usage is booked: two doors that book to one person take turns.
    account_id = session.scalars(select(Account.id).where(Account.user_id == user_id).with_for_update()).one()
    query = select(UnmatchedUsage).where(OPEN, one_of(session, UnmatchedUsage.username, names))
    rows = list(session.scalars(query.order_by(UnmatchedUsage.id).limit(limit).with_for_update()))
    carry = session.get(UsageCarry, user_id, populate_existing=True)
    if carry is None:
        carry = UsageCarry(user_id=user_id, rest=0, bytes=0)
        session.add(carry)
    postings = []
    for row in rows:
        row.assigned_to_id, row.settled_at, row.settled_by = user_id, now, by[:256]
        amount, carry.rest = rules.charge(size_bytes=row.bytes, price_per_mb=price_per_mb, rest=carry.rest)
        carry.bytes += row.bytes
        if amount or not price_per_mb:
            postings.append(_posting(row, account_id, amount, carry.bytes))
            carry.bytes = 0
    session.flush()
    for posting, outcome in zip(postings, post_many(session, postings=postings, now=now), strict=True):
        if outcome.refusal:
            raise KeyReusedError(key=posting.key)
    return Assigned(len(rows), -sum(posting.amount for posting in postings))


def dismiss(session: Session, *, names: Sequence[str], reason: str, by: str, now: datetime) -> int:
    """Charge nobody for what is kept under `names`; it stays, with the reason. Return how many rows that are."""
    dismissed = session.execute(
        update(UnmatchedUsage)
        .where(OPEN, one_of(session, UnmatchedUsage.username, names))
        .values(settled_at=now, settled_by=by[:256], reason=reason)
        .execution_options(synchronize_session=False)
    )
    return int(dismissed.rowcount)  # type: ignore[attr-defined]  # SQLAlchemy types a session's result without it


def _posting(row: UnmatchedUsage, account_id: int, amount: int, size_bytes: int) -> Posting:
    return Posting(
        account_id=account_id,
        amount=-amount,
        source="internet",
        key=f"internet-unmatched:{row.id}",
        title="Internet use",
        detail=f"{rules.size_in_words(size_bytes)}, {row.source}, as {row.username}",
        measured=True,
        at=row.at,
        quantity=size_bytes,
    )
