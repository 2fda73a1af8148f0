"""What may be given back for a print job, and how, as functions of values. Amounts are millionths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

TEXT_LENGTH_MAX: Final = 200
STATE_WORDS: Final = {
    "open": "Asked for",
    "approved": "Refunded",
    "refused": "Refused",
    "withdrawn": "Withdrawn",
}


def split(amounts: Sequence[int], amount: int) -> list[int]:
    """Return how much of each charge is undone so that `amount` comes back: from the first on, 0 for those left alone.

    Raises ValueError for more than the charges together, and for nothing.
    """
    if not 0 < amount <= sum(amounts):
        raise ValueError("more than nothing is given back, and at most what was charged")
    parts = []
    for charged in amounts:
        part = min(max(charged, 0), amount)
        parts.append(part)
        amount -= part
    return parts


def problem_of_text(text: str, *, what: str) -> str:
    """Return what is wrong with a reason or an answer, as a sentence for its field; "" for nothing."""
    if not text.strip():
        return f"Give {what}"
    if len(text.strip()) > TEXT_LENGTH_MAX:
        return f"Use at most {TEXT_LENGTH_MAX} characters"
    if not text.strip().isprintable():
        return "Write it in one line"
    return ""
