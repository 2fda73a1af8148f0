"""What a person's data consists of: parts, each a table with stable keys, and how its values are written.

A part asks one question of the database, about one person; nothing else is ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select
from sqlalchemy.orm import Session

AT_ONCE: Final = 1_000
"""Rows that are fetched at a time: memory does not grow with what somebody did."""

AMOUNT_PLACES: Final = 6
FINE_PLACES: Final = 12


@dataclass(frozen=True)
class Owner:
    """Whose data it is. `name_key`: their user name as tries to sign in are counted under it."""

    user_id: int
    name_key: str


@dataclass(frozen=True)
class Part:
    """A part, called `key` in the JSON and as a file. The names of the query's columns are the keys of its rows.

    `amounts`: columns in millionths of the unit; `fine`: in millionths of a millionth. `single`: there is one row at
    most. `needs`: only where the instance charges this ("print", "internet").
    """

    key: str
    query: Callable[[Owner], Select[*tuple[Any, ...]]]
    amounts: frozenset[str] = field(default=frozenset())
    fine: frozenset[str] = field(default=frozenset())
    single: bool = False
    needs: str = ""

    def columns(self, owner: Owner) -> list[str]:
        """Return the keys of its rows, in order."""
        return [column.name for column in self.query(owner).selected_columns]

    def rows(self, session: Session, owner: Owner, *, zone: ZoneInfo, decimals: int) -> Iterator[list[Any]]:
        """Yield its rows as JSON has them: amounts as exact decimals in text, times as ISO 8601 with their offset."""
        write = [self._writer(name, zone, decimals) for name in self.columns(owner)]
        found = session.execute(self.query(owner).execution_options(yield_per=AT_ONCE))
        for row in found:
            yield [each(value) for each, value in zip(write, row, strict=True)]

    def _writer(self, name: str, zone: ZoneInfo, decimals: int) -> Callable[[Any], Any]:
        if name in self.amounts:
            return lambda value: None if value is None else exact(value, places=AMOUNT_PLACES, least=decimals)
        if name in self.fine:
            return lambda value: None if value is None else exact(value, places=FINE_PLACES, least=decimals)
        return lambda value: _plain(value, zone)


def exact(value: int, *, places: int, least: int) -> str:
    """Return `value`, which counts the last of `places` decimals, as a decimal with a point; at least `least` figures.

    It is the same in every language: programs read it.
    """
    whole, rest = divmod(abs(value), 10**places)
    fraction = f"{rest:0{places}d}".rstrip("0").ljust(least, "0")
    return f"{'-' if value < 0 else ''}{whole}{'.' if fraction else ''}{fraction}"


def cell(value: Any) -> str:
    """Return a value as text for a table: empty for nothing, true and false as words."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else value
