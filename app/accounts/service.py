"""Verbs of administrators on accounts: make, rename and close shared ones; limit, adjust and reverse on any.

What moves no money is written on the account's statement too, as a line of 0 that says who did it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.accounts import rules
from app.accounts.rules import Allowance, Limit
from app.errors import (
    DailyLimitError,
    InvalidInputError,
    KeyReusedError,
    NotAllowedError,
    NotFoundError,
    WrongStateError,
)
from app.ledger import accounts, statement
from app.ledger import service as ledger
from app.ledger.booking import Booked
from app.ledger.models import Account, Entry
from app.money import Unit
from app.people.models import User
from app.settings import settings_of_app
from language import _, speaking


def list_shared(session: Session, *, query: str, after: str, limit: int) -> list[Account]:
    """Return shared accounts by name, after the name `after`; `query` searches names."""
    chosen = select(Account).where(Account.kind == "shared", Account.name > after, *_matching(query))
    return list(session.scalars(chosen.order_by(Account.name).limit(limit)))


def count_shared(session: Session, *, query: str) -> int:
    """Return how many accounts `list_shared` would list for `query`, page by page."""
    counted = select(func.count()).select_from(Account).where(Account.kind == "shared", *_matching(query))
    return int(session.scalar(counted) or 0)


def count_own_limits(session: Session) -> int:
    """Return how many accounts have a limit of their own, so that the default does not count for them."""
    return int(session.scalar(select(func.count()).select_from(Account).where(Account.floor_is_own.is_(True))) or 0)


def make(session: Session, *, name: str, limit: Limit, by: str, unit: Unit, now: datetime) -> Account:
    """Make a shared account with that limit; `by` is named on its statement.

    Raises InvalidInputError for a name that is wrong or taken.
    """
    account = accounts.open_shared(session, name=_free_name(session, name), now=now)
    _apply(session, account.id, limit)
    with _own_language():
        title = _("Account made: %(limit)s", limit=_limit_words(limit, unit))
    _write_down(session, account.id, key=f"made:{account.id}", title=title, by=by, now=now)
    return account


def rename(session: Session, *, account_id: int, name: str, by: str, now: datetime) -> Account:
    """Give a shared account another name. Raises NotFoundError, InvalidInputError for a name that is wrong or taken."""
    account = _locked_shared(session, account_id)
    before, after = account.name, _free_name(session, name, account_id)
    if before != after:
        account.name = after
        with _own_language():
            title = _("Renamed from “%(before)s” to “%(after)s”", before=before, after=after)
        _write_down(session, account_id, key=_next_key("rename", account), title=title, by=by, now=now)
    return account


def close(session: Session, *, account_id: int, by: str, now: datetime) -> Account:
    """Close a shared account: no guarded charges and holds any more; its balance stays.

    Doing it again changes nothing. Raises NotFoundError, WrongStateError while something is held.
    """
    account = _locked_shared(session, account_id)
    if account.closed_at is None:
        accounts.close(session, account_id=account_id, now=now)
        with _own_language():
            title = _("Account closed")
        _write_down(session, account_id, key=_next_key("close", account), title=title, by=by, now=now)
    return account


def reopen(session: Session, *, account_id: int, by: str, now: datetime) -> Account:
    """Open a closed account again. Doing it again changes nothing. Raises NotFoundError."""
    account = _locked_shared(session, account_id)
    if account.closed_at is not None:
        accounts.reopen(session, account_id=account_id)
        with _own_language():
            title = _("Account reopened")
        _write_down(session, account_id, key=_next_key("reopen", account), title=title, by=by, now=now)
    return account


def set_limit(
    session: Session, *, account_id: int, limit: Limit, by: str, form_id: str, unit: Unit, now: datetime
) -> bool:
    """Give an account that limit; return whether anything changed.

    A balance that is lower already stays: further guarded charges are refused. Raises NotFoundError, and
    KeyReusedError when the form `form_id` has already set another.
    """
    account = _get(session, account_id)
    with _own_language():
        key, title = f"limit:{account_id}:{form_id}", _("Limit: %(limit)s", limit=_limit_words(limit, unit))
    known = session.scalar(select(Entry.id).where(Entry.key == key))
    if known is not None:
        _check_title(session, account_id, known, title, key)
        return False
    if rules.limit_of(account.floor, is_own=account.floor_is_own) == limit:
        return False
    _apply(session, account_id, limit)
    _write_down(session, account_id, key=key, title=title, by=by, now=now)
    return True


def adjust(
    session: Session,
    *,
    account_id: int,
    amount: int,
    reason: str,
    by: str,
    form_id: str,
    now: datetime,
    within: Allowance | None = None,
) -> Booked:
    """Add to an account or, with `amount` (millionths) below 0, take from it; `by` is named on the statement.

    `form_id`: the hidden id of the form that asks, so that sending it twice books it once. `within`: the helper who
    asks, and what they may; this must run in `app.db.writing` then. Raises NotFoundError, InsufficientBalanceError
    when the limit does not let so much be taken, WrongStateError for a closed account, KeyReusedError when the form
    was already used for something else, DailyLimitError, NotAllowedError for a helper's own purse or a shared account.
    """
    account = _get(session, account_id)
    if account.closed_at is not None:
        raise WrongStateError(_("This account is closed. Reopen it first."), account_id=account_id)
    owner = account.user_id if account.user_id is not None else f"shared:{account_id}"
    key = f"adjustment:{owner}:{form_id}"
    if within is not None:
        key = f"{helped_by(within.helper_id)}{owner}:{form_id}"
        check_helper(session, account=account, amount=amount, key=key, within=within)
    entry = ledger.post(
        session,
        account_id=account_id,
        amount=amount,
        source="adjustment",
        key=key,
        now=now,
        title=reason,
        detail=_by(by),
    )
    _check_title(session, account_id, entry.id, reason, key)
    return entry


def left_today(session: Session, *, allowance: Allowance) -> int:
    """Return what a helper may still adjust on the day that `allowance` is for, in millionths; never below 0.

    Added up from the books: adding and taking both count, and a reversal by an administrator gives nothing back.
    """
    prefix = helped_by(allowance.helper_id)
    used = session.scalar(
        select(func.coalesce(func.sum(func.abs(Entry.amount)), 0)).where(
            Entry.key >= prefix,
            Entry.key < prefix[:-1] + chr(ord(prefix[-1]) + 1),  # keys are compared byte by byte
            Entry.created_at >= allowance.since,
        )
    )
    return max(0, allowance.limit - int(used or 0))


def reverse(session: Session, *, account_id: int, entry_id: int, reason: str, by: str, now: datetime) -> Booked:
    """Undo an entry of this account, at most once; doing it again returns the first reversal.

    Raises NotFoundError for an entry that is not of this account, WrongStateError for a reversal, and for a line that
    moved nothing.
    """
    line = statement.line(session, account_id=account_id, entry_id=entry_id)
    if line is None:
        raise NotFoundError(_("There is no such line on this statement."), entry_id=entry_id)
    if not line.amount:
        raise WrongStateError(_("This line moved nothing, so there is nothing to reverse."), entry_id=entry_id)
    with _own_language():
        title, detail = _("Reversed: %(title)s", title=line.title), _("%(reason)s, by %(name)s", reason=reason, name=by)
    return ledger.reverse(session, entry_id=entry_id, key=f"reversal:{entry_id}", now=now, title=title, detail=detail)


def _own_language() -> AbstractContextManager[None]:
    """What is kept beside entries is written in the instance's language, whoever caused it."""
    return speaking(settings_of_app().config.language)


def _by(name: str) -> str:
    with _own_language():
        return _("by %(name)s", name=name)


def _get(session: Session, account_id: int) -> Account:
    account = session.get(Account, account_id)
    if account is None:
        raise NotFoundError(_("There is no such account."), account_id=account_id)
    return account


def helped_by(helper_id: int) -> str:
    """Return the beginning of the keys under which what one helper moves stands: their day is added up from these."""
    return f"adjustment:helper:{helper_id}:"


def check_helper(session: Session, *, account: Account, amount: int, key: str, within: Allowance) -> None:
    """Hold a helper to their limit. Their own row is locked: two tries at once would each find the other's share free.

    What was booked under this key before is not looked at again: the books answer with what they have. The key must
    begin with `helped_by`, and this must run in `app.db.writing`. Raises DailyLimitError, and NotAllowedError for a
    helper's own purse or a shared account.
    """
    if account.user_id is None:
        raise NotAllowedError(_("Only administrators adjust shared accounts."))
    if account.user_id == within.helper_id:
        raise NotAllowedError(_("Somebody else has to adjust your own purse. Nothing was changed."))
    session.get(User, within.helper_id, with_for_update=True)
    if session.scalar(select(Entry.id).where(Entry.key == key)) is not None:
        return
    left = left_today(session, allowance=within)
    if abs(amount) > left:
        raise DailyLimitError(left_micro=left, limit_micro=within.limit)


def _locked_shared(session: Session, account_id: int) -> Account:
    """The account as it is now, and as it stays until this transaction ends."""
    account = session.get(Account, account_id, with_for_update=True, populate_existing=True)
    if account is None or account.kind != "shared":
        raise NotFoundError(_("There is no such shared account."), account_id=account_id)
    return account


def _apply(session: Session, account_id: int, limit: Limit) -> None:
    if limit.kind == "default":
        accounts.follow_default(session, account_id=account_id)
    else:
        accounts.set_floor(session, account_id=account_id, floor=limit.floor)


def _limit_words(limit: Limit, unit: Unit) -> str:
    return _("as for everybody") if limit.kind == "default" else rules.limit_in_words(limit.floor, unit)


def _free_name(session: Session, typed: str, account_id: int | None = None) -> str:
    """The name as it is kept. SQLite's lower() knows ASCII only: other letters are compared as they are there."""
    try:
        name = rules.clean_name(typed)
    except ValueError as exc:
        raise InvalidInputError(str(exc), fields={"name": str(exc)}) from None
    same = or_(Account.name == name, func.lower(Account.name) == name.lower())
    for other_id, other in session.execute(select(Account.id, Account.name).where(Account.kind == "shared", same)):
        if other_id != account_id:
            taken = _("There is a shared account “%(name)s” already", name=other)
            raise InvalidInputError(taken, fields={"name": taken})
    return name


def _next_key(verb: str, account: Account) -> str:
    """A key for what is done to a locked account: its next line has this number, and only one line will."""
    return f"{verb}:{account.id}:{account.sequence + 1}"


def _write_down(session: Session, account_id: int, *, key: str, title: str, by: str, now: datetime) -> None:
    ledger.post(
        session,
        account_id=account_id,
        amount=0,
        source="adjustment",
        key=key,
        now=now,
        title=title,
        detail=_by(by),
    )


def _check_title(session: Session, account_id: int, entry_id: int, title: str, key: str) -> None:
    """Words are no content for the books, but here they are what the form asked for."""
    booked = statement.line(session, account_id=account_id, entry_id=entry_id)
    if booked is None or booked.title != title:
        raise KeyReusedError(key=key)


def _matching(query: str) -> list[ColumnElement[bool]]:
    typed = query.strip()
    if not typed:
        return []
    return [
        or_(
            func.lower(Account.name).contains(typed.lower(), autoescape=True),
            Account.name.contains(typed, autoescape=True),
        )
    ]
