"""Recompute the books from the entries and name everything that differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.ledger.models import Account, Entry, Hold
from app.ledger.rules import SOURCES


@dataclass(frozen=True)
class Difference:
    """One thing that does not add up, by account and, where there is one, entry."""

    what: str
    account_id: int | None
    entry_id: int | None
    expected: int | None
    found: int | None

    def __str__(self) -> str:
        where = f"account {self.account_id}" + (f", entry {self.entry_id}" if self.entry_id is not None else "")
        return f"{where}: {self.what}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Report:
    """The result of a verification. `sources`: source -> its total in millionths (minus the sum over accounts)."""

    accounts: int
    entries: int
    open_holds: int
    sources: dict[str, int]
    differences: list[Difference]


def verify(session: Session) -> Report:
    """Check balances, sequences, running balances, reserved amounts, captures, reversals and the sources' totals."""
    totals = session.execute(select(Entry.source, func.sum(Entry.amount)).group_by(Entry.source))
    sources = {source: -int(total) for source, total in totals}
    differences = [difference for check in _CHECKS for difference in check(session)]
    # One statement, so that both sums see the same moment while others go on charging.
    booked, balances = session.execute(
        select(
            select(func.coalesce(func.sum(Entry.amount), 0)).scalar_subquery(),
            select(func.coalesce(func.sum(Account.balance), 0)).scalar_subquery(),
        )
    ).one()
    if balances != booked:
        differences.append(Difference("sources against balances", None, None, int(booked), int(balances)))
    differences += [Difference(f"unknown source {name!r}", None, None, 0, 1) for name in sources if name not in SOURCES]
    return Report(
        accounts=int(session.scalar(select(func.count(Account.id))) or 0),
        entries=int(session.scalar(select(func.count(Entry.id))) or 0),
        open_holds=int(session.scalar(select(func.count(Hold.id)).where(Hold.state == "open")) or 0),
        sources=sources,
        differences=differences,
    )


def _balances(session: Session) -> Iterator[Difference]:
    sums = (
        select(
            Entry.account_id,
            func.sum(Entry.amount).label("balance"),
            func.count().label("count"),
            func.max(Entry.sequence).label("last"),
        )
        .group_by(Entry.account_id)
        .subquery()
    )
    balance, count, last = (func.coalesce(sums.c[name], 0) for name in ("balance", "count", "last"))
    query = (
        select(Account.id, Account.balance, Account.sequence, balance, count, last)
        .outerjoin(sums, sums.c.account_id == Account.id)
        .where(or_(Account.balance != balance, Account.sequence != count, count != last))
    )
    for account_id, cached, sequence, summed, entries, highest in session.execute(query):
        if cached != summed:
            yield Difference("balance against its entries", account_id, None, int(summed), cached)
        if sequence != entries or entries != highest:
            yield Difference("sequence against its entries", account_id, None, int(entries), sequence)


def _running(session: Session) -> Iterator[Difference]:
    previous = func.lag(Entry.balance_after, 1, 0).over(partition_by=Entry.account_id, order_by=Entry.sequence)
    rows = select(
        Entry.id, Entry.account_id, Entry.balance_after, (previous + Entry.amount).label("expected")
    ).subquery()
    query = select(rows).where(rows.c.balance_after != rows.c.expected)
    for entry_id, account_id, found, expected in session.execute(query):
        yield Difference("balance after the entry", account_id, entry_id, int(expected), found)


def _reserved(session: Session) -> Iterator[Difference]:
    held = func.coalesce(func.sum(Hold.amount), 0)
    query = (
        select(Account.id, Account.reserved, held)
        .outerjoin(Hold, and_(Hold.account_id == Account.id, Hold.state == "open"))
        .group_by(Account.id, Account.reserved)
        .having(Account.reserved != held)
    )
    for account_id, found, expected in session.execute(query):
        yield Difference("reserved against open holds", account_id, None, int(expected), found)


def _captures(session: Session) -> Iterator[Difference]:
    booked = func.coalesce(func.sum(Entry.amount), 0)
    query = (
        select(Hold.id, Hold.account_id, Hold.captured, booked)
        .outerjoin(Entry, Entry.hold_id == Hold.id)
        .where(Hold.state == "captured")
        .group_by(Hold.id, Hold.account_id, Hold.captured)
        .having(booked != -Hold.captured)
    )
    for hold_id, account_id, captured, found in session.execute(query):
        yield Difference(f"entries of the captured hold {hold_id}", account_id, None, -(captured or 0), int(found))


def _reversals(session: Session) -> Iterator[Difference]:
    first = aliased(Entry)
    query = (
        select(Entry.id, Entry.account_id, Entry.amount, first.amount)
        .join(first, first.id == Entry.reverses_id)
        .where(or_(Entry.amount != -first.amount, Entry.account_id != first.account_id, Entry.source != first.source))
    )
    for entry_id, account_id, found, reversed_amount in session.execute(query):
        yield Difference("reversal against what it reverses", account_id, entry_id, -reversed_amount, found)


_CHECKS = (_balances, _running, _reserved, _captures, _reversals)
