"""Posting many entries at once: each by the rules of one, all by a few statements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import is_postgresql, one_of
from app.ledger import rules
from app.ledger.booking import Booked, find
from app.ledger.models import ACCOUNTS, ENTRIES, NOTES, Entry
from app.ledger.service import is_same

CHUNK = 5_000
"""Postings that one round takes together; SQLite takes no more than 32,766 values in a statement."""


class Posting(NamedTuple):
    """One entry that is asked for, with the arguments of `service.post`; amounts in millionths."""

    account_id: int
    amount: int
    source: str
    key: str
    title: str = ""
    detail: str = ""
    measured: bool = False
    at: datetime | None = None
    quantity: int | None = None

    @property
    def fingerprint(self) -> int:
        """The number that `service.post` would keep: one key means the same in both."""
        return rules.fingerprint(
            "post", self.account_id, self.amount, self.source, self.measured, self.quantity, self.at
        )


class Outcome(NamedTuple):
    """What became of a posting: the entry under its key, and whether it is `new`; or why it was refused.

    `refusal`: "insufficient", "key_reused", "no_account", "closed", or "" when it was not.
    """

    entry_id: int | None = None
    new: bool = False
    refusal: str = ""


@dataclass(slots=True)
class _Purse:
    """An account's figures while the batch is worked through."""

    balance: int
    reserved: int
    floor: int | None
    sequence: int
    closed: bool
    moved: bool = False


@dataclass(slots=True)
class _Plan:
    """What a round writes: rows of entries by column, each with its words, and their places; and what else is known."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def post_many(session: Session, *, postings: Sequence[Posting], now: datetime, enforce: bool = True) -> list[Outcome]:
    """Post each of `postings` in order, as `service.post` would, and return what became of each, in the same order.

    One that is refused leaves the others alone. `enforce` False (monitor mode): no guard refuses. Raises ValueError for
    an unknown source or an impossible key, before anything is written.
    """
    for posting in postings:
        rules.check_key(posting.key)
        if posting.source not in rules.SOURCES:
            raise ValueError(f"{posting.source!r} is no source")
    outcomes: list[Outcome] = []
    for first in range(0, len(postings), CHUNK):
        outcomes += _post_chunk(session, postings[first : first + CHUNK], now, enforce)
    return outcomes


def _post_chunk(session: Session, postings: Sequence[Posting], now: datetime, enforce: bool) -> list[Outcome]:
    session.flush()
    purses = _lock(session, {posting.account_id for posting in postings})
    # Looked for after the lock: a twin of this batch that was quicker has been waited for, and is seen.
    keys = [posting.key for posting in postings]
    known = {entry.key: entry for entry in find(session, one_of(session, Entry.key, keys))}
    plan = _plan(postings, purses, known, enforce)
    ids: dict[str, int] = {}
    if plan.rows:
        write = _write_in_one_statement if is_postgresql(session) else _write_in_steps
        ids = write(session, plan, {name: purse for name, purse in purses.items() if purse.moved}, now)
    new = set(plan.places)
    return [
        plan.outcomes.get(place) or Outcome(ids[posting.key], new=place in new)
        for place, posting in enumerate(postings)
    ]


def _lock(session: Session, account_ids: set[int]) -> dict[int, _Purse]:
    """Return the accounts' figures, locked in one order: two batches cannot wait for each other in a circle.

    No key of an account changes, so entries that others write may go on pointing at it (PostgreSQL manual, 13.3.2).
    """
    c = ACCOUNTS.c
    query = select(c.id, c.balance, c.reserved, c.floor, c.sequence, c.closed_at)
    query = query.where(one_of(session, c.id, sorted(account_ids))).order_by(c.id).with_for_update(key_share=True)
    return {
        name: _Purse(balance, reserved, floor, sequence, closed_at is not None)
        for name, balance, reserved, floor, sequence, closed_at in session.execute(query).all()
    }


def _plan(
    postings: Sequence[Posting],
    purses: dict[int, _Purse],
    known: Mapping[str, Booked],
    enforce: bool,
) -> _Plan:
    plan = _Plan()
    asked: dict[str, int] = {}
    for place, posting in enumerate(postings):
        fingerprint, purse = posting.fingerprint, purses.get(posting.account_id)
        entry = known.get(posting.key)
        if entry is not None:
            content = (posting.account_id, posting.amount, posting.source, posting.quantity)
            same = is_same(entry, fingerprint, content)
            plan.outcomes[place] = Outcome(entry.id) if same else Outcome(refusal="key_reused")
        elif posting.key in asked:
            if asked[posting.key] != fingerprint:
                plan.outcomes[place] = Outcome(refusal="key_reused")
        elif purse is None:
            plan.outcomes[place] = Outcome(refusal="no_account")
        elif refusal := _refusal(posting, purse, enforce):
            plan.outcomes[place] = Outcome(refusal=refusal)
        else:
            asked[posting.key] = fingerprint
            plan.places.append(place)
            plan.rows.append(_move(posting, purse, fingerprint))
    return plan


def _refusal(posting: Posting, purse: _Purse, enforce: bool) -> str:
    if posting.measured or posting.amount >= 0 or not enforce:
        return ""
    if purse.closed:
        return "closed"
    if purse.floor is not None and purse.balance - purse.reserved + posting.amount < purse.floor:
        return "insufficient"
    return ""


def _move(posting: Posting, purse: _Purse, fingerprint: int) -> dict[str, Any]:
    """Move the purse and return the entry's row, with its words."""
    amount, overrun = posting.amount, 0
    purse.balance += amount
    purse.sequence += 1
    purse.moved = True
    if posting.measured:
        overrun = rules.overrun(available=purse.balance - purse.reserved, amount=amount, floor=purse.floor)
    return {
        "key": posting.key,
        "account_id": posting.account_id,
        "sequence": purse.sequence,
        "amount": amount,
        "balance_after": purse.balance,
        "source": posting.source,
        "kind": "measured" if posting.measured else "guarded",
        "overrun": overrun,
        "quantity": posting.quantity,
        "fingerprint": fingerprint,
        "event_at": posting.at,
        "title": posting.title,
        "detail": posting.detail,
    }


ONE_STATEMENT = """
WITH asked AS MATERIALIZED (
  SELECT *, CASE WHEN title <> '' OR detail <> '' THEN nextval('notes_id_seq') END AS note_id
  FROM json_to_recordset(%(rows)s) AS e (
    account_id bigint, sequence bigint, amount bigint, balance_after bigint, source text, kind text, overrun bigint,
    quantity bigint, key text, fingerprint bigint, event_at timestamptz, title text, detail text)
), note AS (
  INSERT INTO notes (id, title, detail) SELECT note_id, title, detail FROM asked WHERE note_id IS NOT NULL
), moved AS (
  UPDATE accounts SET balance = accounts.balance + m.amount, sequence = m.sequence
  FROM (SELECT account_id, sum(amount) AS amount, max(sequence) AS sequence FROM asked GROUP BY account_id) AS m
  WHERE accounts.id = m.account_id
)
INSERT INTO entries (account_id, sequence, amount, balance_after, source, kind, overrun, quantity, key, fingerprint,
                     event_at, created_at, note_id)
SELECT account_id, sequence, amount, balance_after, source, kind, overrun, quantity, key, fingerprint,
       coalesce(event_at, %(now)s), %(now)s, note_id
FROM asked
RETURNING key, id
"""
"""JSON, since it is made and read by compiled code on both sides: arrays of values cost several times as much."""


WRITTEN = (
    "account_id",
    "sequence",
    "amount",
    "balance_after",
    "source",
    "kind",
    "overrun",
    "quantity",
    "fingerprint",
    "key",
)
INSERT_ENTRY = (
    f"INSERT INTO entries (id, note_id, event_at, created_at, {', '.join(WRITTEN)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * (len(WRITTEN) + 4))})"
)


def _write_in_one_statement(session: Session, plan: _Plan, moved: dict[int, _Purse], now: datetime) -> dict[str, int]:
    values = {"rows": json.dumps(plan.rows, default=datetime.isoformat), "now": now}
    return {row[0]: row[1] for row in session.connection().exec_driver_sql(ONE_STATEMENT, values).all()}


def _write_in_steps(session: Session, plan: _Plan, moved: dict[int, _Purse], now: datetime) -> dict[str, int]:
    """Write the rows with ids of our own choice: SQLite's writer is alone."""
    next_note, next_entry = (int(session.scalar(select(func.max(table.c.id))) or 0) + 1 for table in (NOTES, ENTRIES))
    notes, entries, written_at = [], [], _as_text(now)
    for place, row in enumerate(plan.rows):
        note_id = None
        if row["title"] or row["detail"]:
            note_id = next_note + place
            notes.append((note_id, row["title"], row["detail"]))
        at = _as_text(row["event_at"]) if row["event_at"] else written_at
        entries.append((next_entry + place, note_id, at, written_at, *map(row.__getitem__, WRITTEN)))
    moves = [(purse.balance, purse.sequence, name) for name, purse in moved.items()]
    connection = session.connection()  # to the driver: SQLAlchemy's part would cost more than SQLite's
    if notes:
        connection.exec_driver_sql("INSERT INTO notes (id, title, detail) VALUES (?, ?, ?)", notes)
    connection.exec_driver_sql(INSERT_ENTRY, entries)
    connection.exec_driver_sql("UPDATE accounts SET balance = ?, sequence = ? WHERE id = ?", moves)
    return {posting[-1]: posting[0] for posting in entries}


def _as_text(instant: datetime) -> str:
    """An instant as the type of its column stores it in SQLite: in UTC, without its zone."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
