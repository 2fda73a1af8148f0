"""The history of the books only grows: every entry that a verification saw is still there, as it was.

This finds what leaves no trace in the books themselves: an entry edited or deleted together with all balances after it.
A verification keeps sums over blocks of entries (`sealed`), and the next one compares. One that finds a difference in
the past keeps nothing new, so that the difference is named until it is mended or accepted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import String, cast, delete, func, insert, select, type_coerce
from sqlalchemy.orm import Session

from app.ledger import rules
from app.ledger.checks import rows
from app.ledger.differences import LISTED_MAX, Difference
from app.ledger.models import Entry, EntryBlock, Hold, Verification
from app.ledger.sealed import BLOCK, Sealer, Sums, Totals, copy_totals, the_change, totals_to_json

Progress = Callable[[str, int], None]
PROGRESS_EVERY: Final = 20_000
DELETED: Final = "entry was deleted"
HASHED: Final = 14
"""So many fields of an entry, in the order of `_entries`, make its number."""
SETTLE_S: Final = 10.0
"""How long to wait for transactions that were at work when we began (PostgreSQL)."""


@dataclass
class Base:
    """What the last verification kept: its row, and the sums of every block of entries up to `until`."""

    id: int
    at: datetime
    until: int
    sources: str
    seal: str
    follows_id: int
    blocks: dict[int, Sums]


@dataclass
class Reading:
    """What one pass over all entries, by id, has seen. `until`: what is kept now; None keeps nothing."""

    until: int | None
    count: int = 0
    sources: Totals = field(default_factory=dict)
    sources_then: Totals = field(default_factory=dict)
    sources_until: Totals = field(default_factory=dict)
    blocks: dict[int, Sums] = field(default_factory=dict)
    edge: Sums = field(default_factory=Sums)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


def settled_until(session: Session) -> int | None:
    """Return an entry id up to which nothing can still appear; None where that is not to be had.

    SQLite's writer is alone: the highest id. PostgreSQL gives ids before a transaction commits, so an entry may appear
    below the highest: the id holds once every transaction of that moment has ended. Those have lower numbers than the
    one we take then (PostgreSQL manual, 9.27.9). Waits up to `SETTLE_S` seconds; ends the session's transaction.
    """
    highest = select(func.coalesce(func.max(Entry.id), 0))
    if session.get_bind().dialect.name == "sqlite":
        return int(session.scalar(highest) or 0)
    ours = cast(func.pg_current_xact_id(), String)
    until, bound = session.execute(highest.add_columns(ours)).one()
    session.rollback()
    oldest = select(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), String))
    deadline = time.monotonic() + SETTLE_S
    while int(session.scalar(oldest) or 0) < int(bound):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.05)
    return int(until)


def load_base(session: Session) -> Base | None:
    """Return what the last verification kept; None before the first."""
    row = session.scalar(
        select(Verification).where(Verification.seal.is_not(None)).order_by(Verification.id.desc()).limit(1)
    )
    if row is None:
        return None
    columns = select(
        EntryBlock.number, EntryBlock.count, EntryBlock.amount, EntryBlock.digest, EntryBlock.by_id,
        EntryBlock.by_account,
    ).order_by(EntryBlock.number)  # fmt: skip
    blocks = {number: Sums(*values) for number, *values in rows(session, columns)}
    return Base(row.id, row.at, row.entries_until or 0, row.sources, row.seal or "", row.follows_id or 0, blocks)


def read_entries(
    session: Session, *, sealer: Sealer | None, base: Base | None, until: int | None, progress: Progress
) -> Reading:
    """Read every entry once, by id, and sum up; what the request's fingerprint contradicts is named on the way."""
    reading = Reading(until)
    base_until = base.until if base else 0
    keep_until = max(until or 0, base_until)
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    sources, blocks, number, sums, last_id = reading.sources, reading.blocks, -1, Sums(), 0
    base_done = until_done = False
    for row in rows(session, _entries(is_sqlite)):
        entry_id, account_id, amount, source = row[:4]
        if type(amount) is not int:
            amount = 0  # named by `impossible_rows`
        if not base_done and entry_id > base_until:
            base_done = _note_then(reading, base_until)
        if not until_done and entry_id > keep_until:
            until_done, reading.sources_until = True, copy_totals(sources)
        if sealer is not None and not until_done:
            if entry_id // BLOCK != number:
                number = entry_id // BLOCK
                sums = blocks[number] = Sums()
            sums.add(entry_id, account_id, amount, sealer.number(tuple(row)[:HASHED]))
        total = sources.setdefault(source, [0, 0])
        total[0] += 1
        total[1] += amount
        reading.count += 1
        if is_sqlite and entry_id != last_id + 1 and len(reading.gaps) < LISTED_MAX:
            reading.gaps.append((last_id + 1, entry_id - 1))
        last_id = entry_id
        if row[8] is not None and not _fits(row) and len(reading.differences) < LISTED_MAX:
            text_ = "its account, amount, source, kind, quantity or time is not what was asked for under its key"
            reading.differences.append(Difference("content of the entry", account_id, entry_id, None, None, text_))
        if reading.count % PROGRESS_EVERY == 0:
            progress("entries read", reading.count)
    if not base_done:
        _note_then(reading, base_until)
    if not until_done:
        reading.sources_until = copy_totals(sources)
    reading.blocks = {number: sums.reduced() for number, sums in blocks.items()}
    return reading


def _note_then(reading: Reading, base_until: int) -> bool:
    """Note the sums as they are at the end of what was kept: the entries after it may share the last block."""
    reading.edge = reading.blocks.get(base_until // BLOCK, Sums()).reduced()
    reading.sources_then = copy_totals(reading.sources)
    return True


def _entries(is_sqlite: bool) -> Any:
    """Every field of every entry but what is recomputed from others (place, balance after), and its hold's sum."""
    held = select(
        Entry.id, Entry.account_id, Entry.amount, Entry.source, Entry.kind, Entry.overrun, Entry.quantity, Entry.key,
        Entry.fingerprint, Entry.reverses_id, Entry.hold_id, Entry.note_id, _instant(Entry.event_at, is_sqlite),
        _instant(Entry.created_at, is_sqlite), Hold.captured,
    )  # fmt: skip
    return held.outerjoin(Hold, Hold.id == Entry.hold_id).order_by(Entry.id)


def _instant(column: Any, is_sqlite: bool) -> Any:
    """An instant as text, in UTC, as SQLite keeps it."""
    if is_sqlite:
        return type_coerce(column, String)
    return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS.US")


def _fits(row: Any) -> bool:
    """Whether an entry is what its fingerprint says was asked for; as `service` and `batch` make fingerprints."""
    _id, account_id, amount, source, kind, _overrun, quantity, key, fingerprint, reverses_id, hold_id, *rest = row
    _note_id, event_at, created_at, captured = rest
    if reverses_id is not None:
        part = abs(amount) if type(amount) is int else 0
        # Whether one that was to undo the whole does, `checks.reversals` compares.
        return fingerprint in (rules.reversal_fingerprint(reverses_id), rules.reversal_fingerprint(reverses_id, part))
    content: tuple[int | str | bool | None, ...]
    if hold_id is None:
        content = ("post", account_id, amount, source, kind == "measured", quantity)
    elif key.endswith(":beyond"):
        return True  # asked for with the first part, which has the quantity; the sum is compared with the hold's
    else:
        content = ("capture", hold_id, -amount if captured is None else captured, quantity)
    try:
        at = datetime.fromisoformat(event_at).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return False
    # When it happened is asked for, or is the moment of booking.
    asked = (at,) if event_at != created_at else (None, at)
    return any(fingerprint == rules.fingerprint(*content, instant) for instant in asked)


def compare(session: Session, *, sealer: Sealer, base: Base, reading: Reading) -> Iterator[Difference]:
    """Name what is not as it was at the verification that `base` was kept by."""
    when = f"{base.at:%Y-%m-%d %H:%M:%S} UTC"
    if seal_of(sealer, base) != base.seal:
        text_ = f"what the verification of {when} kept was changed, or secrets/secret.key was; the past is not compared"
        yield Difference("the kept history does not fit its seal", None, None, None, None, text_)
        return
    last, is_clear = base.until // BLOCK, True
    for number in sorted(base.blocks.keys() | {number for number in reading.blocks if number <= last}):
        kept, now = base.blocks.get(number, Sums()), reading.blocks.get(number, Sums())
        if number == last:
            now = reading.edge
        if kept != now:
            named = _named(session, kept, now, range(number * BLOCK, min((number + 1) * BLOCK, base.until + 1)), when)
            is_clear = is_clear and named is not None
            yield named or _unclear(kept, now, number, when)
    if not is_clear:
        yield from _sources(json.loads(base.sources), reading.sources_then, base.until, when)


def _named(session: Session, kept: Sums, now: Sums, ids: range, when: str) -> Difference | None:
    """Name the one entry by which a block differs; None where it is not one."""
    change = the_change(kept, now)
    if change is None or change.entry_id not in ids:
        return None
    entry_id, text_ = change.entry_id, f"compared with the verification of {when}"
    row = session.execute(select(Entry.account_id, Entry.amount).where(Entry.id == entry_id)).first()
    if row is None:
        return Difference(DELETED, change.account_id, entry_id, -change.amount, None, text_, micro=True)
    if change.count:
        return Difference("entry was put into the past", row[0], entry_id, None, row[1], text_, micro=True)
    if change.amount:
        before = row[1] - change.amount
        return Difference("amount of the entry was changed", row[0], entry_id, before, row[1], text_, micro=True)
    return Difference("entry was changed", row[0], entry_id, None, None, f"not its amount; {text_}")


def _unclear(kept: Sums, now: Sums, number: int, when: str) -> Difference:
    text_ = f"among ids {number * BLOCK} to {(number + 1) * BLOCK - 1}; compared with the verification of {when}"
    return Difference("several entries of the past were changed", None, None, kept.count, now.count, text_)


def _sources(kept: Totals, now: Totals, until: int, when: str) -> Iterator[Difference]:
    for source in sorted(kept.keys() | now.keys()):
        was, has = kept.get(source, [0, 0]), now.get(source, [0, 0])
        text_ = f"of {source} up to entry {until}; compared with the verification of {when}"
        if was[0] != has[0]:
            yield Difference("number of entries of a source", None, None, was[0], has[0], text_)
        if was[1] != has[1]:
            yield Difference("total of a source", None, None, -was[1], -has[1], text_, micro=True)


def gaps(reading: Reading, known: set[int]) -> Iterator[Difference]:
    """Name the ids that are missing, but for those `known` to be deleted. SQLite numbers entries without a gap."""
    for first, last in reading.gaps:
        if known.issuperset(range(first, min(last, first + LISTED_MAX) + 1)):
            continue
        ids = f"id {first} is" if first == last else f"ids {first} to {last} are"
        yield Difference("entries are missing", None, last + 1, None, None, f"{ids} missing before this entry")


def seal_of(sealer: Sealer, base: Base) -> str:
    """Return the seal that what was kept should have."""
    blocks = sorted(base.blocks.items())
    return sealer.seal(until=base.until, follows_id=base.follows_id, sources=base.sources, blocks=blocks)


def keep(
    session: Session, *, row: Verification, reading: Reading, base: Base | None, sealer: Sealer, afresh: bool
) -> None:
    """Keep in `row` and beside it what the next verification compares with. `afresh`: the past as it is now.

    Nothing is kept when another verification did so since `base` was loaded. Two at once cannot both follow one:
    UNIQUE(follows_id).
    """
    newest = session.scalar(select(func.max(Verification.id)).where(Verification.seal.is_not(None)))
    base_id = base.id if base else 0
    if reading.until is None or (newest or 0) != base_id:
        return
    first = base.until // BLOCK if base and not afresh else 0
    session.execute(delete(EntryBlock).where(EntryBlock.number >= first))
    names = ("number", "count", "amount", "digest", "by_id", "by_account")
    new = [
        dict(zip(names, (number, *sums.values), strict=True))
        for number, sums in sorted(reading.blocks.items())
        if number >= first
    ]
    if new:
        session.execute(insert(EntryBlock), new)
    row.entries_until, row.follows_id = reading.until, base_id
    row.sources = totals_to_json(reading.sources_until)
    row.seal = sealer.seal(
        until=reading.until, follows_id=base_id, sources=row.sources, blocks=sorted(reading.blocks.items())
    )
