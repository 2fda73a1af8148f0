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
from language import ENGLISH, _, speaking

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
    language: str = ENGLISH.code,
) -> Transferred:
    """Move `amount` millionths from one person's purse to another's. The same form again changes nothing.

    Only what is there can be given: an overdraft cannot. `most_per_day`: how much one person may give away from
    `day_began` on, None for no limit. Raises InvalidInputError with a sentence for people, InsufficientBalanceError,
    KeyReusedError (the form's id came with other content). `language`: of the words in the books.
    """
    people = {user.id: user for user in session.scalars(select(User).where(User.id.in_((from_user_id, to_user_id))))}
    if from_user_id == to_user_id:
        raise InvalidInputError(_("That is your own purse."))
    if to_user_id not in people or not people[to_user_id].is_active:
        raise InvalidInputError(_("Nobody of this name can be given anything here."))
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
            raise InvalidInputError(_("That is more than one person may give away in a day."))
    giver, taker = people[from_user_id], people[to_user_id]
    with speaking(language):
        given, received = _("Given"), _("Received")
        to, of = _to(taker, comment), _from(giver, comment)
    out = ledger.post(
        session,
        account_id=source.id,
        amount=-amount,
        source=SOURCE,
        key=key_of(form_id, "out"),
        now=now,
        title=given,
        detail=to,
    )
    into = ledger.post(
        session,
        account_id=target.id,
        amount=amount,
        source=SOURCE,
        key=key_of(form_id, "in"),
        now=now,
        title=received,
        detail=of,
    )
    return Transferred(out, into)


def _to(taker: User, comment: str) -> str:
    if comment:
        return _("To %(name)s (%(username)s) “%(comment)s”", **_person(taker), comment=comment)
    return _("To %(name)s (%(username)s)", **_person(taker))


def _from(giver: User, comment: str) -> str:
    if comment:
        return _("From %(name)s (%(username)s) “%(comment)s”", **_person(giver), comment=comment)
    return _("From %(name)s (%(username)s)", **_person(giver))


def _person(user: User) -> dict[str, str]:
    return {"name": user.display_name, "username": user.username}


def given_since(session: Session, *, account_id: int, since: datetime) -> int:
    """Return how much an account gave away by transfers since a moment, in millionths."""
    total = session.scalar(
        select(func.coalesce(func.sum(-Entry.amount), 0)).where(
            Entry.account_id == account_id, Entry.source == SOURCE, Entry.amount < 0, Entry.created_at >= since
        )
    )
    return int(total or 0)
