"""Verbs of usage: book a batch from a proxy exactly once, and say who may go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import one_of
from app.errors import KeyReusedError, WrongStateError
from app.internet import rules
from app.internet.models import UnmatchedUsage, UsageCarry, UsagePosition
from app.ledger.batch import Posting, post_many
from app.ledger.models import Account
from app.people.models import User, UserName


@dataclass(frozen=True)
class UsageItem:
    """What one user used in a batch. `user_id` None: the name is not known. `at`: the newest request's end."""

    username: str
    user_id: int | None
    size_bytes: int
    requests: int
    at: datetime


@dataclass(frozen=True)
class Place:
    """How far a source's log is booked: the last batch's number, and the follower's own description of the place."""

    batch: int
    position: dict[str, Any] | None


def place(session: Session, *, source: str) -> Place:
    """Return how far `source` is booked; batch 0 and no position for a source never seen."""
    row = session.get(UsagePosition, source)
    return Place(row.batch, json.loads(row.position)) if row else Place(0, None)


def book(
    session: Session,
    *,
    source: str,
    batch: int,
    position: dict[str, Any],
    items: Sequence[UsageItem],
    price_per_mb: int,
    now: datetime,
) -> tuple[Place, int]:
    """Book a batch and move the source's place in one go; return (the place, entries booked).

    A batch that is already booked books nothing and answers with the present place. `price_per_mb` in millionths.
    Raises WrongStateError for a batch that leaves one out.
    """
    if session.get(UsagePosition, source) is None:
        session.add(UsagePosition(source=source, batch=0, updated_at=now))
        session.flush()
    taken = session.execute(
        update(UsagePosition)
        .where(UsagePosition.source == source, UsagePosition.batch == batch - 1)
        .values(batch=batch, position=json.dumps(position), updated_at=now)
        .returning(UsagePosition.source)
        .execution_options(synchronize_session=False)
    ).first()
    session.expire_all()
    if taken is None:
        present = place(session, source=source)
        if batch <= present.batch:
            return present, 0
        raise WrongStateError(f"Batch {present.batch + 1} comes next.", batch=present.batch)
    booked = _book_known(session, source, batch, items, price_per_mb, now)
    for item in items:
        if item.user_id is None:
            session.add(
                UnmatchedUsage(
                    source=source,
                    batch=batch,
                    username=item.username,
                    bytes=item.size_bytes,
                    requests=item.requests,
                    at=item.at,
                )
            )
    session.flush()
    return Place(batch, position), booked


def standing(session: Session, *, enforce: bool) -> dict[str, bool]:
    """Return name -> whether they may go on, for every user and every other name of theirs, as `name_key` has it.

    Who is not active may not. In monitor mode everybody may.
    """
    figures = User.status, Account.balance - Account.reserved, Account.floor
    own = select(User.username, *figures).join(Account, Account.user_id == User.id).order_by(User.username)
    other = (
        select(UserName.name_key, *figures)
        .join(User, User.id == UserName.user_id)
        .join(Account, Account.user_id == User.id)
        .order_by(UserName.name_key)
    )
    found: dict[str, bool] = {}
    for rows in (session.execute(other), session.execute(own)):  # somebody's own name counts before another's alias
        for name, status, available, floor in rows:
            active = status == "active"
            found[name] = not enforce or (active and rules.may_go_on(available=available, floor=floor))
    return found


def _book_known(
    session: Session, source: str, batch: int, items: Sequence[UsageItem], price_per_mb: int, now: datetime
) -> int:
    """Post what the known users used, each with what was carried; return how many entries that makes."""
    user_ids = sorted({item.user_id for item in items if item.user_id is not None})
    # The accounts are locked before the carries are read: two proxies may bring the same user at once. In one order,
    # so that two batches cannot wait for each other in a circle.
    mine = one_of(session, Account.user_id, user_ids)
    locked = session.execute(select(Account.user_id, Account.id).where(mine).order_by(Account.id).with_for_update())
    account_ids = {row.user_id: row.id for row in locked}
    carries = {
        carry.user_id: carry
        for carry in session.scalars(select(UsageCarry).where(one_of(session, UsageCarry.user_id, user_ids)))
    }
    postings = []
    for item in items:
        if item.user_id is None:
            continue
        carry = carries.get(item.user_id)
        if carry is None:
            carry = carries[item.user_id] = UsageCarry(user_id=item.user_id, rest=0, bytes=0)
            session.add(carry)
        amount, carry.rest = rules.charge(size_bytes=item.size_bytes, price_per_mb=price_per_mb, rest=carry.rest)
        carry.bytes += item.size_bytes
        if amount or not price_per_mb:
            postings.append(_posting(source, batch, item, account_ids[item.user_id], amount, carry.bytes))
            carry.bytes = 0
    outcomes = post_many(session, postings=postings, now=now)
    for posting, outcome in zip(postings, outcomes, strict=True):
        if outcome.refusal:
            raise KeyReusedError(key=posting.key)
    return len(postings)


def _posting(source: str, batch: int, item: UsageItem, account_id: int, amount: int, size_bytes: int) -> Posting:
    return Posting(
        account_id=account_id,
        amount=-amount,
        source="internet",
        key=f"squid:{source}:{batch}:{item.user_id}",
        title="Internet use",
        detail=f"{rules.size_in_words(size_bytes)}, {source}",
        measured=True,
        at=item.at,
        quantity=size_bytes,
    )
