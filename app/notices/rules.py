"""When somebody is told of their purse, and when they may be told again: functions of values. Amounts in millionths."""

from __future__ import annotations

from typing import Final

NEVER: Final = 0
"""The threshold of who never calls their purse low: an empty one is empty."""

RANK: Final = {"": 0, "low": 1, "empty": 2}


def margin(threshold: int) -> int:
    """Return by how much a purse must have more than it was told of at before it can be told of again: a tenth.

    So a refund of a few cents beside the threshold, and the next page, are not told as two more crossings.
    """
    return threshold // 10


def told_after(told: str, *, left: int, threshold: int) -> str:
    """Return what somebody has been told of ("", "low", "empty") once what is due is told; higher than `told`: tell it.

    `left` is the balance counted from where the purse ends. From the threshold down it is low, from 0 down empty. Low
    can be told again when a tenth more than the threshold was there, empty when a tenth of the threshold was.
    """
    state = "empty" if left <= 0 else "low" if left <= threshold else ""
    if RANK[state] >= RANK[told]:
        return state
    if told == "empty" and left <= margin(threshold):
        return "empty"
    return "low" if left <= threshold + margin(threshold) and threshold > NEVER else ""
