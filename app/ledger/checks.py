"""What verification recomputes by set-based SQL: each check yields what differs, by account and entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Numeric, and_, case, cast, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.ledger import rules
from app.ledger.differences import Difference
from app.ledger.models import Account, AccountDefaults, Entry, Hold, Note
from app.ledger.rules import SOURCES

Check = Callable[[Session], Iterator[Difference]]
FETCH: Final = 1000


def rows(session: Session, query: Any) -> Iterator[Any]:
    """Yield rows of columns as the database finds them: a thousand at a time are in memory."""
    yield from session.connection().execute(query, execution_options={"yield_per": FETCH})


def exact(column: Any) -> Any:
    """A 64-bit column that may be added to: an amount that was edited to the largest number must not stop us."""
    return cast(column, Numeric(40, 0))


def places_and_balances(session: Session) -> Iterator[Difference]:
    """Each account's entries have the places 1, 2, 3...; each balance follows from the one before; the account has the
    last of them. One pass over all entries, in the database."""
    order: Any = {"partition_by": Entry.account_id, "order_by": (Entry.sequence, Entry.id)}
    lines = select(
        Entry.id,
        Entry.account_id,
        Entry.sequence,
        Entry.amount,
        Entry.balance_after,
        func.lag(Entry.id).over(**order).label("before_id"),
        func.lag(Entry.sequence, 1, 0).over(**order).label("sequence_before"),
        func.lag(Entry.balance_after, 1, 0).over(**order).label("balance_before"),
        func.lag(Entry.amount, 1, 0).over(**order).label("amount_before"),
        func.lag(Entry.balance_after, 2, 0).over(**order).label("balance_two_before"),
        func.lead(Entry.id).over(**order).label("next_id"),
        func.lead(Entry.amount).over(**order).label("next_amount"),
        func.lead(Entry.balance_after).over(**order).label("next_balance"),
    ).subquery()
    line = lines.c
    broken = or_(
        exact(line.sequence) != exact(line.sequence_before) + 1,
        exact(line.balance_after) != exact(line.balance_before) + exact(line.amount),
    )
    last = and_(
        line.next_id.is_(None),
        or_(Account.id.is_(None), Account.sequence != line.sequence, Account.balance != line.balance_after),
    )
    query = (
        select(lines, Account.id, Account.sequence, Account.balance)
        .outerjoin(Account, Account.id == line.account_id)
        .where(or_(broken, last))
        .order_by(line.account_id, line.sequence, line.id)
    )
    for row in rows(session, query):
        *values, account_id, sequence, balance = row
        found = dict(zip(lines.c.keys(), values, strict=True))
        yield from _line(found, balance)
        if found["next_id"] is None:
            yield from _end_of_account(found, account_id, sequence, balance)
    empty = select(Account.id, Account.sequence, Account.balance).where(
        or_(Account.sequence != 0, Account.balance != 0),
        ~select(Entry.id).where(Entry.account_id == Account.id).exists(),
    )
    for account_id, sequence, balance in rows(session, empty):
        if sequence > 0:
            text = f"{_places(1, sequence)}: all of them"
            yield Difference("entries are missing", account_id, None, balance, None, text, micro=True)
        else:
            yield Difference("balance of the account", account_id, None, 0, balance, "it has no entry", micro=True)


def _line(line: dict[str, Any], account_balance: int | None) -> Iterator[Difference]:
    """What is wrong between an entry and the one before it."""
    if not _is_whole(line):
        return
    where = (line["account_id"], line["id"])
    after = f"after entry {line['before_id']}" if line["before_id"] is not None else "at the account's beginning"
    implied = line["balance_before"] + line["amount"]
    expected = line["sequence_before"] + 1
    if line["sequence"] == line["sequence_before"] and line["before_id"] is not None:
        yield Difference("place taken twice", *where, expected, line["sequence"], f"by entry {line['before_id']} too")
    elif line["sequence"] > expected:
        text = f"{_places(expected, line['sequence'] - 1)}, {after} and before this one"
        missing = line["balance_after"] - implied
        yield Difference("entries are missing", *where, missing, None, text, micro=True)
    elif line["sequence"] != expected:
        yield Difference("place of the entry", *where, expected, line["sequence"], after)
    elif line["balance_after"] != implied:
        if line["balance_two_before"] + line["amount_before"] + line["amount"] == line["balance_after"]:
            return  # the balance after the entry before is wrong, and was named there
        next_fits = line["next_id"] is not None and line["next_balance"] == implied + line["next_amount"]
        last_fits = line["next_id"] is None and account_balance == implied
        if next_fits or last_fits:
            yield Difference("balance after the entry", *where, implied, line["balance_after"], after, micro=True)
        else:
            needed = line["balance_after"] - line["balance_before"]
            text = f"by the balances around it, {after}"
            yield Difference("amount of the entry", *where, needed, line["amount"], text, micro=True)


def _end_of_account(
    line: dict[str, Any], account_id: int | None, sequence: int | None, balance: int | None
) -> Iterator[Difference]:
    """What is wrong between an account and its last entry."""
    if not _is_whole(line):
        return
    if account_id is None or sequence is None or balance is None:
        text = "there is no such account; this is the last of its entries"
        yield Difference("entry without an account", line["account_id"], line["id"], None, line["account_id"], text)
        return
    fits = balance in (line["balance_after"], line["balance_before"] + line["amount"])
    if sequence > line["sequence"]:
        text = f"{_places(line['sequence'] + 1, sequence)}, at the end, after this one"
        text += "; or the account's count was raised" if fits else ""
        missing = balance - line["balance_after"]
        yield Difference("entries are missing", account_id, line["id"], missing, None, text, micro=True)
        return
    if sequence < line["sequence"]:
        text = "the account's count of entries is lower than the place of its last"
        yield Difference("sequence of the account", account_id, line["id"], line["sequence"], sequence, text)
    if not fits:
        text = "by its last entry"
        yield Difference(
            "balance of the account", account_id, line["id"], line["balance_after"], balance, text, micro=True
        )


def _is_whole(line: dict[str, Any]) -> bool:
    """Whether its numbers are numbers; `impossible_rows` names it where they are not."""
    return all(isinstance(line[name], int) for name in ("amount", "balance_after", "sequence"))


def _places(first: int, last: int) -> str:
    return f"place {first}" if first == last else f"places {first} to {last}"


def repeated_keys(session: Session) -> Iterator[Difference]:
    """One entry, and one hold, for each key."""
    for table, noun in ((Entry, "entry"), (Hold, "hold")):
        twice = select(table.key, func.min(table.id).label("first_id")).group_by(table.key).having(func.count() > 1)
        twins = twice.subquery()
        query = (
            select(table.id, table.account_id, twins.c.first_id)
            .join(twins, and_(twins.c.key == table.key, twins.c.first_id != table.id))
            .order_by(table.id)
        )
        for found_id, account_id, first_id in rows(session, query):
            entry_id, text = (found_id, "") if table is Entry else (None, f"hold {found_id}: ")
            yield Difference("key used twice", account_id, entry_id, None, None, f"{text}as {noun} {first_id}")


def doubled(session: Session) -> Iterator[Difference]:
    """No two entries of one account share their words and are alike in amount, source, time and quantity."""
    alike = (Entry.account_id, Entry.note_id, Entry.amount, Entry.source, Entry.event_at)
    # Few columns first: two entries of one account that share a note are rare.
    shared = (
        select(Entry.account_id, Entry.note_id)
        .where(Entry.note_id.is_not(None))
        .group_by(Entry.account_id, Entry.note_id)
        .having(func.count() > 1)
        .subquery()
    )
    first_id = func.min(Entry.id).over(partition_by=(*alike, Entry.quantity, Entry.reverses_id)).label("first_id")
    lines = (
        select(Entry.id, Entry.account_id, first_id)
        .join(shared, and_(shared.c.account_id == Entry.account_id, shared.c.note_id == Entry.note_id))
        .subquery()
    )
    for entry_id, account_id, first in rows(session, select(lines).where(lines.c.id != lines.c.first_id)):
        yield Difference(
            "doubled entry", account_id, entry_id, None, None, f"in all but key and place as entry {first}"
        )


def impossible_rows(session: Session) -> Iterator[Difference]:
    """What no entry can be: of an unknown source or kind, with an overrun larger than its charge, without a key."""
    charge = case((Entry.amount < 0, -exact(Entry.amount)), else_=0)
    queries: list[tuple[str, Any, Any]] = [
        ("unknown source", Entry.source.not_in(SOURCES), Entry.source),
        ("unknown kind", Entry.kind.not_in(("guarded", "measured")), Entry.kind),
        ("overrun larger than the charge", or_(Entry.overrun < 0, exact(Entry.overrun) > charge), Entry.overrun),
        ("overrun of a guarded entry", and_(Entry.kind == "guarded", Entry.overrun != 0), Entry.overrun),
        ("empty key", Entry.key == "", Entry.key),
    ]
    if session.get_bind().dialect.name == "sqlite":  # which keeps any kind of value in any column
        for column in (Entry.amount, Entry.balance_after, Entry.sequence, Entry.overrun):
            queries.append((f"{column.key} is no whole number", func.typeof(column) != "integer", func.typeof(column)))
    else:
        for column in (Entry.amount, Entry.balance_after, Entry.sequence):
            queries.append((f"{column.key} is no whole number", column.is_(None), column))
    any_of = or_(*(condition for _what, condition, _column in queries))
    columns: list[Any] = []
    for _what, condition, column in queries:
        columns += [case((condition, 1), else_=0), column]
    for entry_id, account_id, *cells in rows(session, select(Entry.id, Entry.account_id, *columns).where(any_of)):
        for (what, _condition, _column), wrong, found in zip(queries, cells[::2], cells[1::2], strict=True):
            if wrong:
                yield Difference(what, account_id, entry_id, None, found)


def pointers(session: Session) -> Iterator[Difference]:
    """What an entry points at is there: its hold, its words, the entry that it reverses. And holds have accounts."""
    first = aliased(Entry)
    query = (
        select(Entry.id, Entry.account_id, Entry.hold_id, Hold.id, Entry.note_id, Note.id, Entry.reverses_id, first.id)
        .outerjoin(Hold, Hold.id == Entry.hold_id)
        .outerjoin(Note, Note.id == Entry.note_id)
        .outerjoin(first, first.id == Entry.reverses_id)
        .where(
            or_(
                and_(Entry.hold_id.is_not(None), Hold.id.is_(None)),
                and_(Entry.note_id.is_not(None), Note.id.is_(None)),
                and_(Entry.reverses_id.is_not(None), first.id.is_(None)),
            )
        )
    )
    for entry_id, account_id, *pairs in rows(session, query):
        for noun, asked, there in zip(("hold", "note", "reversed entry"), pairs[::2], pairs[1::2], strict=True):
            if asked is not None and there is None:
                yield Difference(f"{noun} is missing", account_id, entry_id, asked, None)
    orphans = select(Hold.id, Hold.account_id).outerjoin(Account, Account.id == Hold.account_id)
    for hold_id, account_id in rows(session, orphans.where(Account.id.is_(None))):
        yield Difference("hold without an account", account_id, None, account_id, None, f"hold {hold_id}")


def reversals(session: Session) -> Iterator[Difference]:
    """A reversal undoes one entry, of the same account and source; none is undone twice, nor a reversal.

    It undoes the whole, but where its fingerprint says that a part was asked for: less than the whole.
    """
    first = aliased(Entry)
    pairs = select(
        Entry.id, Entry.account_id, Entry.amount, Entry.source, first.id, first.account_id, first.amount, first.source,
        first.reverses_id, Entry.fingerprint,
    ).join(first, first.id == Entry.reverses_id)  # fmt: skip
    wrong = or_(
        exact(Entry.amount) != -exact(first.amount),
        Entry.account_id != first.account_id,
        Entry.source != first.source,
        first.reverses_id.is_not(None),
    )
    for row in rows(session, pairs.where(wrong)):
        entry_id, account_id, amount, source, first_id, of_account, of_amount, of_source, of_reversal, sign = row
        where, text = (account_id, entry_id), f"reverses entry {first_id}"
        if account_id != of_account:
            yield Difference("reversal of another account's entry", *where, of_account, account_id, text)
        if amount != -of_amount and not _is_part(first_id, amount, of_amount, sign):
            yield Difference("amount of the reversal", *where, -of_amount, amount, text, micro=True)
        if source != of_source:
            yield Difference("source of the reversal", *where, of_source, source, text)
        if of_reversal is not None:
            yield Difference("reversal of a reversal", *where, None, None, text)
    twice = (
        select(Entry.reverses_id, func.min(Entry.id).label("first_id"))
        .where(Entry.reverses_id.is_not(None))
        .group_by(Entry.reverses_id)
        .having(func.count() > 1)
        .subquery()
    )
    more = select(Entry.id, Entry.account_id, Entry.reverses_id, twice.c.first_id).join(
        twice, and_(twice.c.reverses_id == Entry.reverses_id, twice.c.first_id != Entry.id)
    )
    for entry_id, account_id, reversed_id, first_id in rows(session, more):
        text = f"entry {reversed_id} was reversed by entry {first_id} already"
        yield Difference("reversed twice", account_id, entry_id, None, None, text)


def _is_part(first_id: int, amount: int, of_amount: int, fingerprint: int | None) -> bool:
    """Whether a reversal undoes a part of an entry, and was asked to."""
    if type(amount) is not int or type(of_amount) is not int:
        return False  # named by `impossible_rows`
    fits = (amount < 0) != (of_amount < 0) and 0 < abs(amount) < abs(of_amount)
    return fits and fingerprint == rules.reversal_fingerprint(first_id, abs(amount))


def limits(session: Session) -> Iterator[Difference]:
    """An account without a limit of its own has the default one."""
    default = select(AccountDefaults.floor).limit(1).scalar_subquery()
    query = select(Account.id, Account.floor, default).where(
        Account.floor_is_own.is_(False), Account.floor.is_distinct_from(default)
    )
    for account_id, found, expected in rows(session, query):
        text = "it follows the default"
        yield Difference("limit of the account", account_id, None, expected, found, text, micro=True)
