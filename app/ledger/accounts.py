"""Verbs of accounts: opening and closing them, and how far they may go down."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, String, false, insert, literal, select, update
from sqlalchemy.orm import Session

from app.db import UtcDateTime
from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.ledger.models import ACCOUNTS, Account, AccountDefaults
from language import _

DEFAULTS_ID = 1
"""The migration makes this row."""


def open_account(session: Session, *, user_id: int, name: str, now: datetime) -> Account:
    """Return the user's account, made with an empty balance and the default limit where there is none."""
    account = session.scalar(select(Account).where(Account.user_id == user_id))
    if account is None:
        account = Account(kind="user", name=name, user_id=user_id, floor=_locked_default_floor(session), created_at=now)
        session.add(account)
        session.flush()
    return account


def open_many(session: Session, *, owners: Select[int, str], now: datetime) -> None:
    """Open accounts with empty balances and the default limit for (user's id, name) of `owners`, who have none yet."""
    found, floor = owners.subquery(), _locked_default_floor(session)
    zero = literal(0, Account.balance.type)
    columns = {
        "kind": literal("user", String),
        "user_id": found.c[0],
        "name": found.c[1],
        "balance": zero,
        "reserved": zero,
        "sequence": zero,
        "floor": literal(floor, Account.floor.type),
        "floor_is_own": false(),
        "created_at": literal(now, UtcDateTime),
    }
    session.execute(insert(ACCOUNTS).from_select(list(columns), select(*columns.values()).order_by(found.c[0])))


def open_shared(session: Session, *, name: str, now: datetime) -> Account:
    """Make a shared account, such as a department's, with the default limit.

    Raises InvalidInputError when there is one of that name already.
    """
    if session.scalar(select(Account.id).where(Account.kind == "shared", Account.name == name)) is not None:
        raise InvalidInputError(_("There is a shared account of this name."), fields={"name": _("This name is taken")})
    account = Account(kind="shared", name=name, floor=_locked_default_floor(session), created_at=now)
    session.add(account)
    session.flush()
    return account


def get_account(session: Session, *, user_id: int) -> Account:
    """Return the user's account. Raises NotFoundError."""
    account = session.scalar(select(Account).where(Account.user_id == user_id))
    if account is None:
        raise NotFoundError(_("This person has no purse here."), user_id=user_id)
    return account


def get_shared(session: Session, *, account_id: int) -> Account:
    """Return the shared account. Raises NotFoundError."""
    account = session.get(Account, account_id)
    if account is None or account.kind != "shared":
        raise NotFoundError(_("There is no such shared account."), account_id=account_id)
    return account


def close(session: Session, *, account_id: int, now: datetime) -> Account:
    """Let a shared account take no more guarded charges and holds. Doing it again changes nothing.

    Raises NotFoundError, WrongStateError while something is held on it.
    """
    account = _get_to_change(session, account_id)
    if account.kind != "shared":
        raise NotFoundError(_("There is no such shared account."), account_id=account_id)
    if account.reserved:
        raise WrongStateError(_("Something is still held on this account. Close it when that has ended."))
    account.closed_at = account.closed_at or now
    session.flush()
    return account


def reopen(session: Session, *, account_id: int) -> Account:
    """Let a closed account take charges again. Raises NotFoundError."""
    account = _get_to_change(session, account_id)
    account.closed_at = None
    session.flush()
    return account


def set_floor(session: Session, *, account_id: int, floor: int | None) -> Account:
    """Give an account its own limit, in millionths: 0 restricted, below 0 an overdraft, None unrestricted.

    A balance that is lower already stays: only further guarded charges are refused. Raises NotFoundError, and
    ValueError for a floor above 0.
    """
    _check_floor(floor)
    account = _get_to_change(session, account_id)
    account.floor, account.floor_is_own = floor, True
    session.flush()
    return account


def follow_default(session: Session, *, account_id: int) -> Account:
    """Let an account have the default limit, now and when it changes. Raises NotFoundError."""
    floor = _locked_default_floor(session)
    account = _get_to_change(session, account_id)
    account.floor, account.floor_is_own = floor, False
    session.flush()
    return account


def default_floor(session: Session) -> int | None:
    """Return the default limit, in millionths: 0 until somebody sets another, None unrestricted."""
    return session.get_one(AccountDefaults, DEFAULTS_ID).floor


def set_default_floor(session: Session, *, floor: int | None, now: datetime) -> int:
    """Set the default limit, move every account that follows it, and return how many those are.

    Raises ValueError for a floor above 0.
    """
    _check_floor(floor)
    defaults = session.get_one(AccountDefaults, DEFAULTS_ID, with_for_update=True)
    defaults.floor, defaults.changed_at = floor, now
    session.flush()
    moved = session.execute(
        update(Account)
        .where(Account.floor_is_own.is_(False))
        .values(floor=floor)
        .execution_options(synchronize_session=False)
    )
    return int(moved.rowcount)  # type: ignore[attr-defined]  # SQLAlchemy types a session's result without it


def _locked_default_floor(session: Session) -> int | None:
    """Return the default limit; it stays the same until this transaction ends, so that no new account misses a change.

    SQLite's dialect leaves the lock out: its writer is alone anyway.
    """
    defaults = session.get_one(AccountDefaults, DEFAULTS_ID, with_for_update={"read": True}, populate_existing=True)
    return defaults.floor


def _get_to_change(session: Session, account_id: int) -> Account:
    account = session.get(Account, account_id, with_for_update=True, populate_existing=True)
    if account is None:
        raise NotFoundError(_("There is no such account."), account_id=account_id)
    return account


def _check_floor(floor: int | None) -> None:
    if floor is not None and floor > 0:
        raise ValueError("a floor is not above 0")
