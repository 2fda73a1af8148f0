"""What may be given back for a print job, and how, as functions of values. Amounts are millionths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from language import N_, _

TEXT_LENGTH_MAX: Final = 200
STATE_WORDS: Final = {
    "open": N_("Asked for"),
    "approved": N_("Refunded"),
    "refused": N_("Refused"),
    "withdrawn": N_("Withdrawn"),
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


NO_REASON: Final = N_("Give a reason")
NO_ANSWER: Final = N_("Give the reason, for who asked")


def problem_of_text(text: str, *, missing: str = "") -> str:
    """Return what is wrong with a reason or an answer, as a sentence for its field; "" for nothing.

    `missing`: what is said where nothing was written, NO_REASON or NO_ANSWER; "" where that is no problem.
    """
    if not text.strip():
        return _(missing) if missing else ""
    if len(text.strip()) > TEXT_LENGTH_MAX:
        return _("Use at most %(most)s characters", most=TEXT_LENGTH_MAX)
    if not text.strip().isprintable():
        return _("Write it in one line")
    return ""
