"""What verification recomputes of holds: what accounts have reserved, and what became of each hold."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from app.ledger.checks import exact, rows
from app.ledger.differences import Difference
from app.ledger.models import Account, Entry, Hold


def reserved(session: Session) -> Iterator[Difference]:
    """What an account has reserved is the sum of its open holds."""
    held = (
        select(Hold.account_id, func.sum(exact(Hold.amount)).label("amount"), func.count().label("count"))
        .where(Hold.state == "open")
        .group_by(Hold.account_id)
        .subquery()
    )
    amount = func.coalesce(held.c.amount, 0)
    query = (
        select(Account.id, Account.reserved, amount, func.coalesce(held.c.count, 0))
        .outerjoin(held, held.c.account_id == Account.id)
        .where(exact(Account.reserved) != amount)
    )
    for account_id, found, expected, count in rows(session, query):
        text = f"open holds: {count}"
        yield Difference("reserved amount", account_id, None, int(expected), found, text, micro=True)


def outcomes(session: Session) -> Iterator[Difference]:
    """A captured hold has entries of the sum that was captured; a released or open one has none.

    One that had expired and was charged late has entries too, and no sum to compare them with.
    """
    charged = (
        select(
            Entry.hold_id,
            func.count().label("count"),
            func.sum(exact(Entry.amount)).label("total"),
            func.min(Entry.id).label("first_id"),
        )
        .where(Entry.hold_id.is_not(None))
        .group_by(Entry.hold_id)
        .subquery()
    )
    count, total = func.coalesce(charged.c.count, 0), func.coalesce(charged.c.total, 0)
    captured = Hold.state == "captured"
    query = (
        select(Hold.id, Hold.account_id, Hold.state, Hold.captured, count, total, charged.c.first_id)
        .outerjoin(charged, charged.c.hold_id == Hold.id)
        .where(
            or_(
                and_(captured, or_(Hold.captured.is_(None), count == 0, total != -exact(Hold.captured))),
                and_(Hold.state.in_(("open", "released")), count != 0),
                (Hold.state == "open") != Hold.ended_at.is_(None),
            )
        )
        .order_by(Hold.id)
    )
    for hold_id, account_id, state, amount, entries, sum_of_entries, entry_id in rows(session, query):
        where, text = (account_id, entry_id), f"hold {hold_id}"
        if state == "captured" and not entries:
            yield Difference("captured hold without its entry", *where, -(amount or 0), 0, text, micro=True)
        elif state == "captured" and (amount is None or int(sum_of_entries) != -amount):
            expected = None if amount is None else -amount
            yield Difference("entries of a captured hold", *where, expected, int(sum_of_entries), text, micro=True)
        elif state in ("open", "released") and entries:
            what = f"entries of a hold that is {'still open' if state == 'open' else 'released'}"
            yield Difference(what, *where, 0, int(sum_of_entries), text, micro=True)
        else:
            yield Difference(
                "end of a hold", *where, None, None, f"{text} is {state}; its time of ending says otherwise"
            )


def belonging(session: Session) -> Iterator[Difference]:
    """An entry that was held for has the account and the source of its hold."""
    query = (
        select(Entry.id, Entry.account_id, Entry.source, Hold.id, Hold.account_id, Hold.source)
        .join(Hold, Hold.id == Entry.hold_id)
        .where(or_(Entry.account_id != Hold.account_id, Entry.source != Hold.source))
        .order_by(Entry.id)
    )
    for entry_id, account_id, source, hold_id, of_account, of_source in rows(session, query):
        text = f"hold {hold_id}"
        if account_id != of_account:
            yield Difference("hold of another account", account_id, entry_id, of_account, account_id, text)
        if source != of_source:
            yield Difference("source of the hold", account_id, entry_id, of_source, source, text)
