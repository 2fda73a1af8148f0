"""The arithmetic of the books, as functions of values. Amounts are millionths of the instance's unit."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

SOURCES: Final = ("allocation", "print", "internet", "card", "adjustment", "refund", "transfer", "exchange")
"""Where money comes from or goes to. Each source's total is minus the sum of its entries over all accounts."""

KEY_LENGTH_MAX: Final = 280


def overrun(*, available: int, amount: int, floor: int | None) -> int:
    """Return how much of a charge (`amount` < 0) lies below `floor`: 0 for credits and unrestricted accounts.

    `available` is the balance after the charge less what is held: a measured charge that eats into a hold is over
    already, since the hold will be captured.
    """
    if floor is None or amount >= 0:
        return 0
    return max(0, min(-amount, floor - available))


def split_capture(*, held: int, amount: int) -> tuple[int, int]:
    """Return the parts of a captured `amount` within and beyond what was held. Both are >= 0 and sum to `amount`."""
    within = min(held, amount)
    return within, amount - within


def credit(*, balance: int, amount: int, top_up: str, cap: int | None) -> int:
    """Return what one occurrence of a schedule moves, by how it tops up.

    "add" gives `amount`; "cap" gives what fits under `cap`, and leaves a balance above it alone (as PaperCut's
    accumulation limit does); "reset" moves the balance to `amount`, which may take money away; "lower" takes away what
    is above `amount`, and gives nothing.
    """
    if top_up == "cap" and cap is not None:
        return max(0, min(amount, cap - balance))
    if top_up == "reset":
        return amount - balance
    if top_up == "lower":
        return min(0, amount - balance)
    return amount


def check_key(key: str) -> str:
    """Return `key`; raise ValueError for one that is empty or too long to be stored whole."""
    if not key or len(key) > KEY_LENGTH_MAX:
        raise ValueError(f"a key has 1 to {KEY_LENGTH_MAX} characters")
    return key


def fingerprint(*content: int | str | bool | datetime | None) -> int:
    """Return 64 bits, as a signed integer, of what was asked for under a key: the same content, the same number.

    Words for people are no content: they may be blanked later, and they move nothing. Instants count as such, whatever
    zone they are written in.
    """
    parts: list[object] = [*content]
    if datetime in map(type, content):
        parts = [part.astimezone(UTC).isoformat() if isinstance(part, datetime) else part for part in content]
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big", signed=True)


def undone(amount: int, part: int | None) -> int:
    """Return what undoing `part` of an entry of `amount` moves, the whole for None; millionths, `part` without sign."""
    if part is None:
        return -amount
    return part if amount < 0 else -part


def reversal_fingerprint(entry_id: int, part: int | None = None) -> int:
    """Return the fingerprint of undoing an entry, whole or, with `part` (millionths, without sign), in part."""
    return fingerprint("reverse", entry_id) if part is None else fingerprint("reverse", entry_id, part)


def prefix_end(prefix: str) -> str:
    """Return the least text, byte by byte, that is above every text beginning with `prefix` (not empty, ASCII)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
