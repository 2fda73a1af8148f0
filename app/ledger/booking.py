"""Writing one entry: the balance moves and the entry stands, or neither. The only place that inserts single entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.orm import Session

from app.db import is_postgresql, run_statement
from app.ledger import rules
from app.ledger.models import ENTRIES, Entry


@dataclass(slots=True, kw_only=True)
class Booking:
    """An entry to be written; amounts in millionths. `guarded`: the database refuses what would pass the floor."""

    account_id: int
    amount: int
    source: str
    key: str
    now: datetime
    at: datetime
    title: str
    detail: str
    guarded: bool
    measured: bool
    fingerprint: int
    quantity: int | None = None
    hold_id: int | None = None
    reverses_id: int | None = None

    @property
    def may_refuse(self) -> bool:
        """Whether the floor matters: a credit passes none."""
        return self.guarded and self.amount < 0


class Booked(NamedTuple):
    """An entry that stands in the books, as Entry has it. Not an object of the session: nobody changes an entry."""

    id: int
    account_id: int
    sequence: int
    amount: int
    balance_after: int
    source: str
    kind: str
    overrun: int
    quantity: int | None
    key: str
    fingerprint: int | None
    reverses_id: int | None
    hold_id: int | None
    event_at: datetime
    created_at: datetime


def find(session: Session, *conditions: ColumnElement[bool]) -> list[Booked]:
    """Return the entries that fulfil the conditions on Entry, oldest first."""
    query = select(*(ENTRIES.c[name] for name in Booked._fields)).where(*conditions).order_by(Entry.id)
    return [Booked(*row) for row in session.execute(query)]


def book(session: Session, booking: Booking) -> Booked | None:
    """Write the entry and return it; None, and nothing is changed, when there is no such account,
    the guard refuses, or there is an entry of this key.

    Raises IntegrityError (PostgreSQL) when a twin books the same key at this moment: `writing` then runs again and
    finds the twin's entry.
    """
    if booking.source not in rules.SOURCES:
        raise ValueError(f"{booking.source!r} is no source")
    if is_postgresql(session):
        return _book_in_one_statement(session, booking)
    return _book_in_steps(session, booking)


ONE_STATEMENT = """
WITH moved AS (
  UPDATE accounts SET balance = balance + %(amount)s, sequence = sequence + 1
  WHERE id = %(account_id)s
    AND (NOT %(guarded)s
         OR (closed_at IS NULL AND (floor IS NULL OR balance - reserved + %(amount)s >= floor)))
    AND NOT EXISTS (SELECT FROM entries WHERE key = %(key)s)
  RETURNING sequence, balance, balance - reserved AS available, floor,
            CASE WHEN %(noted)s THEN nextval('notes_id_seq') END AS note_id
), note AS (
  INSERT INTO notes (id, title, detail) SELECT note_id, %(title)s, %(detail)s FROM moved WHERE note_id IS NOT NULL
)
INSERT INTO entries (account_id, sequence, amount, balance_after, source, kind, overrun, quantity, key, fingerprint,
                     reverses_id, hold_id, note_id, event_at, created_at)
SELECT %(account_id)s, sequence, %(amount)s, balance, %(source)s, %(kind)s,
       CASE WHEN floor IS NULL OR %(free)s THEN 0 ELSE greatest(0, least(-(%(amount)s)::bigint, floor - available)) END,
       %(quantity)s, %(key)s, %(fingerprint)s, %(reverses_id)s, %(hold_id)s, note_id, %(at)s, %(now)s
FROM moved
RETURNING id, sequence, balance_after, overrun
"""
"""A row that waited for another transaction is looked at anew before it moves (PostgreSQL manual, 13.2.1), so that the
guard sees the balance as it is; a twin's key that the look-up cannot see yet fails at the unique index."""


def _book_in_one_statement(session: Session, booking: Booking) -> Booked | None:
    values = {
        "account_id": booking.account_id,
        "amount": booking.amount,
        "guarded": booking.may_refuse,
        "key": booking.key,
        "title": booking.title,
        "detail": booking.detail,
        "noted": bool(booking.title or booking.detail),
        "source": booking.source,
        "kind": _kind(booking),
        "free": not booking.measured or booking.amount >= 0,
        "quantity": booking.quantity,
        "fingerprint": booking.fingerprint,
        "reverses_id": booking.reverses_id,
        "hold_id": booking.hold_id,
        "at": booking.at,
        "now": booking.now,
    }
    row = run_statement(session, ONE_STATEMENT, values)
    return None if row is None else _booked(booking, *row)


KNOWN = "SELECT id FROM entries WHERE key = :key"
MOVE = """
UPDATE accounts SET balance = balance + :amount, sequence = sequence + 1
WHERE id = :account_id
  AND (NOT :guarded OR (closed_at IS NULL AND (floor IS NULL OR balance - reserved + :amount >= floor)))
RETURNING sequence, balance, balance - reserved AS available, floor
"""
NOTE = "INSERT INTO notes (title, detail) VALUES (:title, :detail) RETURNING id"
WRITE = insert(ENTRIES).returning(ENTRIES.c.id)
"""The steps on SQLite; made once, since making a statement takes longer than running it."""


def _book_in_steps(session: Session, booking: Booking) -> Booked | None:
    if run_statement(session, KNOWN, {"key": booking.key}) is not None:
        return None
    asked = {"account_id": booking.account_id, "amount": booking.amount, "guarded": booking.may_refuse}
    row = run_statement(session, MOVE, asked)
    if row is None:
        return None
    sequence, balance, available, floor = row
    overrun = rules.overrun(available=available, amount=booking.amount, floor=floor) if booking.measured else 0
    note = None
    if booking.title or booking.detail:
        note = run_statement(session, NOTE, {"title": booking.title, "detail": booking.detail})
    values = {
        "account_id": booking.account_id,
        "sequence": sequence,
        "amount": booking.amount,
        "balance_after": balance,
        "source": booking.source,
        "kind": _kind(booking),
        "overrun": overrun,
        "quantity": booking.quantity,
        "key": booking.key,
        "fingerprint": booking.fingerprint,
        "reverses_id": booking.reverses_id,
        "hold_id": booking.hold_id,
        "note_id": note and note[0],
        "event_at": booking.at,
        "created_at": booking.now,
    }
    entry_id = session.connection().execute(WRITE, values).scalar_one()
    return _booked(booking, entry_id, sequence, balance, overrun)


def _booked(booking: Booking, entry_id: int, sequence: int, balance_after: int, overrun: int) -> Booked:
    return Booked(
        entry_id,
        booking.account_id,
        sequence,
        booking.amount,
        balance_after,
        booking.source,
        _kind(booking),
        overrun,
        booking.quantity,
        booking.key,
        booking.fingerprint,
        booking.reverses_id,
        booking.hold_id,
        booking.at,
        booking.now,
    )


def _kind(booking: Booking) -> str:
    return "measured" if booking.measured else "guarded"
