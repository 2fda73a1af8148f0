"""One movement for many accounts, by set-based SQL that runs on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, String, case, cast, func, insert, literal, select, update
from sqlalchemy.orm import Session, aliased

from app.db import UtcDateTime
from app.ledger.models import Account, Entry, EntryNote


@dataclass(frozen=True)
class Credited:
    """What a chunk did: `count` accounts moved, `total` millionths in all, of `considered` accounts."""

    considered: int
    count: int
    total: int


def credit_many(
    session: Session,
    *,
    account_ids: Sequence[int],
    amount: int,
    top_up: str,
    cap: int | None,
    key_prefix: str,
    now: datetime,
    at: datetime,
    title: str,
) -> Credited:
    """Credit users' accounts from the source "allocation", each under the key `key_prefix` + user id.

    An account that has the key already is passed over, so a chunk may be run again. `amount`, `cap` in millionths;
    `top_up` as in `rules.credit`. Nothing is written where nothing would move. Raises nothing of its own.
    """
    ids = sorted(account_ids)
    # Locked in one order, so that two runs over the same people cannot wait for each other in a circle. SQLite's
    # dialect leaves FOR UPDATE out: its writer is alone anyway.
    session.execute(select(Account.id).where(Account.id.in_(ids)).order_by(Account.id).with_for_update())
    delta = _delta(amount=amount, top_up=top_up, cap=cap)
    key = literal(key_prefix, String) + cast(Account.user_id, String)
    known = aliased(Entry)
    moved = select(
        Account.id,
        Account.sequence + 1,
        delta,
        Account.balance + delta,
        literal("allocation", String),
        case((delta < 0, "measured"), else_="guarded"),
        literal(0),
        key,
        literal(at, UtcDateTime),
        literal(now, UtcDateTime),
    ).where(
        Account.id.in_(ids),
        Account.user_id.is_not(None),
        delta != 0,
        ~select(known.id).where(known.key == key).exists(),
    )
    columns = ["account_id", "sequence", "amount", "balance_after", "source", "kind", "overrun", "key", "event_at"]
    session.execute(insert(Entry).from_select([*columns, "created_at"], moved))
    new = (Entry.account_id.in_(ids), Entry.account_id == Account.id, Entry.sequence == Account.sequence + 1)
    session.execute(
        insert(EntryNote).from_select(
            ["entry_id", "title", "detail"],
            select(Entry.id, literal(title, String), literal("", String)).join(Account, new[1]).where(*new),
        )
    )
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(Entry.amount), 0))
        .select_from(Entry)
        .join(Account, new[1])
        .where(*new)
    ).one()
    session.execute(
        update(Account)
        .where(*new)
        .values(balance=Entry.balance_after, sequence=Entry.sequence)
        .execution_options(synchronize_session=False)
    )
    return Credited(considered=len(ids), count=int(count), total=int(total))


def _delta(*, amount: int, top_up: str, cap: int | None) -> ColumnElement[int]:
    """The SQL twin of `rules.credit`."""
    if top_up == "reset":
        return amount - Account.balance
    if top_up == "cap" and cap is not None:
        room = cap - Account.balance
        return case((room <= 0, 0), (room < amount, room), else_=amount)
    return literal(amount)
