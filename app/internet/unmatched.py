"""Usage under names that nobody has: kept, until it is assigned to somebody and charged, or dismissed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import one_of
from app.errors import KeyReusedError
from app.internet import hours, rates, rules
from app.internet.hours import Slot
from app.internet.models import UnmatchedUsage, UsageCarry
from app.internet.rate_rules import FULL
from app.internet.rates import Plan
from app.ledger.batch import Posting, post_many
from app.ledger.models import Account
from language import _

CHUNK = 5_000
"""Rows that are booked in one transaction."""

OPEN = UnmatchedUsage.settled_at.is_(None)


@dataclass(frozen=True)
class Kept:
    """What one name used by one proxy and nobody paid for, with the times of the first and the last of it.

    `cost` in millionths, periods of time left out.
    """

    username: str
    source: str
    rows: int
    size_bytes: int
    requests: int
    first_at: datetime
    last_at: datetime
    cost: int = 0


@dataclass(frozen=True)
class Assigned:
    """What a chunk booked: so many rows, millionths charged in all."""

    rows: int
    charged: int


def list_kept(session: Session, *, plan: Plan) -> list[Kept]:
    """Return what is kept, a line for each name and proxy; `cost` by `plan` for who pays the full price."""
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
    found = [Kept(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6]) for row in rows]
    if plan.is_flat:
        return [replace(kept, cost=kept.size_bytes * plan.terms.down // rules.MB) for kept in found]
    prices: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in session.scalars(select(UnmatchedUsage).where(OPEN).execution_options(yield_per=CHUNK)):
        for slot in _slots(row, 0):
            prices[row.username, row.source] += sum(plan.price_columns(slot.start, slot.columns, {0: FULL}))
    return [replace(kept, cost=prices[kept.username, kept.source] // rules.MB) for kept in found]


def assign_chunk(
    session: Session,
    *,
    names: Sequence[str],
    user_id: int,
    plan: Plan,
    by: str,
    now: datetime,
    limit: int = CHUNK,
) -> Assigned:
    """Book up to `limit` rows that are kept under `names` to a person, each once, at the time of its use.

    `plan` prices them by the terms of that time, for the person as they pay today. What rounding cuts off goes on with
    the person's own. `by` is kept on the rows. Charges are measured: the purse may go below its floor.
    """
    # The account before the carry, as usage is booked: two doors that book to one person take turns.
    account_id = session.scalars(select(Account.id).where(Account.user_id == user_id).with_for_update()).one()
    query = select(UnmatchedUsage).where(OPEN, one_of(session, UnmatchedUsage.username, names))
    rows = list(session.scalars(query.order_by(UnmatchedUsage.id).limit(limit).with_for_update()))
    percents = rates.percents(session, user_ids=[user_id], plan=plan)
    carry = session.get(UsageCarry, user_id, populate_existing=True)
    if carry is None:
        carry = UsageCarry(user_id=user_id, rest=0, bytes=0)
        session.add(carry)
    postings: list[Posting] = []
    slots: list[Slot] = []
    for row in rows:
        row.assigned_to_id, row.settled_at, row.settled_by = user_id, now, by[:256]
        priced = _priced(session, row, user_id, plan, percents)
        amount, carry.rest = divmod(sum(slot.charged[0] for slot in priced) + carry.rest, rules.MB)
        carry.bytes += row.bytes
        slots += priced
        if amount or plan.is_free:
            postings.append(_posting(row, account_id, amount, carry.bytes))
            carry.bytes = 0
    hours.add_up(session, slots=slots, plan=plan)
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


def _slots(row: UnmatchedUsage, user_id: int) -> list[Slot]:
    """What a row consists of; what came before that was kept is one download."""
    uses = json.loads(row.uses)["slots"] if row.uses else [[int(row.at.timestamp()), 0, row.bytes, 0, 0, row.requests]]
    return [
        Slot(start, [user_id], [site], [down], [up], [cached], [requests])
        for start, site, down, up, cached, requests in uses
    ]


def _priced(session: Session, row: UnmatchedUsage, user_id: int, plan: Plan, percents: Mapping[int, int]) -> list[Slot]:
    """What a row consists of, with what it costs the person; periods that nobody has paid yet among it."""
    slots = [
        slot._replace(charged=plan.price_columns(slot.start, slot.columns, percents)) for slot in _slots(row, user_id)
    ]
    starts = json.loads(row.uses).get("periods", []) if row.uses else []
    for start in rates.claim_periods(session, periods={user_id: starts}, plan=plan).get(user_id, ()):
        price = plan.price_of_period(start, percents[user_id])
        slots.append(Slot(start, [user_id], [], [], [], [], [], [price]))
    return slots


def _posting(row: UnmatchedUsage, account_id: int, amount: int, size_bytes: int) -> Posting:
    size = rules.size_in_words(size_bytes)
    return Posting(
        account_id=account_id,
        amount=-amount,
        source="internet",
        key=f"internet-unmatched:{row.id}",
        title=_("Internet use"),
        detail=_("%(size)s, %(source)s, as %(name)s", size=size, source=row.source, name=row.username),
        measured=True,
        at=row.at,
        quantity=size_bytes,
    )
