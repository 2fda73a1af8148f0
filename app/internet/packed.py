"""Usage by slot as a proxy sends very much of it: columns of numbers as bytes, instead of a million numbers in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Final

from app.internet.columns import NO_COLUMN, WIDTHS, read
from app.internet.hours import Slot

COLUMNS: Final = 6
SUMS_MAX: Final = 4_000_000


def unpack(heads: Sequence[tuple[int, int, str]], numbers: str, *, most: int) -> list[Slot]:
    """Return slots from (start, how many sums, a code for each column) and their numbers.

    The columns are those of a slot without `charged`, one after the other. Codes: H, I, Q for unsigned numbers of 2, 4
    and 8 bytes, the lowest first, "-" for a column that is not there. `numbers`: the bytes in base64. Raises ValueError
    for what does not fit together, and for a number above `most`.
    """
    try:
        data = base64.b64decode(numbers, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if sum(count for _, count, _ in heads) > SUMS_MAX:
        raise ValueError("too many sums at once")
    if any(count < 1 or len(codes) != COLUMNS for _, count, codes in heads):
        raise ValueError("a slot without sums, or without a code for each column")
    if any(not set(codes) <= {*WIDTHS, NO_COLUMN} for _, _, codes in heads):
        raise ValueError("unknown code")
    if sum(count * WIDTHS.get(code, 0) for _, count, codes in heads for code in codes) != len(data):
        raise ValueError("more or fewer numbers than were said")
    pieces = _columns(heads, memoryview(data), most)
    slots = []
    for start, _, _ in heads:
        users, sites, down, up, cached, requests = (next(pieces) for _ in range(COLUMNS))
        slots.append(Slot(start, users, sites, down, up, cached, requests))
    return slots


def _columns(heads: Sequence[tuple[int, int, str]], data: memoryview, most: int) -> Iterator[Sequence[int]]:
    begin = 0
    for _, count, codes in heads:
        for code in codes:
            if code == NO_COLUMN:
                yield []
                continue
            end = begin + count * WIDTHS[code]
            column = read(code, data[begin:end])
            begin = end
            if code == "Q" and max(column) > most:
                raise ValueError("a number is too large")
            yield column
