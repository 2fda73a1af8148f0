"""Who may go on: a table of everybody that proxies decide by, kept fresh by looking at what changed only.

A helper asks every second. What costs is reading everybody, so that is done seldom: a look at some marks (the newest
entry, the open holds, how many people) tells whose purses moved since the last look.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.db import one_of
from app.internet import rates, rules
from app.internet.rate_models import InternetRates, RateForGroup, RateForUser
from app.internet.rate_sites import host_name
from app.ledger.models import Account, AccountDefaults, Entry, Hold
from app.people.models import Membership, User, UserName
from app.settings import Settings

OVERLAP: Final = 1000  # entries that are looked at again: PostgreSQL gives out ids before it commits
MOST_TOUCHED: Final = 20_000  # entries since the last look; after more, everybody is read
KEPT_CHANGES: Final = 50_000
REST: Final = 100  # a reading of everybody that took t seconds is followed by another one after this times t
CHUNK: Final = 10_000

Word = bool | str
"""True: may go on; False: not; "slow" or "warn": nothing left, and what the policy says to that."""


@dataclass(frozen=True)
class Told:
    """What a helper is told: `version` names it; `users` is None where nothing changed, `full` whether it is all."""

    version: str
    header: dict[str, Any]
    users: dict[str, Word | None] | None
    full: bool


class StandingTable:
    """Everybody's standing by name. One for each process; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nonce = secrets.token_hex(4)
        self._number = 0
        self._users: dict[str, Word] = {}
        self._ids: dict[str, int] = {}
        self._own: set[str] = set()
        self._header: dict[str, Any] = {}
        self._header_number = 0
        self._changes: deque[tuple[int, str]] = deque(maxlen=KEPT_CHANGES)
        self._marks: tuple[Any, ...] = ()
        self._held: frozenset[int] = frozenset()
        self._full_at = 0.0
        self._rates_version = 0
        self._open: Mapping[str, bool] = {}
        self._sites: dict[str, list[str]] = {}  # the same, as helpers are told

    def tell(self, session: Session, *, settings: Settings, since: str = "") -> Told:
        """Return what changed since a version, or everything where that is not known any more."""
        with self._lock:
            self._refresh(session, settings)
            version = f"{self._nonce}.{self._number}"
            if since == version:
                return Told(version, self._header, None, full=False)
            nonce, _, number = since.partition(".")
            oldest = self._changes[0][0] if len(self._changes) == KEPT_CHANGES else 0
            if nonce != self._nonce or not number.isdecimal() or not oldest <= int(number) < self._number:
                return Told(version, self._header, dict(self._users), full=True)
            changed: dict[str, Word | None] = {}
            for at, name in reversed(self._changes):
                if at <= int(number):
                    break
                changed[name] = self._users.get(name)
            return Told(version, self._header, changed, full=False)

    def look_up(self, session: Session, *, settings: Settings, names: Iterable[str]) -> dict[str, tuple[int, Word]]:
        """Return name -> (user id, their standing) for those of `names`, as `name_key` has them, that somebody has."""
        with self._lock:
            self._refresh(session, settings)
            return {name: (self._ids[name], self._users[name]) for name in names if name in self._ids}

    def open_hosts(self, session: Session, *, settings: Settings) -> Mapping[str, bool]:
        """Return the hosts that stay reachable for everybody as True, and as False the domains below them that do not.

        These are our own, and what lists of sites say; of several that hold a host the longest counts.
        """
        with self._lock:
            return self._open_hosts(session, settings)

    def _open_hosts(self, session: Session, settings: Settings) -> Mapping[str, bool]:
        # The lists are long and change seldom; with each change of them the version grows.
        version = session.scalar(select(InternetRates.version)) or 0
        if version != self._rates_version or not version:
            config = settings.config
            own = {host_name(urlsplit(url).hostname or "") for url in (config.public_url, config.portal_url) if url}
            self._open = rates.always_open(session) | dict.fromkeys(own - {""}, True)
            for name, is_open in (("open", True), ("closed", False)):
                self._sites[name] = sorted(host for host, word in self._open.items() if word is is_open)
            self._rates_version = version
        return self._open

    def _refresh(self, session: Session, settings: Settings) -> None:
        marks = _marks(session)
        newest, *others = marks
        header = self._header_of(session, settings)
        due = time.monotonic() >= self._full_at
        if marks != self._marks or header != self._header or due:
            touched = newest - self._marks[0] if self._marks else MOST_TOUCHED + 1
            held = _held_accounts(session)
            if due or header != self._header or others[1:] != list(self._marks[2:]) or touched > MOST_TOUCHED:
                self._read_all(session, settings, header)
            else:
                ids = session.scalars(select(Entry.account_id).where(Entry.id > self._marks[0] - OVERLAP).distinct())
                self._read_some(session, settings, {*ids, *held, *self._held})
            self._marks, self._held = marks, held

    def _header_of(self, session: Session, settings: Settings) -> dict[str, Any]:
        self._open_hosts(session, settings)
        # With the domains the proxy takes them off a name itself, instead of asking for each such name.
        return {"mode": settings.config.mode, "domains": list(settings.config.directory.domains), **self._sites}

    def _read_all(self, session: Session, settings: Settings, header: dict[str, Any]) -> None:
        begun = time.monotonic()
        own, other = _rows(session)
        users, ids = _words(session, settings, [*other, *own])  # somebody's own name counts before another's alias
        changed = [name for name in users.keys() | self._users.keys() if users.get(name) != self._users.get(name)]
        self._users, self._ids, self._own = users, ids, {row.name for row in own}
        if changed or header != self._header:
            self._note(changed)
        self._header = header
        self._full_at = time.monotonic() + REST * (time.monotonic() - begun)

    def _read_some(self, session: Session, settings: Settings, account_ids: Collection[int]) -> None:
        listed = sorted(account_ids)
        changed = []
        for first in range(0, len(listed), CHUNK):
            own, other = _rows(session, one_of(session, Account.id, listed[first : first + CHUNK]))
            self._own |= {row.name for row in own}
            users, ids = _words(session, settings, [*(row for row in other if row.name not in self._own), *own])
            changed += [name for name, word in users.items() if self._users.get(name) != word]
            self._users |= users
            self._ids |= ids
        if changed:
            self._note(changed)

    def _note(self, changed: Iterable[str]) -> None:
        self._number += 1
        self._changes.extend((self._number, name) for name in changed)


def lasts(session: Session, *, settings: Settings, user_id: int, available: int, floor: int | None) -> bool:
    """Whether somebody with so much left has something left to go on with; use may cost them nothing at all."""
    if rules.may_go_on(available=available, floor=floor):
        return True
    plan = rates.load(session, settings)
    return plan.is_free or rates.percents(session, user_ids=[user_id], plan=plan)[user_id] == 0


def word_for_empty(session: Session, *, settings: Settings) -> Word:
    """What is said of somebody who has nothing left."""
    if not settings.enforces:
        return True
    at_empty, _ = rates.policies(session)
    return False if at_empty == "stop" else at_empty


def _marks(session: Session) -> tuple[Any, ...]:
    """The newest entry, then what holds are open, then all else that may change many people at once."""
    held = select(func.count()).select_from(Hold).where(Hold.state == "open").scalar_subquery()
    inactive = select(func.count()).select_from(User).where(User.status != "active").scalar_subquery()
    # Who is in a group that pays nothing: a mark of all of them, that the directory's reading changes.
    free = select(RateForGroup.group_id).where(RateForGroup.percent == 0)
    members = (func.count(), func.sum(Membership.user_id), func.sum(Membership.user_id * Membership.user_id))
    in_free = [select(each).select_from(Membership).where(Membership.group_id.in_(free)) for each in members]
    found = session.execute(
        select(
            select(func.coalesce(func.max(Entry.id), 0)).scalar_subquery(),
            select(func.coalesce(func.max(Hold.id), 0)).scalar_subquery() * 100_000 + held,
            inactive,
            select(func.max(User.id)).scalar_subquery(),
            select(func.count()).select_from(UserName).scalar_subquery(),
            select(AccountDefaults.changed_at).scalar_subquery(),
            select(InternetRates.version).scalar_subquery(),
            *(each.scalar_subquery() for each in in_free),
        )
    ).one()
    return tuple(found)


def _held_accounts(session: Session) -> frozenset[int]:
    return frozenset(session.scalars(select(Hold.account_id).where(Hold.state == "open").distinct()))


def _rows(session: Session, only: ColumnElement[bool] | None = None) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return (people by their own names, people by their other names): name, id, status, available, floor."""
    figures = (User.id, User.status, (Account.balance - Account.reserved).label("available"), Account.floor)
    own = select(User.username.label("name"), *figures).join(Account, Account.user_id == User.id)
    other = (
        select(UserName.name_key.label("name"), *figures)
        .join(User, User.id == UserName.user_id)
        .join(Account, Account.user_id == User.id)
    )
    found = [session.execute(rows if only is None else rows.where(only)).all() for rows in (own, other)]
    return found[0], found[1]


def _words(session: Session, settings: Settings, rows: Iterable[Any]) -> tuple[dict[str, Word], dict[str, int]]:
    empty = word_for_empty(session, settings=settings)
    plan = rates.load(session, settings)
    free = _free_people(session) if plan.has_people else set()
    users: dict[str, Word] = {}
    ids: dict[str, int] = {}
    for name, user_id, status, available, floor in rows:
        goes_on = floor is None or available > floor or plan.is_free or user_id in free
        users[name] = True if not settings.enforces else status == "active" and (goes_on or empty)
        ids[name] = user_id
    return users, ids


def _free_people(session: Session) -> set[int]:
    """Everybody who pays 0 percent: by a row of their own, else by any of their groups."""
    members = select(Membership.user_id).join(RateForGroup, RateForGroup.group_id == Membership.group_id)
    free = set(session.scalars(members.where(RateForGroup.percent == 0)))
    for user_id, percent in session.execute(select(RateForUser.user_id, RateForUser.percent)):
        (free.add if percent == 0 else free.discard)(user_id)
    return free
