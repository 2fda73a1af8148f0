"""What users moved by slot of time, as columns of numbers: how they grow, and as bytes for others to read."""

from __future__ import annotations

import base64
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

from edge.squid_sites import SHIFT

NOBODYS_PLACE: Final = 0
USER_BITS: Final = (1 << SHIFT) - 1
NO_COLUMN: Final = "-"

Numbers = Sequence[int]


class Column(NamedTuple):
    """What users moved in one slot of time: as many numbers as users, or none where all are 0.

    `users`: their places. `sites`: numbers of lists of sites. `slot`: its beginning, in seconds since 1970.
    """

    slot: int
    users: Numbers
    sites: Numbers
    down: Numbers
    up: Numbers
    cached: Numbers
    requests: Numbers

    def some(self, places: Sequence[int]) -> Column:
        """The column with only the users at these places."""
        parts = ([part[place] for place in places] if part else [] for part in self[1:])
        return Column(self.slot, *parts)


class GrowingSlot:
    """A column that still grows. Its keys say a list of sites and a user: see `squid_sites.SHIFT`.

    `requests` and `down` have the same keys in the same order; the others have some of them.
    """

    __slots__ = ("cached", "down", "requests", "until", "up")

    def __init__(self) -> None:
        self.until = 0
        self.down: defaultdict[int, int] = defaultdict(int)
        self.up: defaultdict[int, int] = defaultdict(int)
        self.cached: defaultdict[int, int] = defaultdict(int)
        self.requests: Counter[int] = Counter()

    def column(self, slot: int, by_site: bool) -> Column:
        """What it holds. What nobody pays is forgotten."""
        for key in [key for key in self.requests if not key & USER_BITS] if by_site else [NOBODYS_PLACE]:
            for part in (self.down, self.up, self.cached, self.requests):
                part.pop(key, None)
        keys = list(self.requests)
        users: list[int] = keys
        sites: list[int] = []
        if by_site:
            users, sites = [key & USER_BITS for key in keys], [key >> SHIFT for key in keys]
        down, requests = list(self.down.values()), list(self.requests.values())
        up, cached = (list(map(part.get, keys, repeat(0))) if part else [] for part in (self.up, self.cached))
        return Column(slot, *map(narrowest, (users, sites, down, up, cached, requests)))


def to_bytes(columns: Iterable[Column]) -> tuple[list[tuple[int, int, str]], bytes]:
    """Return columns as (slot, how many users, codes of its six columns) each, and the numbers as bytes.

    Codes: H, I, Q for numbers of 2, 4, 8 bytes, the lowest first; NO_COLUMN for none. A tenth of the time of JSON.
    """
    heads, pieces = [], []
    for column in columns:
        codes = ""
        for part in map(narrowest, column[1:]):
            codes += part.typecode if part else NO_COLUMN
            if sys.byteorder == "big":
                part = array(part.typecode, part)
                part.byteswap()
            pieces.append(part.tobytes())
        heads.append((column.slot, len(column.users), codes))
    return heads, b"".join(pieces)


def from_bytes(heads: Iterable[tuple[int, int, str]], data: bytes) -> Iterable[Column]:
    """Return the columns that `to_bytes` made bytes of."""
    begin = 0
    for slot, count, codes in heads:
        parts: list[Numbers] = []
        for code in codes:
            numbers: array[int] = array("H" if code == NO_COLUMN else code)
            if code != NO_COLUMN:
                end = begin + count * numbers.itemsize
                numbers.frombytes(data[begin:end])
                begin = end
                if sys.byteorder == "big":
                    numbers.byteswap()
            parts.append(numbers)
        yield Column(slot, *parts)


def to_json(columns: Iterable[Column]) -> dict[str, Any]:
    """Return columns as the instance takes them packed: with the bytes in base64."""
    heads, data = to_bytes(columns)
    return {"slots": heads, "numbers": base64.b64encode(data).decode("ascii")}


def narrowest(numbers: Numbers) -> array[int]:
    """Return numbers as an array of the narrowest kind that holds them; an array stays as it is."""
    if isinstance(numbers, array):
        return numbers
    for code in "HI":
        try:
            return array(code, numbers)
        except OverflowError:
            continue
    return array("Q", numbers)
