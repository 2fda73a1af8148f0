"""What a pass reads, kept until it has ended: the directory's pages become rows that the database can compare."""

from __future__ import annotations

import json
import unicodedata
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
        self._numbers: dict[str, int] = {}
        self._sets: dict[tuple[str, ...], tuple[str, int, str]] = {}

    def rows(self, listed: Iterable[Listed]) -> tuple[list[PersonRow], list[Row]]:
        """Return rows of people and of groups that are new in this pass. Who is listed twice counts as listed last.

        A user name that nobody could sign in with becomes "": that person is left out, and not taken for gone.
        """
        people: dict[str, PersonRow] = {}
        groups: list[Row] = []
        for one in listed:
            if not one.directory_id or len(one.directory_id) > ID_LENGTH_MAX:
                continue
            username = rules.name_key(one.username)
            if not is_plausible_username(username):
                username = ""
            numbers, count, role = self._sets.get(one.groups) or self._number(one.groups, groups)
            people[one.directory_id] = PersonRow(
                self.sync_id,
                one.directory_id,
                username,
                _printable(one.display_name, NAME_LENGTH_MAX) or username,
                _printable(one.email, EMAIL_LENGTH_MAX),
                bool(one.disabled),
                role,
                numbers,
                count,
                username != "",
            )
        return list(people.values()), groups

    def _number(self, names: tuple[str, ...], groups: list[Row]) -> tuple[str, int, str]:
        numbers = set()
        for typed in names:
            name = _printable(typed, NAME_LENGTH_MAX + 1)
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
    """Write what a `Reader` made. Somebody who is there already, since a page was read again, is replaced."""
    _write(session, SYNC_GROUPS, GROUPS, 1, groups)
    _write(session, SYNC_PEOPLE, PersonRow._fields, 2, people)


def forget(session: Session, *, sync_id: int) -> None:
    """Delete what a pass read."""
    for table in (SYNC_PEOPLE, SYNC_GROUPS):
        session.execute(delete(table).where(table.c.sync_id == sync_id))


def _write(session: Session, table: Table, columns: Sequence[str], keys: int, rows: Sequence[Row]) -> None:
    """Write rows past SQLAlchemy's own handling of values, which costs more than the writing; plain types only."""
    if not rows:
        return
    names, others = ", ".join(columns), columns[keys:]
    renewed = ", ".join(f"{name} = excluded.{name}" for name in others)
    end = f"ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {renewed}"
    connection = session.connection()
    if is_postgresql(session):
        # JSON, since it is made and read by compiled code on both sides.
        typed = ", ".join(f"{name} {table.c[name].type.compile(connection.dialect)}" for name in columns)
        into = (
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM json_to_recordset(%(rows)s) AS r ({typed}) {end}"  # noqa: S608
        )
        values = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
        connection.exec_driver_sql(into, {"rows": values})
    else:
        places = ", ".join("?" * len(columns))
        into = f"INSERT INTO {table.name} ({names}) VALUES ({places}) {end}"  # noqa: S608
        connection.exec_driver_sql(into, list(rows))


def _printable(text: str, length: int) -> str:
    """Return text without what no database takes or no page shows: control characters and halves of surrogates."""
    if not text.isprintable():
        text = "".join(one for one in text if unicodedata.category(one) not in ("Cc", "Cs"))
    return text.strip()[:length]
