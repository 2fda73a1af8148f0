"""The verbs of the books. Session first, then keyword-only; none commits. Only this room writes entries and holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.errors import InsufficientBalanceError, KeyReusedError, NotFoundError, WrongStateError
from app.ledger import rules
from app.ledger.models import Account, Entry, EntryNote, Hold


def open_account(session: Session, *, user_id: int, name: str, now: datetime, floor: int | None = 0) -> Account:
    """Return the user's account, made with an empty balance where there is none. `floor` None: unrestricted."""
    account = session.scalar(select(Account).where(Account.user_id == user_id))
    if account is None:
        account = Account(kind="user", name=name, user_id=user_id, floor=floor, created_at=now)
        session.add(account)
        session.flush()
    return account


def get_account(session: Session, *, user_id: int) -> Account:
    """Return the user's account. Raises NotFoundError."""
    account = session.scalar(select(Account).where(Account.user_id == user_id))
    if account is None:
        raise NotFoundError("This person has no purse here.", user_id=user_id)
    return account


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
) -> Entry:
    """Book one entry and move the cached balance with it.

    Args: amount: signed millionths, minus is a charge. measured: it has already happened, so it is always booked and
    the part under the floor is marked as overrun; otherwise the database refuses what would pass the floor, unless
    `enforce` is False (monitor mode). at: when it happened (default `now`). quantity: pages or bytes.

    The same key with the same content returns the first entry and moves nothing. Raises InsufficientBalanceError,
    KeyReusedError, NotFoundError (no such account).
    """
    known = session.scalar(select(Entry).where(Entry.key == rules.check_key(key)))
    if known is not None:
        if (known.account_id, known.amount, known.source, known.quantity) != (account_id, amount, source, quantity):
            raise KeyReusedError(key=key)
        return known
    return _book(
        session,
        account_id=account_id,
        amount=amount,
        source=source,
        key=key,
        now=now,
        at=at or now,
        guarded=not measured and enforce,
        measured=measured,
        quantity=quantity,
        note=(title, detail),
    )


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
    less than `amount` is available (not in monitor mode: `enforce` False), KeyReusedError, NotFoundError.
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
            or_(Account.floor.is_(None), Account.balance - Account.reserved - amount >= Account.floor)
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
) -> list[Entry]:
    """End a hold by charging `amount` (millionths, >= 0): less, equal or more than was held.

    Returns one entry, or two: what goes beyond the hold is booked as measured, under `key` + ":beyond". The quantity
    stands on the first. A hold that has expired meanwhile is charged as measured, since the thing was used. The same
    key and amount returns the first result. Raises KeyReusedError, NotFoundError, WrongStateError (released).
    """
    if amount < 0:
        raise ValueError("a capture is not negative")
    placed = get_hold(session, hold_id=hold_id)  # locks it, so that a twin of this call finds the entries below
    booked = list(session.scalars(select(Entry).where(Entry.key.in_((key, f"{key}:beyond"))).order_by(Entry.id)))
    if booked:
        if -sum(entry.amount for entry in booked) != amount or booked[0].hold_id != hold_id:
            raise KeyReusedError(key=key)
        return booked
    was_open = _end(session, placed, state="captured", now=now, captured=amount)
    if not was_open and placed.state != "expired":
        raise WrongStateError(f"This hold was already {placed.state}.", hold_id=hold_id, state=placed.state)
    within, beyond = rules.split_capture(held=placed.amount if was_open else 0, amount=amount)
    parts = [(key, within, False), (f"{key}:beyond", beyond, True)] if was_open else [(key, amount, True)]
    return [
        _book(
            session,
            account_id=placed.account_id,
            amount=-part,
            source=placed.source,
            key=part_key,
            now=now,
            at=at or now,
            guarded=False,
            measured=measured,
            quantity=quantity if index == 0 else None,
            note=(title, detail),
            hold_id=hold_id,
        )
        for index, (part_key, part, measured) in enumerate(parts)
        if part or index == 0
    ]


def release(session: Session, *, hold_id: int, now: datetime) -> Hold:
    """End a hold without charging. Doing it again changes nothing. Raises NotFoundError, WrongStateError (captured)."""
    placed = get_hold(session, hold_id=hold_id)
    if not _end(session, placed, state="released", now=now) and placed.state == "captured":
        raise WrongStateError("This hold was already captured.", hold_id=hold_id, state=placed.state)
    return placed


def expire_holds(session: Session, *, now: datetime, limit: int = 500) -> int:
    """End up to `limit` open holds whose time has passed; return how many."""
    overdue = session.scalars(
        select(Hold).where(Hold.state == "open", Hold.expires_at <= now).order_by(Hold.id).limit(limit)
    ).all()
    return sum(_end(session, placed, state="expired", now=now) for placed in overdue)


def reverse(session: Session, *, entry_id: int, key: str, now: datetime, title: str, detail: str = "") -> Entry:
    """Undo an entry by one that points at it, against the same source; at most once.

    The same key returns the first result. Raises NotFoundError, WrongStateError (already reversed, or itself a
    reversal), KeyReusedError.
    """
    known = session.scalar(select(Entry).where(Entry.key == rules.check_key(key)))
    if known is not None:
        if known.reverses_id != entry_id:
            raise KeyReusedError(key=key)
        return known
    first = session.get(Entry, entry_id)
    if first is None:
        raise NotFoundError("There is no such entry.", entry_id=entry_id)
    if first.reverses_id is not None:
        raise WrongStateError("A reversal is not reversed.", entry_id=entry_id)
    if session.scalar(select(Entry.id).where(Entry.reverses_id == entry_id)) is not None:
        raise WrongStateError("This entry was already reversed.", entry_id=entry_id)
    return _book(
        session,
        account_id=first.account_id,
        amount=-first.amount,
        source=first.source,
        key=key,
        now=now,
        at=now,
        guarded=False,
        measured=True,
        quantity=-first.quantity if first.quantity is not None else None,
        note=(title, detail),
        reverses_id=entry_id,
    )


def get_hold(session: Session, *, hold_id: int) -> Hold:
    """Return the hold, locked until the transaction ends. Raises NotFoundError."""
    placed = session.get(Hold, hold_id, with_for_update=True, populate_existing=True)
    if placed is None:
        raise NotFoundError("There is no such hold.", hold_id=hold_id)
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


def _book(
    session: Session,
    *,
    account_id: int,
    amount: int,
    source: str,
    key: str,
    now: datetime,
    at: datetime,
    guarded: bool,
    measured: bool,
    quantity: int | None,
    note: tuple[str, str],
    hold_id: int | None = None,
    reverses_id: int | None = None,
) -> Entry:
    """Move the balance and write the entry that says so. `guarded`: the UPDATE itself refuses to pass the floor."""
    if source not in rules.SOURCES:
        raise ValueError(f"{source!r} is no source")
    move = (
        update(Account)
        .where(Account.id == account_id)
        .values(balance=Account.balance + amount, sequence=Account.sequence + 1)
        .returning(Account.balance, Account.reserved, Account.sequence, Account.floor)
        .execution_options(synchronize_session=False)
    )
    if guarded and amount < 0:
        move = move.where(or_(Account.floor.is_(None), Account.balance - Account.reserved + amount >= Account.floor))
    row = session.execute(move).first()
    if row is None:
        raise _refusal(session, account_id, -amount)
    balance, reserved, sequence, floor = row
    entry = Entry(
        account_id=account_id,
        sequence=sequence,
        amount=amount,
        balance_after=balance,
        source=source,
        kind="measured" if measured else "guarded",
        overrun=rules.overrun(available=balance - reserved, amount=amount, floor=floor) if measured else 0,
        quantity=quantity,
        key=key,
        hold_id=hold_id,
        reverses_id=reverses_id,
        event_at=at,
        created_at=now,
    )
    session.add(entry)
    session.flush()
    session.add(EntryNote(entry_id=entry.id, title=note[0], detail=note[1]))
    session.flush()
    return entry


def _refusal(session: Session, account_id: int, amount: int) -> InsufficientBalanceError | NotFoundError:
    account = session.get(Account, account_id, populate_existing=True)
    if account is None:
        return NotFoundError("There is no such account.", account_id=account_id)
    return InsufficientBalanceError(
        account_id=account_id, needed_micro=amount, available_micro=account.available, floor_micro=account.floor
    )
