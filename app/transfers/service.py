"""The verb of transfers: both entries or none, at most what is there, once for each form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import InsufficientBalanceError, InvalidInputError
from app.ledger import service as ledger
from app.ledger.booking import Booked
from app.ledger.models import Account, Entry
from app.people.models import User

SOURCE = "transfer"


@dataclass(frozen=True)
class Transferred:
    """The two entries of a transfer."""

    out: Booked
    into: Booked


def key_of(form_id: str, way: str) -> str:
    """Return the key of one of the two entries; `way`: "out" or "in"."""
    return f"transfer:{form_id}:{way}"


def transfer(
    session: Session,
    *,
    from_user_id: int,
    to_user_id: int,
    amount: int,
    comment: str,
    form_id: str,
    most_per_day: int | None,
    day_began: datetime,
    now: datetime,
) -> Transferred:
    """Move `amount` millionths from one person's purse to another's. The same form again changes nothing.

    Only what is there can be given: an overdraft cannot. `most_per_day`: how much one person may give away from
    `day_began` on, None for no limit. Raises InvalidInputError with a sentence for people, InsufficientBalanceError,
    KeyReusedError (the form's id came with other content).
    """
    people = {user.id: user for user in session.scalars(select(User).where(User.id.in_((from_user_id, to_user_id))))}
    if from_user_id == to_user_id:
        raise InvalidInputError("That is your own purse.")
    if to_user_id not in people or not people[to_user_id].is_active:
        raise InvalidInputError("Nobody of this name can be given anything here.")
    # Both accounts in one order: two people who give to each other at once must not wait in a circle.
    query = select(Account).where(Account.user_id.in_((from_user_id, to_user_id))).order_by(Account.id)
    locked = session.scalars(query.with_for_update().execution_options(populate_existing=True))
    accounts = {account.user_id: account for account in locked}
    source, target = accounts[from_user_id], accounts[to_user_id]
    known = session.scalar(select(Entry.id).where(Entry.key == key_of(form_id, "out")))
    if known is None:
        if amount > max(0, source.available):
            raise InsufficientBalanceError(available_micro=source.available)
        if (
            most_per_day is not None
            and given_since(session, account_id=source.id, since=day_began) + amount > most_per_day
        ):
            raise InvalidInputError("That is more than one person may give away in a day.")
    giver, taker = people[from_user_id], people[to_user_id]
    words = f" “{comment}”" if comment else ""
    out = ledger.post(
        session,
        account_id=source.id,
        amount=-amount,
        source=SOURCE,
        key=key_of(form_id, "out"),
        now=now,
        title="Given",
        detail=f"To {taker.display_name} ({taker.username}){words}",
    )
    into = ledger.post(
        session,
        account_id=target.id,
        amount=amount,
        source=SOURCE,
        key=key_of(form_id, "in"),
        now=now,
        title="Received",
        detail=f"From {giver.display_name} ({giver.username}){words}",
    )
    return Transferred(out, into)


def given_since(session: Session, *, account_id: int, since: datetime) -> int:
    """Return how much an account gave away by transfers since a moment, in millionths."""
    total = session.scalar(
        select(func.coalesce(func.sum(-Entry.amount), 0)).where(
            Entry.account_id == account_id, Entry.source == SOURCE, Entry.amount < 0, Entry.created_at >= since
        )
    )
    return int(total or 0)
