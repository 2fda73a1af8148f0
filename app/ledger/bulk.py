"""One movement for many accounts, by set-based SQL: a statement on PostgreSQL, a few on SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session, aliased

from app.db import UtcDateTime, is_postgresql
from app.ledger.models import ENTRIES, NOTES, Account, Entry, Note
from app.ledger.rules import prefix_end

MOVED = (
    "account_id",
    "sequence",
    "amount",
    "balance_after",
    "source",
    "kind",
    "overrun",
    "quantity",
    "key",
    "reverses_id",
    "note_id",
    "event_at",
    "created_at",
)


@dataclass(frozen=True)
class Moved:
    """What a chunk did: `count` accounts moved, `total` millionths in all."""

    count: int
    total: int


@dataclass(frozen=True)
class Reversed:
    """What a chunk took back; `last_key` is where the next chunk goes on, None when there is nothing more."""

    count: int
    total: int
    last_key: str | None


def credit_many(
    session: Session,
    *,
    where: Sequence[ColumnElement[bool]],
    amount: int,
    top_up: str,
    cap: int | None,
    key_prefix: str,
    now: datetime,
    at: datetime,
    title: str,
) -> Moved:
    """Credit the users' accounts that fulfil `where` from the source "allocation", under `key_prefix` + user id.

    An account that has the key already is passed over, so a chunk may be run again. `amount`, `cap` in millionths;
    `top_up` as in `rules.credit`. All entries share one note. No entry is written where nothing would move.
    """
    delta = credit_of(amount=amount, top_up=top_up, cap=cap)
    takes = top_up in ("reset", "lower")
    mine = (*where, Account.user_id.is_not(None))
    rows = select(
        Account.id,
        Account.sequence + 1,
        delta,
        Account.balance + delta,
        literal("allocation", String),
        case((delta < 0, "measured"), else_="guarded") if takes else literal("guarded", String),
        _overrun(delta) if takes else literal(0),
        literal(None, Entry.quantity.type),
        literal(key_prefix, String) + cast(Account.user_id, String),
        literal(None, Entry.reverses_id.type),
        *_fixed(session, now, at, title),
    ).where(*mine, delta != 0)
    if is_postgresql(session):
        return _move_in_one_statement(session, rows, mine)
    return _move_in_steps(session, rows, ((*mine, delta != 0), delta))


def take_many(
    session: Session,
    *,
    where: Sequence[ColumnElement[bool]],
    keep: int,
    key_prefix: str,
    now: datetime,
    title: str,
    detail: str,
) -> Moved:
    """Take from the users' accounts that fulfil `where` what they have above `keep`, under `key_prefix` + user id.

    `keep` in millionths, 0 or more. What is held is left, and so is a purse that has no more than `keep`. The source is
    "adjustment". An account that has the key already is passed over. All entries share one note.
    """
    left = Account.balance - Account.reserved
    mine = (*where, Account.user_id.is_not(None), left > keep)
    delta = literal(keep, Account.balance.type) - left
    rows = select(
        Account.id,
        Account.sequence + 1,
        delta,
        Account.balance + delta,
        literal("adjustment", String),
        literal("guarded", String),
        literal(0),
        literal(None, Entry.quantity.type),
        literal(key_prefix, String) + cast(Account.user_id, String),
        literal(None, Entry.reverses_id.type),
        *_fixed(session, now, now, title, detail),
    ).where(*mine)
    if is_postgresql(session):
        return _move_in_one_statement(session, rows, mine)
    return _move_in_steps(session, rows, (mine, delta))


def reverse_many(
    session: Session,
    *,
    key_prefix: str,
    after_key: str,
    limit: int,
    reversal_prefix: str,
    now: datetime,
    title: str,
) -> Reversed:
    """Reverse up to `limit` entries whose keys begin with `key_prefix` and come after `after_key`, in that order.

    Each under `reversal_prefix` + entry id; what is reversed already is passed over. At most one entry an account may
    have such a key, as those of a run do. Reversals are measured: a purse may go below its floor by them.
    """
    first, earlier = aliased(Entry), aliased(Entry)
    keys = select(first.key).where(first.key > max(after_key, key_prefix), first.key < prefix_end(key_prefix))
    last_key = session.scalar(select(func.max(keys.order_by(first.key).limit(limit).subquery().c.key)))
    if last_key is None:
        return Reversed(0, 0, None)
    rows = (
        select(
            Account.id,
            Account.sequence + 1,
            -first.amount,
            Account.balance - first.amount,
            first.source,
            literal("measured", String),
            _overrun(-first.amount),
            -first.quantity,
            literal(reversal_prefix, String) + cast(first.id, String),
            first.id,
            *_fixed(session, now, now, title),
        )
        .join_from(first, Account, Account.id == first.account_id)
        .where(
            first.key > max(after_key, key_prefix),
            first.key <= last_key,
            ~select(earlier.id).where(earlier.reverses_id == first.id).correlate(first).exists(),
        )
    )
    moved = _move_in_one_statement(session, rows) if is_postgresql(session) else _move_in_steps(session, rows)
    return Reversed(moved.count, moved.total, last_key)


def credit_of(*, amount: int, top_up: str, cap: int | None) -> ColumnElement[int]:
    """Return, as SQL over Account, what one occurrence of a schedule moves: the twin of `rules.credit`."""
    if top_up == "reset":
        return amount - Account.balance
    if top_up == "lower":
        over = Account.balance - amount
        return case((over > 0, -over), else_=0)
    if top_up == "cap" and cap is not None:
        room = cap - Account.balance
        return case((room <= 0, 0), (room < amount, room), else_=amount)
    return literal(amount, Account.balance.type)


def _overrun(delta: ColumnElement[int]) -> ColumnElement[int]:
    """Return, as SQL over Account, the part of what is taken away that lies below the floor: as `rules.overrun`."""
    below = Account.floor - (Account.balance + delta - Account.reserved)
    return case((or_(delta >= 0, Account.floor.is_(None), below <= 0), 0), (below > -delta, -delta), else_=below)


def _fixed(
    session: Session, now: datetime, at: datetime, title: str, detail: str = ""
) -> tuple[ColumnElement[Any], ...]:
    """Make the note of all entries, and return the last columns of MOVED, which all have alike."""
    note_id = session.scalars(insert(NOTES).values(title=title, detail=detail).returning(Note.id)).one()
    return literal(note_id), literal(at, UtcDateTime), literal(now, UtcDateTime)


def _write(dialect_insert: Any, rows: Any) -> Any:
    """Return the statement that writes the entries but for those whose keys are there."""
    return dialect_insert(ENTRIES).from_select(MOVED, rows).on_conflict_do_nothing(index_elements=["key"])


def _move_in_one_statement(session: Session, rows: Any, mine: tuple[ColumnElement[bool], ...] = ()) -> Moved:
    """Write the entries and move their accounts. `mine`: what is known of the accounts, so that few are looked at."""
    # Locked in one order, so that two runs over the same people cannot wait for each other in a circle; and what
    # another transaction has just moved is seen as it is then (PostgreSQL manual, 13.2.1).
    locked = rows.order_by(Account.id).with_for_update(of=Account, key_share=True)
    columns = (Entry.account_id, Entry.sequence, Entry.balance_after, Entry.amount)
    booked = _write(postgresql_insert, locked).returning(*columns).cte("booked")
    moved = (
        update(Account)
        .where(Account.id == booked.c.account_id, *mine)
        .values(balance=booked.c.balance_after, sequence=booked.c.sequence)
        .returning(Account.id)
        .cte("moved")
    )
    total = func.coalesce(func.sum(booked.c.amount), 0)
    row = session.execute(select(func.count(), total).select_from(booked).add_cte(moved)).one()
    return Moved(count=int(row[0]), total=int(row[1]))


def _move_in_steps(
    session: Session,
    rows: Any,
    alike: tuple[tuple[ColumnElement[bool], ...], ColumnElement[int]] | None = None,
) -> Moved:
    """Write the entries, then move the accounts; the writer is alone on SQLite.

    `alike`: the conditions on accounts that `rows` has, and its delta. When every account that fulfils them got an
    entry, they are moved by the same arithmetic, which spares looking each entry up again.
    """
    write = _write(sqlite_insert, rows)
    before = session.scalar(select(func.coalesce(func.max(Entry.id), 0)))
    if alike is not None:
        conditions, delta = alike
        wanted, total = session.execute(
            select(func.count(), func.coalesce(func.sum(delta), 0)).where(*conditions)
        ).one()
        if session.connection().execute(write).rowcount == wanted:
            _update(session, conditions, balance=Account.balance + delta, sequence=Account.sequence + 1)
            return Moved(count=int(wanted), total=int(total))
    else:
        session.execute(write)
    _update(
        session,
        (Entry.id > before, Entry.account_id == Account.id),
        balance=Entry.balance_after,
        sequence=Entry.sequence,
    )
    booked = func.coalesce(func.sum(Entry.amount), 0)
    row = session.execute(select(func.count(), booked).where(Entry.id > before)).one()
    return Moved(count=int(row[0]), total=int(row[1]))


def _update(session: Session, conditions: tuple[ColumnElement[bool], ...], **values: Any) -> None:
    move = update(Account).where(*conditions).values(values)
    session.execute(move.execution_options(synchronize_session=False))
