"""Verbs of usage: how far a source's log is booked, and a batch from a proxy booked exactly once."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import add
from typing import Any, Final, NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.db import is_postgresql, one_of
from app.errors import KeyReusedError, WrongStateError
from app.internet import hours, rates, rules
from app.internet.columns import narrowest
from app.internet.hours import Slot
from app.internet.models import UnmatchedUsage, UsageCarry, UsagePosition
from app.internet.rates import Plan
from app.ledger.batch import Posting, post_many
from app.ledger.models import Account
from language import _

HOUR_S: Final = 3600
CHUNK: Final = 10_000
"""People that are looked up together: SQLite takes no more than 32,766 values in a statement."""
KEEP_CARRIES: Final = (
    "INSERT INTO usage_carries (user_id, rest, bytes) {values}"
    " ON CONFLICT (user_id) DO UPDATE SET rest = excluded.rest, bytes = excluded.bytes"
)
CARRIES_OF_JSON: Final = (
    "SELECT (r->>0)::bigint, (r->>1)::bigint, (r->>2)::bigint FROM json_array_elements(%(rows)s) AS r ORDER BY 1"
)


@dataclass(frozen=True)
class UsageItem:
    """What one user used in a batch. `user_id` None: the name is not known. `at`: the newest request's end."""

    username: str
    user_id: int | None
    size_bytes: int
    requests: int
    at: datetime


@dataclass(frozen=True)
class Usage:
    """What a batch holds. `names`, `user_ids` and `newest` belong together; elsewhere a name's place stands for it.

    `user_ids`: None for a name that nobody has. `newest`: when each used something last, in seconds since 1970.
    `periods`: by place, instants in periods of time in which something was used. `domains`: (place, start of the slot,
    domain, bytes).
    """

    names: Sequence[str]
    user_ids: Sequence[int | None]
    newest: Sequence[int]
    slots: Sequence[Slot]
    periods: Mapping[int, Sequence[int]] = field(default_factory=dict)
    domains: Sequence[tuple[int, int, str, int]] = ()


@dataclass(frozen=True)
class Place:
    """How far a source's log is booked: the last batch's number, and the follower's own description of the place."""

    batch: int
    position: dict[str, Any] | None


class _Share(NamedTuple):
    """What one person has to pay for: millionths of a millionth, bytes, and when the last of it was used."""

    price: int
    size_bytes: int
    newest: int


def place(session: Session, *, source: str) -> Place:
    """Return how far `source` is booked; batch 0 and no position for a source never seen."""
    row = session.get(UsagePosition, source)
    return Place(row.batch, json.loads(row.position)) if row else Place(0, None)


def usage_of(items: Sequence[UsageItem]) -> Usage:
    """Return what single items say as a batch holds it; each name once."""
    slots = [
        Slot(int(item.at.timestamp()) // HOUR_S * HOUR_S, [n], [], [item.size_bytes], [], [], [item.requests])
        for n, item in enumerate(items)
    ]
    ids = [item.user_id for item in items]
    return Usage([item.username for item in items], ids, [int(item.at.timestamp()) for item in items], slots)


def book(
    session: Session,
    *,
    source: str,
    batch: int,
    position: dict[str, Any],
    usage: Usage,
    plan: Plan,
    now: datetime,
) -> tuple[Place, int]:
    """Book a batch and move the source's place in one go; return (the place, entries booked).

    A batch that is already booked books nothing and answers with the present place. Raises WrongStateError for a batch
    that leaves one out.
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
    if None in usage.user_ids:
        usage = _keep_unknown(session, source, batch, usage)
    booked = _book_known(session, source, batch, usage, plan, now) if usage.names else 0
    return Place(batch, position), booked


def _book_known(session: Session, source: str, batch: int, usage: Usage, plan: Plan, now: datetime) -> int:
    """Post what people used, each with what was carried; return how many entries that makes."""
    ids = [user_id for user_id in usage.user_ids if user_id is not None]
    # The accounts are locked before the carries are read: two proxies may bring the same user at once. In one order,
    # so that two batches cannot wait for each other in a circle.
    account_ids = _lock_accounts(session, sorted(set(ids)))
    slots, shares = _priced(session, usage, plan, ids)
    hours.add_up(session, slots=slots, plan=plan)
    if usage.domains:
        rows = ((ids[place], start, domain, size) for place, start, domain, size in usage.domains)
        hours.add_domains(session, rows=rows, plan=plan)
    carries = _carries(session, list(shares))
    postings = []
    for user_id, share in shares.items():
        rest, carried = carries.get(user_id, (0, 0))
        amount, rest = divmod(share.price + rest, rules.MB)
        carried += share.size_bytes
        if amount or plan.is_free:
            postings.append(_posting(source, batch, user_id, share, account_ids[user_id], amount, carried))
            carried = 0
        carries[user_id] = rest, carried
    _keep_carries(session, {user_id: carries[user_id] for user_id in shares})
    outcomes = post_many(session, postings=postings, now=now)
    for posting, outcome in zip(postings, outcomes, strict=True):
        if outcome.refusal:
            raise KeyReusedError(key=posting.key)
    return len(postings)


def _priced(session: Session, usage: Usage, plan: Plan, ids: Sequence[int]) -> tuple[list[Slot], dict[int, _Share]]:
    """Return the slots, with people's ids and what each sum costs, and what each person's share is."""
    percents = rates.percents(session, user_ids=ids, plan=plan)
    sizes, prices = [0] * len(ids), [0] * len(ids)  # by place: a million sums may have to be added to them
    used = set[int]()
    code = narrowest([max(ids)]).typecode
    priced = []
    for slot in usage.slots:
        moved = map(add, slot.down, slot.up) if slot.up else slot.down
        used.update(slot.users)
        users = array(code, map(ids.__getitem__, slot.users))
        if plan.is_flat:
            priced.append(slot._replace(users=users, price=plan.terms.down))
            for place, size in zip(slot.users, moved, strict=True):
                sizes[place] += size
        else:
            charged = plan.price_columns(slot.start, (users, *slot.columns[1:]), percents)
            priced.append(slot._replace(users=users, charged=charged))
            for place, size, price in zip(slot.users, moved, charged, strict=True):
                sizes[place] += size
                prices[place] += price
    if plan.is_flat:
        prices = [size * plan.terms.down for size in sizes]
    newest: dict[int, int] = {}
    for user_id, at_s in zip(ids, usage.newest, strict=True):
        newest[user_id] = max(at_s, newest.get(user_id, 0))
    shares: dict[int, _Share] = {}
    for place in used:  # somebody may be there under several names
        price, size, at_s = shares.get(ids[place], (0, 0, newest[ids[place]]))
        shares[ids[place]] = _Share(price + prices[place], size + sizes[place], at_s)
    for start, user_id, price in _price_of_periods(session, usage, plan, ids, percents):
        of_data = shares.get(user_id, _Share(0, 0, newest[user_id]))
        shares[user_id] = of_data._replace(price=of_data.price + price)
        priced.append(Slot(start, [user_id], [], [], [], [], [], [price]))
    return priced, dict(sorted(shares.items()))


def _price_of_periods(
    session: Session, usage: Usage, plan: Plan, ids: Sequence[int], percents: Mapping[int, int]
) -> list[tuple[int, int, int]]:
    """Return (start, user id, price) of each period that is paid for by this batch, and by no other."""
    wanted: defaultdict[int, list[int]] = defaultdict(list)
    for place_of_name, starts in usage.periods.items():
        wanted[ids[place_of_name]] += starts
    claimed = rates.claim_periods(session, periods=wanted, plan=plan)
    return [
        (start, user_id, plan.price_of_period(start, percents[user_id]))
        for user_id, starts in sorted(claimed.items())
        for start in starts
    ]


def _keep_unknown(session: Session, source: str, batch: int, usage: Usage) -> Usage:
    """Keep what names used that nobody has; return the rest, with new places."""
    unknown = {n for n, user_id in enumerate(usage.user_ids) if user_id is None}
    uses: defaultdict[int, list[list[int]]] = defaultdict(list)
    slots = []
    for slot in usage.slots:
        kept = []
        for n, row in enumerate(slot.rows()):
            if row[0] in unknown:
                uses[row[0]].append([slot.start, *row[1:6]])
            else:
                kept.append(n)
        if len(kept) < len(slot.users):
            slot = slot.some(kept)
        slots.append(slot)
    session.execute(
        insert(UnmatchedUsage),
        [
            {
                "source": source,
                "batch": batch,
                "username": usage.names[n],
                "bytes": sum(use[2] + use[3] for use in uses[n]),
                "requests": min(sum(use[5] for use in uses[n]), rules.REQUESTS_MAX),
                "at": datetime.fromtimestamp(usage.newest[n], UTC),
                "uses": json.dumps({"slots": uses[n], "periods": list(usage.periods.get(n, ()))}),
            }
            for n in sorted(unknown)
        ],
    )
    known = [n for n in range(len(usage.names)) if n not in unknown]
    new = {n: place for place, n in enumerate(known)}
    return Usage(
        [usage.names[n] for n in known],
        [usage.user_ids[n] for n in known],
        [usage.newest[n] for n in known],
        [slot._replace(users=[new[n] for n in slot.users]) for slot in slots if slot.users],
        {new[n]: starts for n, starts in usage.periods.items() if n in new},
        [(new[n], *rest) for n, *rest in usage.domains if n in new],  # type: ignore[misc]  # the rest is as it was
    )


def _lock_accounts(session: Session, user_ids: Sequence[int]) -> dict[int, int]:
    """Lock people's accounts in the order of their ids; return user id -> account id."""
    found: dict[int, int] = {}
    for first in range(0, len(user_ids), CHUNK):
        mine = one_of(session, Account.user_id, user_ids[first : first + CHUNK])
        rows = session.execute(select(Account.user_id, Account.id).where(mine))
        found.update((user_id, account_id) for user_id, account_id in rows if user_id is not None)
    accounts = sorted(found.values())
    for first in range(0, len(accounts), CHUNK):
        some = one_of(session, Account.id, accounts[first : first + CHUNK])
        session.execute(select(Account.id).where(some).order_by(Account.id).with_for_update())
    return found


def _carries(session: Session, user_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for first in range(0, len(user_ids), CHUNK):
        mine = one_of(session, UsageCarry.user_id, user_ids[first : first + CHUNK])
        rows = session.execute(select(UsageCarry.user_id, UsageCarry.rest, UsageCarry.bytes).where(mine))
        found.update((user_id, (rest, size)) for user_id, rest, size in rows)
    return found


def _keep_carries(session: Session, carries: Mapping[int, tuple[int, int]]) -> None:
    if not carries:
        return
    rows = [(user_id, rest, size) for user_id, (rest, size) in carries.items()]
    connection = session.connection()
    if is_postgresql(session):
        connection.exec_driver_sql(KEEP_CARRIES.format(values=CARRIES_OF_JSON), {"rows": json.dumps(rows)})
    else:
        connection.exec_driver_sql(KEEP_CARRIES.format(values="VALUES (?, ?, ?)"), rows)


def _posting(
    source: str, batch: int, user_id: int, share: _Share, account_id: int, amount: int, size_bytes: int
) -> Posting:
    return Posting(
        account_id=account_id,
        amount=-amount,
        source="internet",
        key=f"squid:{source}:{batch}:{user_id}",
        title=_("Internet use"),
        detail=f"{rules.size_in_words(size_bytes)}, {source}",
        measured=True,
        at=datetime.fromtimestamp(share.newest, UTC),
        quantity=size_bytes,
    )
