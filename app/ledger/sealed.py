"""Sums over blocks of entries, keyed with the instance's secret: what tells later which entry of the past was changed.

Each entry becomes one number, by a hash that nobody without the secret can compute. A block keeps the sums of those
numbers, of id times number, and of account times number, modulo a prime. When one entry of a block was changed, the
difference of the second sum divided by that of the first is its id; likewise its account. Nothing is kept of each
entry, and yet a single change is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

BLOCK: Final = 250
"""Entries a block. Two changes in one block are seen, but not told apart."""

PRIME: Final = 2**61 - 1
"""Mersenne's: sums fit into 64-bit columns."""

SCHEME: Final = "1"
"""Which fields are hashed, and how. What was kept under another scheme cannot be compared."""

Totals = dict[str, list[int]]
"""source -> [entries, sum of their amounts in millionths]."""


@dataclass(slots=True)
class Sums:
    """What is kept of a block: all but `count` modulo PRIME."""

    count: int = 0
    amount: int = 0
    digest: int = 0
    by_id: int = 0
    by_account: int = 0

    def add(self, entry_id: int, account_id: int, amount: int, number: int) -> None:
        """Add one entry."""
        self.count += 1
        self.amount += amount
        self.digest += number
        self.by_id += entry_id * number
        self.by_account += account_id * number

    def reduced(self) -> Sums:
        """Return the sums as they are kept."""
        return Sums(self.count, self.amount % PRIME, self.digest % PRIME, self.by_id % PRIME, self.by_account % PRIME)

    @property
    def values(self) -> tuple[int, int, int, int, int]:
        """The five numbers, in the order of the columns."""
        return self.count, self.amount, self.digest, self.by_id, self.by_account


@dataclass(frozen=True, slots=True)
class Change:
    """The one entry by which a block differs, if it is one: how many more there are now, and by what amount."""

    entry_id: int
    account_id: int
    count: int
    amount: int


def the_change(kept: Sums, now: Sums) -> Change | None:
    """Return the only entry by which `now` differs from `kept`; None when no single entry explains it.

    `account_id` is right where the entry stayed in its account. `amount` is how much more it is now, in millionths.
    """
    digest = (now.digest - kept.digest) % PRIME
    count = now.count - kept.count
    if not digest or abs(count) > 1:
        return None
    inverse = pow(digest, -1, PRIME)
    entry_id = (now.by_id - kept.by_id) * inverse % PRIME
    account_id = (now.by_account - kept.by_account) * inverse % PRIME
    amount = (now.amount - kept.amount) % PRIME
    return Change(entry_id, account_id, count, amount if amount <= PRIME // 2 else amount - PRIME)


class Sealer:
    """Numbers of entries, and the seal over all that is kept, under a key made of the instance's secret."""

    def __init__(self, secret: str, dialect: str) -> None:
        """Args: secret: of the instance; dialect: of its database, since both write instants in their own way."""
        person = f"twinpurse {SCHEME}".encode()
        self._key = hashlib.blake2b(f"{dialect}:{secret}".encode(), digest_size=32, person=person).digest()
        self._blank = hashlib.blake2b(key=self._key, digest_size=8)

    def number(self, row: tuple[Any, ...]) -> int:
        """Return the number of an entry, given the values of its fields."""
        blank = self._blank.copy()
        blank.update(repr(row).encode("utf-8", "backslashreplace"))
        return int.from_bytes(blank.digest(), "big") % PRIME

    def seal(self, *, until: int, follows_id: int, sources: str, blocks: Iterable[tuple[int, Sums]]) -> str:
        """Return the seal, in hexadecimal digits, over what a verification keeps; `blocks` by number."""
        seal = hashlib.blake2b(key=self._key, digest_size=32)
        seal.update(f"{until} {follows_id} {sources}".encode())
        for number, sums in blocks:
            seal.update(f"|{number} {sums.values}".encode())
        return seal.hexdigest()


def totals_to_json(totals: Mapping[str, list[int]]) -> str:
    """Return the totals as text to keep: the same totals, the same text."""
    return json.dumps(totals, sort_keys=True)


def copy_totals(totals: Totals) -> Totals:
    """Return the totals as they are now."""
    return {source: list(pair) for source, pair in totals.items()}
