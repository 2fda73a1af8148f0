"""One thing in the books that does not add up, and how it is said, kept and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

LISTED_MAX: Final = 1000
"""So many of one check's differences are listed; the others are counted."""


@dataclass(frozen=True)
class Difference:
    """One thing that does not add up, by account and, where there is one, entry.

    `what` is a fixed phrase; `text` says where or beside what. `expected` and `found` are what should stand there and
    what does, in millionths where `micro`; None where that says nothing.
    """

    what: str
    account_id: int | None
    entry_id: int | None
    expected: int | str | None
    found: int | str | None
    text: str = ""
    micro: bool = False

    def words(self, amount: Callable[[int], str] = str) -> str:
        """Return the difference as a line; `amount` puts millionths into words."""
        places = [("account", self.account_id), ("entry", self.entry_id)]
        where = ", ".join(f"{noun} {number}" for noun, number in places if number is not None) or "books"
        return f"{where}: {self.sentence(amount)}"

    def sentence(self, amount: Callable[[int], str] = str) -> str:
        """Return what differs, without the place."""
        line = f"{self.what} ({self.text})" if self.text else self.what
        if self.expected is None and self.found is None:
            return line
        expected, found = (
            amount(value) if self.micro and isinstance(value, int) else "nothing" if value is None else str(value)
            for value in (self.expected, self.found)
        )
        return f"{line}: expected {expected}, found {found}"

    def __str__(self) -> str:
        return self.words()


@dataclass
class Findings:
    """The differences of one verification: all are counted, the first of each check are listed."""

    listed: list[Difference] = field(default_factory=list)
    count: int = 0

    def take(self, differences: Iterable[Difference]) -> None:
        """Take what one check found."""
        for place, difference in enumerate(differences):
            self.count += 1
            if place < LISTED_MAX:
                self.listed.append(difference)


def to_json(differences: Sequence[Difference]) -> str:
    """Return differences as text to keep."""
    return json.dumps([asdict(difference) for difference in differences])


def from_json(text: str) -> list[Difference]:
    """Return the differences that `to_json` wrote."""
    rows: list[dict[str, Any]] = json.loads(text) if text else []
    return [Difference(**row) for row in rows]
