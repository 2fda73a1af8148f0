"""Between two full passes: who changed in the directory, and whether those who are here at present are still there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.db import one_of, reading, writing
from app.errors import WrongStateError
from app.ledger.models import Account, Entry
from app.people import rules, sync, sync_compare, sync_staging, sync_work
from app.people.models import Device, Group, LoginSession, Membership, User
from app.people.sync_models import DirectoryPlace
from directory.roster import Changes, Listed, PlaceLostError, Roster
from directory.settings import DirectorySettings

EVERY: Final = timedelta(seconds=30)
"""How often the directory is asked for changes; people at present are asked about every other time."""

PRESENT_EVERY: Final = timedelta(seconds=55)
PRESENT_MAX: Final = 2_000
DEVICE_USED: Final = timedelta(days=1)
REGROUPED_MAX: Final = 20_000
LAST_ENTRIES: Final = 5_000
"""Whose purse one of so many last lines of the books is about is present, since they print or browse."""

WITNESSES: Final = 5
"""So many others are asked about too: when nobody at all is found, the answer is empty and nobody is taken for gone."""

ASKED, PRESENT = "asked", "present"
"""Names of places that hold no place but the time: when changes, and those present, were last asked for."""

log = logging.getLogger(__name__)


def due(session: Session, *, now: datetime) -> bool:
    """Whether it is time to ask for changes again."""
    return _is_due(session, ASKED, EVERY, now)


def note_asked(session: Session, *, now: datetime) -> None:
    """Note that changes were asked for."""
    _keep_place(session, ASKED, "", now)


def look(*, roster: Roster, settings: DirectorySettings) -> bool:
    """Ask the directory who changed and who is still there, and apply what is different; True when something was.

    Without a place to begin from only those present are asked about. Raises DirectoryError: nobody is changed then.
    """
    now = clock.now()
    place = reading().get(DirectoryPlace, sync.CHANGES)
    changes = _changes(roster, place.place, now) if place is not None else None
    with_present = _is_due(reading(), PRESENT, PRESENT_EVERY, now)
    asked = _regrouped(reading(), changes) if changes is not None else []
    asked += present(reading(), now=now) if with_present else []
    seen = _Seen(roster, settings)
    seen.add(changes.people if changes is not None else ())
    reading().rollback()  # the directory may take its time, and what is read after it shall be as it is then
    seen.ask(asked)
    seen.ask(_holders(reading(), seen))
    applied = _apply(seen) if _judge(reading(), seen, now) else False
    if applied is None:
        return False  # what was asked for is asked for again

    def keep(session: Session) -> None:
        if changes is not None:
            _keep_place(session, sync.CHANGES, changes.place, now)
        if with_present:
            _keep_place(session, PRESENT, "", now)

    writing(keep)
    return applied


def present(session: Session, *, now: datetime) -> list[str]:
    """Return the directory's identifiers of those who use something at present, and of a few witnesses.

    Present is who has a session that counts, a client on a desktop, or a purse that was charged lately.
    """
    lately = select(Entry.account_id).order_by(Entry.id.desc()).limit(LAST_ENTRIES).subquery()
    living = (
        LoginSession.ended_at.is_(None),
        LoginSession.seen_at > now - rules.IDLE,
        LoginSession.created_at > now - rules.ABSOLUTE,
    )
    here = or_(
        User.id.in_(select(LoginSession.user_id).where(*living)),
        User.id.in_(select(Device.user_id).where(Device.revoked_at.is_(None), Device.seen_at > now - DEVICE_USED)),
        User.id.in_(select(Account.user_id).join(lately, lately.c.account_id == Account.id)),
    )
    known = select(User.directory_id).where(User.origin == "directory", User.status == "active")
    found = list(session.scalars(known.where(here).order_by(User.refreshed_at).limit(PRESENT_MAX)))
    if not found:
        return []
    return found + list(session.scalars(known.where(User.directory_id.not_in(found)).limit(WITNESSES)))


def _changes(roster: Roster, place: str, now: datetime) -> Changes | None:
    """Return who changed since a place; None when the place is lost: then everybody is read again."""
    try:
        return roster.changes(place)
    except PlaceLostError as exc:
        log.warning("the changes of the directory cannot be followed from the last place: %s", exc)
    writing(lambda session: session.execute(delete(DirectoryPlace).where(DirectoryPlace.name == sync.CHANGES)))
    _read_everybody(now)
    return None


def _regrouped(session: Session, changes: Changes) -> list[str]:
    """Return those who were in a group that changed and are not named: they may have left it."""
    if not changes.regrouped:
        return []
    keys = [rules.name_key(name) for name in changes.regrouped]
    changed = select(Group.id).where(one_of(session, Group.name_key, keys))
    members = select(Membership.user_id).where(Membership.group_id.in_(changed))
    left = select(User.directory_id).where(User.origin == "directory", User.status == "active", User.id.in_(members))
    named = {one.directory_id for one in changes.people}
    return [name for name in session.scalars(left.limit(REGROUPED_MAX)) if name not in named]


class _Seen:
    """What the directory said of some people: how they are, and who is not there any more."""

    def __init__(self, roster: Roster, settings: DirectorySettings) -> None:
        self.roster = roster
        self.settings = settings
        self.listed: dict[str, Listed] = {}
        self.missing: set[str] = set()

    def add(self, people: Iterable[Listed]) -> None:
        """Take what was said of people."""
        self.listed |= {one.directory_id: one for one in people}

    def ask(self, directory_ids: Iterable[str]) -> None:
        """Ask about people who were not spoken of. An answer in which nobody is found at all says nothing."""
        ids = [name for name in dict.fromkeys(directory_ids) if name not in self.listed]
        found = self.roster.found(ids) if ids else {}
        self.add(found.values())
        if found:
            self.missing |= {name for name in ids if name not in found}
        elif ids:
            log.warning("the directory knows nobody of %s people who were asked about: nobody is changed", len(ids))


def _holders(session: Session, seen: _Seen) -> list[str]:
    """Return who has, here, a name that somebody else was seen with: they may have it no more, or both may."""
    names = {rules.name_key(one.username): one.directory_id for one in seen.listed.values()}
    held = select(User.username, User.directory_id).where(User.origin == "directory", User.status == "active")
    rows = [row for some in _in_parts(list(names)) for row in session.execute(held.where(User.username.in_(some)))]
    return [holder for name, holder in rows if names[name] != holder]


def _judge(session: Session, seen: _Seen, now: datetime) -> bool:
    """Leave only what is different from what is known, and say whether there is anything.

    More people than may leave without an administrator's yes do not leave here: everybody is read, and that pass waits.
    """
    known = {
        row.directory_id: row
        for some in _in_parts([*seen.listed, *seen.missing])
        for row in session.execute(_known_query(session).where(one_of(session, User.directory_id, some)))
    }
    gone = {name for name in seen.missing if name in known and known[name].status != "gone"}
    rows, _groups = sync_work.reader_of(seen.settings, 0).rows(seen.listed.values())
    different = {row.directory_id for row in rows if _differs(row, seen.listed[row.directory_id], known)}
    disabled = {name for name in different if name in known and seen.listed[name].disabled}
    leaving = [name for name in gone | disabled if known[name].status == "active"]
    if sync_compare.are_too_many(len(leaving), of=sync_compare.count_active(session)):
        log.warning("%s people at once would lose their access: nobody does, everybody is read", len(leaving))
        _read_everybody(now)
        gone, different = set(), different - disabled
    seen.missing = gone
    # Whoever shares a name with them is looked at beside them, though nothing is different: two may have it.
    names = {rules.name_key(seen.listed[name].username) for name in different}
    seen.listed = {name: one for name, one in seen.listed.items() if rules.name_key(one.username) in names}
    return bool(gone or different)


def _known_query(session: Session) -> Any:
    keys = select(func.aggregate_strings(Group.name_key, "\n"))
    keys = keys.join_from(Membership, Group, Group.id == Membership.group_id).where(Membership.user_id == User.id)
    groups = keys.correlate(User).scalar_subquery().label("groups")
    return select(
        User.directory_id, User.username, User.display_name, User.email, User.status, User.role, groups
    ).where(User.origin == "directory")


def _differs(row: sync_staging.PersonRow, listed: Listed, known: dict[str, Any]) -> bool:
    """Whether somebody is not known as the directory lists them. Who is new and disabled is not even made known."""
    user = known.get(row.directory_id)
    if user is None:
        return not row.disabled
    here = (user.username, user.display_name, user.email, user.role, user.status)
    there = (row.username, row.display_name, row.email, row.role, "disabled" if row.disabled else "active")
    groups = {rules.name_key(name) for name in listed.groups}
    return here != there or set((user.groups or "").split("\n")) - {""} != groups - {""}


def _apply(seen: _Seen) -> bool | None:
    """Apply what is different, as a pass; True when it changed something, None when it could not come to its end.

    A pass that had nothing to apply is not kept.
    """
    now = clock.now()
    try:
        made = writing(lambda session: sync.begin(session, kind="changes", asked_by="", now=now))
    except WrongStateError:
        return None
    task = sync_work.take(made.id, roster=seen.roster, settings=seen.settings)
    if task is None:
        return None

    def work() -> None:
        sync_work.keep(task, sync_work.reader_of(seen.settings, made.id), list(seen.listed.values()), len(seen.listed))
        if sync_work.compare(task, sync_compare.of_some(sorted(seen.missing))) == "applying":
            sync_work.apply(task)

    if not sync_work.carry_out(task, work):
        return None
    return writing(lambda session: sync.drop_idle(session, sync_id=made.id))


def _read_everybody(now: datetime) -> None:
    """Have everybody read, unless that was asked for a short while ago or waits for an administrator."""

    def begin(session: Session) -> None:
        last = sync.newest(session)
        if last is None or (last.state not in ("waiting", *sync.AT_WORK) and last.started_at + sync.FULL_AGAIN <= now):
            sync.begin(session, kind="full", asked_by="", now=now)

    try:
        writing(begin)
    except WrongStateError:
        log.info("everybody is being read already")


def _in_parts(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[first : first + PRESENT_MAX] for first in range(0, len(values), PRESENT_MAX))


def _is_due(session: Session, name: str, every: timedelta, now: datetime) -> bool:
    last = session.scalar(select(DirectoryPlace.updated_at).where(DirectoryPlace.name == name))
    return last is None or not timedelta(0) <= now - last < every


def _keep_place(session: Session, name: str, place: str, now: datetime) -> None:
    session.merge(DirectoryPlace(name=name, place=place, updated_at=now))
