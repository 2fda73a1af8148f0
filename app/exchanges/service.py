"""Verbs of an exchange: set aside, credit, charge, give back. Each may be told again and changes nothing then.

Two databases share no transaction. So the portal sets an amount aside here, has the other instance credit it, and only
then lets it be charged here; where the other refuses, it is given back. Money is at no moment in both purses as
spendable, nor in neither for good: a record at the portal says what is still to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InsufficientBalanceError, NotAllowedError, NotFoundError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry, Hold
from app.people.models import User
from language import ENGLISH, _, speaking

SOURCE: Final = "exchange"
HOLD_LIFE: Final = timedelta(days=365)
"""Longer than any outage: a hold that expired in the middle would be spent twice."""


def key_of(exchange_id: str, step: str) -> str:
    """Return the key of one step: "hold", "out" or "in"."""
    return f"exchange:{exchange_id}:{step}"


def set_aside(session: Session, *, exchange_id: str, user: User, amount: int, allowed: bool, now: datetime) -> None:
    """Set `amount` millionths of somebody's purse aside; only what is there, no overdraft.

    `allowed`: whether the instance lets value out. Raises InsufficientBalanceError, KeyReusedError (other content),
    NotAllowedError (not allowed, or not active), WrongStateError.
    """
    account = _locked(session, user)
    if session.scalar(select(Hold.id).where(Hold.key == key_of(exchange_id, "hold"))) is None:
        _must_be_allowed(user, allowed)
        if amount > max(0, account.available):
            raise InsufficientBalanceError(available_micro=account.available)
    ledger.hold(
        session,
        account_id=account.id,
        amount=amount,
        source=SOURCE,
        key=key_of(exchange_id, "hold"),
        now=now,
        expires_at=now + HOLD_LIFE,
    )


def credit(
    session: Session,
    *,
    exchange_id: str,
    user: User,
    amount: int,
    detail: str,
    allowed: bool,
    now: datetime,
    language: str = ENGLISH.code,
) -> None:
    """Credit somebody's purse. `allowed`: whether the instance lets value in.

    What was credited is said to be so again, whatever holds now: a refusal would have the other instance give back what
    was credited here. Raises KeyReusedError (other content), NotAllowedError (not allowed, or not active).
    """
    account = _locked(session, user)
    if session.scalar(select(Entry.id).where(Entry.key == key_of(exchange_id, "in"))) is None:
        _must_be_allowed(user, allowed)
    ledger.post(
        session,
        account_id=account.id,
        amount=amount,
        source=SOURCE,
        key=key_of(exchange_id, "in"),
        now=now,
        title=_title(language),
        detail=detail,
    )


def charge(
    session: Session, *, exchange_id: str, user: User, detail: str, now: datetime, language: str = ENGLISH.code
) -> None:
    """Charge what was set aside. Raises NotFoundError (nothing was), WrongStateError (it was given back)."""
    placed = _hold_of(session, exchange_id, user)
    if placed is None:
        raise NotFoundError(_("Nothing was set aside for this exchange."))
    ledger.capture(
        session,
        hold_id=placed.id,
        amount=placed.amount,
        key=key_of(exchange_id, "out"),
        now=now,
        title=_title(language),
        detail=detail,
    )


def _title(language: str) -> str:
    """What stands in the books, in the instance's own language."""
    with speaking(language):
        return _("Exchange")


def give_back(session: Session, *, exchange_id: str, user: User, now: datetime) -> None:
    """Give back what was set aside, if anything was. Raises WrongStateError when it was charged."""
    placed = _hold_of(session, exchange_id, user)
    if placed is not None:
        ledger.release(session, hold_id=placed.id, now=now)


def _hold_of(session: Session, exchange_id: str, user: User) -> Hold | None:
    query = select(Hold).join(Account, Account.id == Hold.account_id)
    return session.scalar(query.where(Hold.key == key_of(exchange_id, "hold"), Account.user_id == user.id))


def _locked(session: Session, user: User) -> Account:
    account = accounts.get_account(session, user_id=user.id)
    return session.get_one(Account, account.id, with_for_update=True, populate_existing=True)


def _must_be_allowed(user: User, allowed: bool) -> None:
    if not allowed:
        raise NotAllowedError(_("This purse takes no part in exchanges."))
    if not user.is_active:
        raise NotAllowedError(_("This person may not use a purse any more."))
