"""What a session has used since its last packet, charged to its person, or kept aside under a name that nobody has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import KeyReusedError
from app.internet import hours, rates
from app.internet.hours import Slot
from app.internet.models import UnmatchedUsage, UsageCarry
from app.internet.rates import Plan, Use
from app.internet.rules import MB, size_in_words
from app.ledger.batch import Posting, post_many
from app.ledger.models import Account
from app.radius import rules
from app.radius.models import RadiusSession
from language import _

PACKETS_MAX = 10**6
"""Packets of one session that are told apart when they are kept aside."""


@dataclass(frozen=True)
class Growth:
    """By how much a session has grown: bytes up and down, and its seconds from one to another."""

    upload: int
    download: int
    from_s: int
    until_s: int

    @property
    def bytes(self) -> int:
        """Up and down together."""
        return self.upload + self.download


def keep_aside(session: Session, *, row: RadiusSession, growth: Growth, plan: Plan, at: datetime) -> None:
    """Keep what was used under a name that nobody has, as usage from proxies is kept."""
    periods = list(_instants(row, growth, plan))
    if growth.bytes or periods:
        use = [int(at.timestamp()), 0, growth.download, growth.upload, 0, 1]
        session.add(
            UnmatchedUsage(
                source=source_of(row),
                batch=row.id * PACKETS_MAX + row.counted % PACKETS_MAX,
                username=row.username,
                bytes=growth.bytes,
                requests=1,
                at=at,
                uses=json.dumps({"slots": [use], "periods": periods}),
            )
        )


def charge(
    session: Session, *, row: RadiusSession, user_id: int, growth: Growth, plan: Plan, at: datetime, now: datetime
) -> None:
    """Charge what a session has grown by to its person, measured: the purse may go below its floor.

    The session's row holds the new counters already and is locked: what is charged here is charged once. What rounding
    cuts off goes on with the person's own.
    """
    # The account before the carry, as usage of proxies is booked: who else charges this person waits.
    account_id = session.scalars(select(Account.id).where(Account.user_id == user_id).with_for_update()).one()
    cost = _price(session, row, user_id, growth, plan, int(at.timestamp()))
    row.cost += cost
    carry = session.get(UsageCarry, user_id, populate_existing=True)
    if carry is None:
        carry = UsageCarry(user_id=user_id, rest=0, bytes=0)
        session.add(carry)
    amount, carry.rest = divmod(cost + carry.rest, MB)
    carry.bytes += growth.bytes
    if not (amount or (plan.is_free and carry.bytes)):
        return
    where = row.nas or _("Wi-Fi")
    posting = Posting(
        account_id=account_id,
        amount=-amount,
        source="internet",
        key=f"radius:{row.id}:{row.bytes}" + ("" if growth.bytes else f":{growth.until_s}"),
        title=_("Internet use"),
        detail=f"{size_in_words(carry.bytes)}, {where}" if carry.bytes else where,
        measured=True,
        at=at,
        quantity=carry.bytes,
    )
    carry.bytes = 0
    session.flush()
    [outcome] = post_many(session, postings=[posting], now=now)
    if outcome.refusal:
        raise KeyReusedError(key=posting.key)


def _price(session: Session, row: RadiusSession, user_id: int, growth: Growth, plan: Plan, instant: int) -> int:
    """Return what a growth costs, in millionths of a millionth, and add it to the figures of its hours."""
    percent = rates.percents(session, user_ids=[user_id], plan=plan)[user_id]
    of_data = plan.price(Use(instant, download=growth.download, upload=growth.upload), percent)
    slots = [Slot(instant, [user_id], [], [growth.download], [growth.upload], [], [1], [of_data])]
    touched = _instants(row, growth, plan)
    for start in rates.claim_periods(session, periods={user_id: touched}, plan=plan).get(user_id, ()):
        slots.append(Slot(start, [user_id], [], [], [], [], [], [plan.price_of_period(start, percent)]))
    hours.add_up(session, slots=slots, plan=plan)
    return sum(sum(slot.charged) for slot in slots)


def _instants(row: RadiusSession, growth: Growth, plan: Plan) -> range:
    """An instant in each period that a growth touches."""
    return rules.instants(began=row.started_at, from_s=growth.from_s, until_s=growth.until_s, period_s=plan.period_s)


def source_of(row: RadiusSession) -> str:
    """What a session's NAS is called among the proxies; ":" parts the keys of the books."""
    return f"wifi {row.nas}".replace(":", ".")[:80]
