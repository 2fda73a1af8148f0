"""Reading the books: an account's lines, one line, and its balance over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session, aliased

from app.ledger.models import Entry, Hold, Note


@dataclass(frozen=True)
class Line:
    """One entry as a person reads it; amounts in millionths. `at` is when it happened, `booked_at` when it was written.

    `given_back`: what the entry that reverses this one moved, which may be a part.

    Lines stand in the order in which they were booked: only in that order does the balance run from line to line.
    """

    entry_id: int
    sequence: int
    at: datetime
    booked_at: datetime
    title: str
    detail: str
    amount: int
    balance: int
    source: str
    overrun: int
    quantity: int | None
    hold_id: int | None
    reverses_id: int | None
    reversed_by_id: int | None
    given_back: int = 0

    @property
    def is_beyond_hold(self) -> bool:
        """Whether this is the part of a capture that went beyond what was held: its quantity stands on the first."""
        return self.hold_id is not None and self.quantity is None


@dataclass(frozen=True)
class Selection:
    """Which lines: `sign` 1 only credits, -1 only charges; `since` (inclusive) and `until` (exclusive) when booked."""

    sources: tuple[str, ...] = ()
    sign: int = 0
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Selection()
INSTANT = timedelta(microseconds=1)
"""The books' clock has no shorter step."""

SEARCHED_LINES = 500
"""How many lines `balance_at` reads at the place that it looked for; and how far clocks may have disagreed there."""


@dataclass(frozen=True)
class Day:
    """A local day: the sum of its credits, and the balance at its end; millionths."""

    on: date
    credited: int
    balance: int


@dataclass(frozen=True)
class Holds:
    """What is set aside now: millionths, and how many things it is for."""

    amount: int = 0
    count: int = 0
    sources: tuple[str, ...] = ()


def lines(
    session: Session,
    *,
    account_id: int,
    limit: int,
    before_sequence: int | None = None,
    selection: Selection = EVERYTHING,
) -> list[Line]:
    """Return at most `limit` lines, newest first; `before_sequence` (exclusive) continues a page."""
    query = _lines_query().where(*_chosen(account_id, selection)).order_by(Entry.sequence.desc()).limit(limit)
    if before_sequence is not None:
        query = query.where(Entry.sequence < before_sequence)
    return [_line(*row) for row in session.execute(query)]


def line(session: Session, *, account_id: int, entry_id: int) -> Line | None:
    """Return one line of this account; None for an entry that is another account's, or is not there."""
    row = session.execute(_lines_query().where(Entry.account_id == account_id, Entry.id == entry_id)).one_or_none()
    return _line(*row) if row else None


def count_lines(
    session: Session, *, account_id: int, selection: Selection = EVERYTHING, from_sequence: int | None = None
) -> int:
    """Return how many lines there are, all in all or from `from_sequence` on."""
    query = select(func.count()).select_from(Entry).where(*_chosen(account_id, selection))
    if from_sequence is not None:
        query = query.where(Entry.sequence >= from_sequence)
    return int(session.scalar(query) or 0)


def lines_of_hold(session: Session, *, account_id: int, hold_id: int) -> list[Line]:
    """Return the lines that a hold was captured in, oldest first: one, or two when more was used than held."""
    query = _lines_query().where(Entry.account_id == account_id, Entry.hold_id == hold_id).order_by(Entry.sequence)
    return [_line(*row) for row in session.execute(query)]


def open_holds(session: Session, *, account_id: int) -> Holds:
    """Return what is set aside on an account now."""
    rows = session.execute(
        select(Hold.source, func.sum(Hold.amount), func.count())
        .where(Hold.account_id == account_id, Hold.state == "open")
        .group_by(Hold.source)
        .order_by(Hold.source)
    ).all()
    return Holds(sum(int(row[1]) for row in rows), sum(row[2] for row in rows), tuple(row[0] for row in rows))


def by_day(session: Session, *, account_id: int, today: date, days: int, zone: ZoneInfo) -> list[Day]:
    """Return the last `days` local days up to `today`, oldest first. The sums are the database's, not a row a line."""
    first = today - timedelta(days=days - 1)
    starts = [datetime.combine(first + timedelta(days=offset), datetime.min.time(), zone) for offset in range(days)]
    mine = Entry.account_id == account_id
    # A day's number is the highest whose start is not after the entry.
    number = case(*((Entry.created_at >= start, index) for index, start in reversed(list(enumerate(starts)))))
    sums = (
        select(
            number.label("day"),
            func.coalesce(func.sum(case((Entry.amount > 0, Entry.amount))), 0).label("credited"),
            func.max(Entry.sequence).label("last"),
        )
        .where(mine, Entry.created_at >= starts[0])
        .group_by("day")
        .subquery()
    )
    rows = session.execute(
        select(sums.c.day, sums.c.credited, Entry.balance_after).join(Entry, and_(mine, Entry.sequence == sums.c.last))
    )
    moved = {index: (int(credited), balance) for index, credited, balance in rows}
    balance = balance_at(session, account_id=account_id, at=starts[0].astimezone(UTC) - INSTANT)
    result = []
    for index in range(days):
        credited, balance = moved.get(index, (0, balance))
        result.append(Day(first + timedelta(days=index), credited, balance))
    return result


def balance_at(session: Session, *, account_id: int, at: datetime) -> int:
    """Return the balance in millionths after the last line booked at or before `at`; 0 before the first.

    Lines are numbered in the order of their booking, so the place is found by halving: twenty look-ups for a million
    lines, in the index that is there. Clocks of several machines, or one set back, may disagree over up to
    `SEARCHED_LINES` lines.
    """
    low, high = 0, session.scalar(select(func.max(Entry.sequence)).where(Entry.account_id == account_id)) or 0
    while high - low > SEARCHED_LINES:
        middle = (low + high) // 2
        if _booked_at(session, account_id, middle) <= at:
            low = middle
        else:
            high = middle
    near = Entry.sequence.between(low - SEARCHED_LINES, high + SEARCHED_LINES)
    balance = session.scalar(
        select(Entry.balance_after)
        .where(Entry.account_id == account_id, near, Entry.created_at <= at)
        .order_by(Entry.sequence.desc())
        .limit(1)
    )
    return balance or 0


def balance_on(session: Session, *, account_id: int, day: date, zone: ZoneInfo) -> int:
    """Return the balance in millionths at the end of a day on the clock of `zone`."""
    following = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
    return balance_at(session, account_id=account_id, at=following.astimezone(UTC) - INSTANT)


def charged_since(session: Session, *, account_id: int, since: datetime, sources: Sequence[str]) -> tuple[int, int]:
    """Return (millionths charged, as a positive number; quantity) by `sources` since an instant."""
    amount, quantity = session.execute(
        select(func.coalesce(func.sum(Entry.amount), 0), func.coalesce(func.sum(Entry.quantity), 0)).where(
            Entry.account_id == account_id, Entry.event_at >= since, Entry.source.in_(sources)
        )
    ).one()
    return -int(amount or 0), int(quantity or 0)


_Reversal = aliased(Entry)


def _lines_query() -> Select[Entry, Note, int, int]:
    return (
        select(Entry, Note, _Reversal.id, _Reversal.amount)
        .outerjoin(Note, Note.id == Entry.note_id)
        .outerjoin(_Reversal, _Reversal.reverses_id == Entry.id)
    )


def _booked_at(session: Session, account_id: int, sequence: int) -> datetime:
    """When the line of that number was booked, or the next that is there: books that were tampered with have gaps."""
    return session.scalars(
        select(Entry.created_at)
        .where(Entry.account_id == account_id, Entry.sequence >= sequence)
        .order_by(Entry.sequence)
        .limit(1)
    ).one()


def _chosen(account_id: int, selection: Selection) -> list[ColumnElement[bool]]:
    conditions = [Entry.account_id == account_id]
    if selection.sources:
        conditions.append(Entry.source.in_(selection.sources))
    if selection.sign:
        conditions.append(Entry.amount > 0 if selection.sign > 0 else Entry.amount <= 0)
    if selection.since is not None:
        conditions.append(Entry.created_at >= selection.since)
    if selection.until is not None:
        conditions.append(Entry.created_at < selection.until)
    return conditions


def _line(entry: Entry, note: Note | None, reversed_by_id: int | None, given_back: int | None) -> Line:
    return Line(
        entry_id=entry.id,
        sequence=entry.sequence,
        at=entry.event_at,
        booked_at=entry.created_at,
        title=note.title if note else "",
        detail=note.detail if note else "",
        amount=entry.amount,
        balance=entry.balance_after,
        source=entry.source,
        overrun=entry.overrun,
        quantity=entry.quantity,
        hold_id=entry.hold_id,
        reverses_id=entry.reverses_id,
        reversed_by_id=reversed_by_id,
        given_back=given_back or 0,
    )
