"""The verbs of the books. Session first, then keyword-only; none commits. Only this room writes entries and holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.errors import InsufficientBalanceError, KeyReusedError, NotFoundError, TwinpurseError, WrongStateError
from app.ledger import rules
from app.ledger.booking import Booked, Booking, book, find
from app.ledger.models import Account, Entry, Hold
from language import N_, _

CAPTURED = N_("This hold was already captured.")
ENDED = {
    "captured": CAPTURED,
    "released": N_("This hold was already released."),
    "expired": N_("This hold was already expired."),
}
"""State of a hold that has ended -> what to say of it."""


def post(
    session: Session,
    *,
    account_id: int,
    amount: int,
    source: str,
    key: str,
    now: datetime,
    title: str,
    detail: str = "",
    measured: bool = False,
    enforce: bool = True,
    at: datetime | None = None,
    quantity: int | None = None,
) -> Booked:
    """Book one entry and move the cached balance with it.

    Args: amount: signed millionths, minus is a charge. measured: it has already happened, so it is always booked and
    the part under the floor is marked as overrun; otherwise the database refuses what would pass the floor, unless
    `enforce` is False (monitor mode). at: when it happened (default `now`). quantity: pages or bytes.

    The same key with the same content returns the first entry and moves nothing; words for people are no content.
    Posting alone may be done with `app.db.writing_at_once`. Raises InsufficientBalanceError, KeyReusedError,
    NotFoundError (no such account), WrongStateError (a charge to a closed account).
    """
    fingerprint = rules.fingerprint("post", account_id, amount, source, measured, quantity, at)
    booking = Booking(
        account_id=account_id,
        amount=amount,
        source=source,
        key=rules.check_key(key),
        now=now,
        at=at or now,
        title=title,
        detail=detail,
        guarded=not measured and enforce,
        measured=measured,
        fingerprint=fingerprint,
        quantity=quantity,
    )
    entry = book(session, booking)
    if entry is not None:
        return entry
    known = find(session, Entry.key == key)
    if not known:
        raise _refusal(session, account_id, -amount)
    if not is_same(known[0], fingerprint, (account_id, amount, source, quantity)):
        raise KeyReusedError(key=key)
    return known[0]


def is_same(known: Booked, fingerprint: int, content: tuple[int, int, str, int | None]) -> bool:
    """Whether an entry was asked for with this content; for one of before fingerprints, which is what `content` is for:
    (account, amount, source, quantity)."""
    if known.fingerprint is None:
        return (known.account_id, known.amount, known.source, known.quantity) == content
    return known.fingerprint == fingerprint


def hold(
    session: Session,
    *,
    account_id: int,
    amount: int,
    source: str,
    key: str,
    now: datetime,
    expires_at: datetime,
    enforce: bool = True,
) -> Hold:
    """Set `amount` (millionths, >= 0) aside until it is captured, released, or `expires_at` has passed.

    The same key and content returns the first hold, whatever became of it. Raises InsufficientBalanceError when
    less than `amount` is available (not in monitor mode: `enforce` False), KeyReusedError, NotFoundError,
    WrongStateError (a closed account).
    """
    if amount < 0:
        raise ValueError("a hold is not negative")
    known = session.scalar(select(Hold).where(Hold.key == rules.check_key(key)))
    if known is not None:
        if (known.account_id, known.amount, known.source) != (account_id, amount, source):
            raise KeyReusedError(key=key)
        return known
    statement = update(Account).where(Account.id == account_id).values(reserved=Account.reserved + amount)
    if enforce and amount:
        statement = statement.where(
            Account.closed_at.is_(None),
            or_(Account.floor.is_(None), Account.balance - Account.reserved - amount >= Account.floor),
        )
    if session.execute(statement.returning(Account.id).execution_options(synchronize_session=False)).first() is None:
        raise _refusal(session, account_id, amount)
    placed = Hold(account_id=account_id, amount=amount, source=source, key=key, created_at=now, expires_at=expires_at)
    session.add(placed)
    session.flush()
    return placed


def capture(
    session: Session,
    *,
    hold_id: int,
    amount: int,
    key: str,
    now: datetime,
    title: str,
    detail: str = "",
    at: datetime | None = None,
    quantity: int | None = None,
) -> list[Booked]:
    """End a hold by charging `amount` (millionths, >= 0): less, equal or more than was held.

    Returns one entry, or two: what goes beyond the hold is booked as measured, under `key` + ":beyond". The quantity
    stands on the first. A hold that has expired meanwhile is charged as measured, since the thing was used. The same
    key and amount returns the first result. Raises KeyReusedError, NotFoundError, WrongStateError (released).
    """
    if amount < 0:
        raise ValueError("a capture is not negative")
    placed = get_hold(session, hold_id=hold_id)  # locks it, so that a twin of this call finds the entries below
    booked = find(session, Entry.key.in_((key, f"{key}:beyond")))
    fingerprint = rules.fingerprint("capture", hold_id, amount, quantity, at)
    if booked:
        captured = -sum(entry.amount for entry in booked)
        asked = (placed.account_id, booked[0].amount, placed.source, quantity)
        if booked[0].hold_id != hold_id or captured != amount or not is_same(booked[0], fingerprint, asked):
            raise KeyReusedError(key=key)
        return booked
    was_open = _end(session, placed, state="captured", now=now, captured=amount)
    if not was_open and placed.state != "expired":
        raise WrongStateError(_(ENDED[placed.state]), hold_id=hold_id, state=placed.state)
    within, beyond = rules.split_capture(held=placed.amount if was_open else 0, amount=amount)
    parts = [(key, within, False), (f"{key}:beyond", beyond, True)] if was_open else [(key, amount, True)]
    return [
        _book_new(
            session,
            Booking(
                account_id=placed.account_id,
                amount=-part,
                source=placed.source,
                key=part_key,
                now=now,
                at=at or now,
                title=title,
                detail=detail,
                guarded=False,
                measured=measured,
                fingerprint=fingerprint,
                quantity=quantity if index == 0 else None,
                hold_id=hold_id,
            ),
        )
        for index, (part_key, part, measured) in enumerate(parts)
        if part or index == 0
    ]


def release(session: Session, *, hold_id: int, now: datetime) -> Hold:
    """End a hold without charging. Doing it again changes nothing. Raises NotFoundError, WrongStateError (captured)."""
    placed = get_hold(session, hold_id=hold_id)
    if not _end(session, placed, state="released", now=now) and placed.state == "captured":
        raise WrongStateError(_(CAPTURED), hold_id=hold_id, state=placed.state)
    return placed


def expire_holds(session: Session, *, now: datetime, limit: int = 500) -> int:
    """End up to `limit` open holds whose time has passed; return how many."""
    overdue = session.scalars(
        select(Hold).where(Hold.state == "open", Hold.expires_at <= now).order_by(Hold.id).limit(limit)
    ).all()
    return sum(_end(session, placed, state="expired", now=now) for placed in overdue)


def reverse(
    session: Session,
    *,
    entry_id: int,
    key: str,
    now: datetime,
    title: str,
    detail: str = "",
    part: int | None = None,
) -> Booked:
    """Undo an entry by one that points at it, against the same source; at most once.

    part: millionths, more than 0: undo only so much of it. What is left is not undone any more. The same key and part
    returns the first result. Raises NotFoundError, WrongStateError (already reversed, itself a reversal, or smaller
    than the part), KeyReusedError.
    """
    first = session.get(Entry, entry_id)
    known = find(session, Entry.key == rules.check_key(key))
    if known:
        if first is None or (known[0].reverses_id, known[0].amount) != (entry_id, rules.undone(first.amount, part)):
            raise KeyReusedError(key=key)
        return known[0]
    if first is None:
        raise NotFoundError(_("There is no such entry."), entry_id=entry_id)
    if part is not None and not 0 < part <= abs(first.amount):
        raise WrongStateError(_("An entry is undone by more than nothing, and at most whole."), entry_id=entry_id)
    is_whole = part is None or part == abs(first.amount)
    if first.reverses_id is not None:
        raise WrongStateError(_("A reversal is not reversed."), entry_id=entry_id)
    if session.scalar(select(Entry.id).where(Entry.reverses_id == entry_id)) is not None:
        raise WrongStateError(_("This entry was already reversed."), entry_id=entry_id)
    return _book_new(
        session,
        Booking(
            account_id=first.account_id,
            amount=rules.undone(first.amount, part),
            source=first.source,
            key=key,
            now=now,
            at=now,
            title=title,
            detail=detail,
            guarded=False,
            measured=True,
            fingerprint=rules.reversal_fingerprint(entry_id, None if is_whole else part),
            quantity=-first.quantity if first.quantity is not None and is_whole else None,
            reverses_id=entry_id,
        ),
    )


def get_hold(session: Session, *, hold_id: int) -> Hold:
    """Return the hold, locked until the transaction ends. Raises NotFoundError."""
    placed = session.get(Hold, hold_id, with_for_update=True, populate_existing=True)
    if placed is None:
        raise NotFoundError(_("There is no such hold."), hold_id=hold_id)
    return placed


def _end(session: Session, placed: Hold, *, state: str, now: datetime, captured: int | None = None) -> bool:
    """Move an open hold to its end and give back what it reserved; False when it had ended before."""
    ended = session.execute(
        update(Hold)
        .where(Hold.id == placed.id, Hold.state == "open")
        .values(state=state, ended_at=now, captured=captured)
        .returning(Hold.id)
        .execution_options(synchronize_session=False)
    ).first()
    session.refresh(placed)
    if ended is None:
        return False
    session.execute(
        update(Account)
        .where(Account.id == placed.account_id)
        .values(reserved=Account.reserved - placed.amount)
        .execution_options(synchronize_session=False)
    )
    return True


def _book_new(session: Session, booking: Booking) -> Booked:
    """Write an entry that no guard refuses and whose key was just looked for in this transaction."""
    entry = book(session, booking)
    if entry is None:
        raise KeyReusedError(key=booking.key)
    return entry


def _refusal(session: Session, account_id: int, amount: int) -> TwinpurseError:
    account = session.get(Account, account_id, populate_existing=True)
    if account is None:
        return NotFoundError(_("There is no such account."), account_id=account_id)
    if account.closed_at is not None:
        return WrongStateError(_("This account is closed."), account_id=account_id)
    return InsufficientBalanceError(
        account_id=account_id, needed_micro=amount, available_micro=account.available, floor_micro=account.floor
    )
