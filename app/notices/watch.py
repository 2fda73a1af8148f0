"""Finds whose purse has become low or empty: by the entries that came since the last look, never by all accounts.

What counts is the purse at the moment of the look. One that ran low and was filled up again in between is not told of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db import is_postgresql
from app.ledger.models import Account, Entry
from app.notices import rules
from app.notices.models import NoticeChoice, NoticePlace, NoticeTold
from app.people.models import User
from app.settings import Settings

LOOK_EVERY: Final = timedelta(seconds=10)
CHUNK: Final = 20_000
"""Entries that are looked through at once."""

SETTLED: Final = timedelta(minutes=1)
"""PostgreSQL numbers entries as they are written and shows them when they are committed: for so long a lower number
may still come. Entries that are younger are looked through again."""

FORGOTTEN_AFTER: Final = timedelta(days=3)
"""After so long without a look, as when e-mail was switched off, it begins with what comes from now on."""

ONLY: Final = 1


@dataclass(frozen=True)
class Found:
    """Somebody who is to be told something ("low", "empty"), or may be told it again (`state` lower than `told`)."""

    user_id: int
    told: str
    state: str

    @property
    def is_news(self) -> bool:
        """Whether they are to be told."""
        return rules.RANK[self.state] > rules.RANK[self.told]


@dataclass(frozen=True)
class Look:
    """One stretch of entries: whom it is about, up to which entry it went, and from where the next look begins."""

    found: list[Found]
    until: int
    settled: int
    is_last: bool


def is_due(session: Session, *, now: datetime) -> bool:
    """Whether entries have come since the last look, and that is long enough ago. Two look-ups by key."""
    place = session.execute(select(NoticePlace.entry_id, NoticePlace.looked_at)).first()
    if place is None:
        return True
    if timedelta() <= now - place.looked_at < LOOK_EVERY:
        return False
    return _newest(session) > int(place.entry_id)


def begin(session: Session, *, now: datetime) -> int:
    """Return the entry after which to look."""
    place = session.get(NoticePlace, ONLY, with_for_update=True)
    newest = _newest(session)
    if place is None:
        place = NoticePlace(id=ONLY, entry_id=newest, looked_at=now)
        session.add(place)
    elif now - place.looked_at > FORGOTTEN_AFTER:
        place.entry_id = newest
    place.looked_at = now
    session.flush()
    return place.entry_id


def note_place(session: Session, *, entry_id: int) -> None:
    """Note that entries up to this one were looked through; the place never goes back."""
    place = session.get(NoticePlace, ONLY, with_for_update=True)
    if place is not None:
        place.entry_id = max(place.entry_id, entry_id)


def look(session: Session, *, after: int, settings: Settings, now: datetime) -> Look:
    """Look through the entries that follow one of them, at most `CHUNK`."""
    newest = _newest(session)
    until = min(after + CHUNK, newest)
    found = []
    for row in session.execute(_candidates(after, until, settings)):
        threshold = settings.config.low_balance if row.threshold is None else row.threshold
        highest = max(row.before, row.highest)
        told = row.told or rules.told_after("", left=highest - row.floor, threshold=threshold)
        state = rules.told_after(told, left=row.balance - row.floor, threshold=threshold)
        if state != told and (row.told or rules.RANK[state] > rules.RANK[told]):
            found.append(Found(row.user_id, told, state))
    settled = _settled(session, after, until, now) if is_postgresql(session) else until
    return Look(found, until, settled, until >= newest)


def _settled(session: Session, after: int, until: int, now: datetime) -> int:
    """Up to which entry no other can come any more: where one is a minute old, lower ones were begun before it."""
    here, old = (Entry.id > after, Entry.id <= until), Entry.created_at <= now - SETTLED
    if session.scalar(select(Entry.id).where(*here, ~old).limit(1)) is None:
        return until
    return session.scalar(select(func.max(Entry.id)).where(*here, old)) or after


def _newest(session: Session) -> int:
    return session.scalar(select(func.max(Entry.id))) or 0


def _candidates(after: int, until: int, settings: Settings) -> Select[*tuple[Any, ...]]:
    """Whose purse moved, and either stands where it may have to be told, or is no longer where it was told of.

    `before` is the balance before the first of the entries, `highest` the highest after one of them: where that was
    enough and what is there now is not, there was a crossing. One that was told before has its row.
    """
    mail = settings.config.mail
    moved = (
        select(
            Entry.account_id,
            func.min(Entry.sequence).label("first"),
            func.max(Entry.balance_after).label("highest"),
        )
        .where(Entry.id > after, Entry.id <= until)
        .group_by(Entry.account_id)
        .subquery()
    )
    first = aliased(Entry)
    threshold = func.coalesce(NoticeChoice.threshold, settings.config.low_balance)
    wanted = func.coalesce(NoticeChoice.by_email, mail is not None and mail.everybody)
    left = Account.balance - Account.floor
    is_down = and_(
        wanted.is_(True),
        User.email != "",
        User.status == "active",
        or_(left <= 0, left <= threshold),
        or_(NoticeTold.state.is_(None), and_(NoticeTold.state == "low", left <= 0)),
    )
    is_up = or_(
        and_(NoticeTold.state == "empty", left > threshold / 10),
        and_(NoticeTold.state == "low", left > threshold),
    )
    return (
        select(
            Account.user_id,
            Account.balance,
            Account.floor,
            (first.balance_after - first.amount).label("before"),
            moved.c.highest,
            NoticeChoice.threshold,
            NoticeTold.state.label("told"),
        )
        .join_from(moved, Account, Account.id == moved.c.account_id)
        .join(first, and_(first.account_id == moved.c.account_id, first.sequence == moved.c.first))
        .join(User, User.id == Account.user_id)
        .outerjoin(NoticeChoice, NoticeChoice.user_id == User.id)
        .outerjoin(NoticeTold, NoticeTold.user_id == User.id)
        .where(Account.floor.is_not(None), or_(is_down, is_up))
        .order_by(Account.id)
    )
