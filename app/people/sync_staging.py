"""What a pass reads, kept until it has ended: the directory's pages become rows that the database can compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, delete
from sqlalchemy.orm import Session

from app.db import is_postgresql
from app.people import rules
from app.people.sync_models import GROUPS_MAX, SYNC_GROUPS, SYNC_PEOPLE
from directory.interface import is_plausible_username
from directory.roster import Listed

ID_LENGTH_MAX: Final = 256
NAME_LENGTH_MAX: Final = 256
EMAIL_LENGTH_MAX: Final = 320
SETS_MAX: Final = 20_000
"""Different sets of groups that are remembered while reading: people of one class have the same."""

GROUPS: Final = ("number", "sync_id", "name_key", "name")


Row = tuple[Any, ...]


class PersonRow(NamedTuple):
    """A row of SyncPerson."""

    sync_id: int
    directory_id: str
    username: str
    display_name: str
    email: str
    disabled: bool
    role: str
    group_numbers: str
    group_count: int
    named: bool


class Reader:
    """Makes rows of what the roster lists, for one pass; groups get their numbers in the order of appearance."""

    def __init__(self, sync_id: int, role_of: Callable[[Sequence[str]], str]) -> None:
        """`role_of`: the role that somebody's groups give."""
        self.sync_id = sync_id
        self._role_of = role_of
        self._seen: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._sets: dict[tuple[str, ...], tuple[str, int, str]] = {}

    def rows(self, listed: Iterable[Listed]) -> tuple[list[PersonRow], list[Row]]:
        """Return rows of people and of groups that are new in this pass. Who is listed again is passed over.

        A user name that nobody could sign in with becomes "": that person is left out, and not taken for gone.
        """
        people: list[PersonRow] = []
        groups: list[Row] = []
        for one in listed:
            if not one.directory_id or len(one.directory_id) > ID_LENGTH_MAX or one.directory_id in self._seen:
                continue
            self._seen.add(one.directory_id)
            username = rules.name_key(one.username)
            if not is_plausible_username(username):
                username = ""
            numbers, count, role = self._sets.get(one.groups) or self._number(one.groups, groups)
            row = PersonRow(
                self.sync_id,
                one.directory_id,
                username,
                rules.printable(one.display_name, NAME_LENGTH_MAX) or username,
                rules.printable(one.email, EMAIL_LENGTH_MAX),
                bool(one.disabled),
                role,
                numbers,
                count,
                username != "",
            )
            people.append(row)
        return people, groups

    def _number(self, names: tuple[str, ...], groups: list[Row]) -> tuple[str, int, str]:
        numbers = set()
        for typed in names:
            name = rules.printable(typed, NAME_LENGTH_MAX + 1)
            key = rules.name_key(name)
            if not key or max(len(name), len(key)) > NAME_LENGTH_MAX:
                continue
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = self.sync_id * GROUPS_MAX + len(self._numbers)
                groups.append((number, self.sync_id, key, name))
            numbers.add(number)
        if len(self._sets) >= SETS_MAX:
            self._sets.clear()
        found = self._sets[names] = (json.dumps(sorted(numbers)), len(numbers), self._role_of(names))
        return found


def keep(session: Session, *, people: Sequence[PersonRow], groups: Sequence[Row]) -> None:
    """Write what a `Reader` made."""
    _write(session, SYNC_GROUPS, GROUPS, groups)
    _write(session, SYNC_PEOPLE, PersonRow._fields, people)


def forget(session: Session, *, sync_id: int) -> None:
    """Delete what a pass read."""
    for table in (SYNC_PEOPLE, SYNC_GROUPS):
        session.execute(delete(table).where(table.c.sync_id == sync_id))


def _write(session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows past SQLAlchemy's own handling of values, which costs more than the writing; plain types only."""
    if not rows:
        return
    into, connection = f"{table.name} ({', '.join(columns)})", session.connection()
    if is_postgresql(session):
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        places = ", ".join("?" * len(columns))  # only names of our own tables stand in the statement
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({places})", list(rows))  # noqa: S608 - as said
