"""A directory that tests write by hand: people by their lasting id, also two of one name, which real ones may have."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.people import sync, sync_work
from app.people.models import User, UserName
from app.people.sync_models import DirectorySync, SyncChange
from app.settings import settings_of_app
from directory.interface import DirectoryUnavailableError
from directory.roster import Changes, Listed, PlaceLostError, Progress, Reading


class Roll:
    """People by a short key of the test. A fake, since no real directory can be made to die at a certain page."""

    def __init__(self, *names: str, page: int = 1000) -> None:
        self.page = page
        self.people: dict[str, Listed] = {}
        self.dies_after: int | None = None
        self.away = False
        self.asked: list[str] = []
        self.log: list[str] = []
        for name in names:
            self.put(name)

    def put(self, key: str, **changed: Any) -> Listed:
        """Add or change a person; who is new has the key as their user name."""
        known = self.people.get(key)
        if known is None:
            known = Listed(id_of(key), key, f"Person {key}", f"{key}@example.org", False, ("Students",))
        self.people[key] = known._replace(**changed)
        self.log.append(key)
        return self.people[key]

    def remove(self, *keys: str) -> None:
        """Let people leave."""
        for key in keys:
            del self.people[key]

    def everyone(self, progress: Progress | None = None) -> Reading:
        """Pages of all; see Roster.everyone."""
        return Reading(self._pages(progress), lambda: 0)

    def place(self) -> str | None:
        """Where changes begin."""
        self._answer("place")
        return str(len(self.log))

    def changes(self, place: str) -> Changes:
        """Who changed since."""
        self._answer("changes")
        if not place.isdecimal():
            raise PlaceLostError("the place cannot be read")
        keys = dict.fromkeys(self.log[int(place) :])
        return Changes([self.people[key] for key in keys if key in self.people], str(len(self.log)))

    def found(self, directory_ids: Sequence[str]) -> dict[str, Listed]:
        """Who of these is there."""
        self._answer("found")
        self.asked = list(directory_ids)
        there = {one.directory_id: one for one in self.people.values()}
        return {name: there[name] for name in directory_ids if name in there}

    def _pages(self, progress: Progress | None) -> Iterator[list[Listed]]:
        people = list(self.people.values())
        for number, first in enumerate(range(0, len(people), self.page)):
            if number == self.dies_after:
                raise DirectoryUnavailableError("the directory went away in the middle")
            self._answer("page")
            if progress is not None:
                progress(first)
            yield people[first : first + self.page]

    def _answer(self, _what: str) -> None:
        if self.away:
            raise DirectoryUnavailableError("no server answers")


def id_of(key: str) -> str:
    """The lasting id of the person with this key."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, key))


def go(roll: Roll, kind: str = "full") -> DirectorySync:
    """Make a pass, work on it, and return it as it is then."""
    made = writing(lambda session: sync.begin(session, kind=kind, asked_by="Ada", now=clock.now()))
    sync_work.work(made.id, roster=roll, settings=settings_of_app().config.directory)
    return look_up(made.id)


def look_up(sync_id: int) -> DirectorySync:
    """The pass as it is now."""
    reading().rollback()
    return sync.get(reading(), sync_id=sync_id)


def known() -> dict[str, User]:
    """Everybody known here, by user name."""
    reading().rollback()
    return {user.username: user for user in reading().scalars(select(User).execution_options(populate_existing=True))}


def changes_of(one: DirectorySync) -> dict[str, list[tuple[str, str, str]]]:
    """What a pass noted: kind -> [(user name, was, now)]."""
    rows = reading().scalars(select(SyncChange).where(SyncChange.sync_id == one.id).order_by(SyncChange.id))
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        found.setdefault(row.what, []).append((row.username, row.was, row.now))
    return found


def former() -> dict[str, int]:
    """Former names, and whose they were."""
    reading().rollback()
    rows = reading().scalars(select(UserName).where(UserName.kind == "former"))
    return {row.name_key: row.user_id for row in rows}
