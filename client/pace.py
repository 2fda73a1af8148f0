"""How often the instance is asked: as often as it allows while something happens, seldom when nothing does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

GROWTH: Final = 1.5
LONGEST: Final = 5
"""Where nothing changes the pause grows to so many intervals."""

SPREAD: Final = 0.15
"""Pauses differ by up to so much either way: clients that start together at eight do not go on together."""

FIRST_RETRY_S: Final = 4.0
LONGEST_RETRY_S: Final = 300.0
REFUSED_S: Final = 60.0
"""How often a refusal that may be taken back (a disabled account) is tried again."""

Chance = Callable[[float, float], float]


class Pace:
    """The pause before the next question, in seconds, after each kind of answer."""

    def __init__(self, chance: Chance = random.uniform) -> None:
        """`chance(low, high)` draws a number: real chance, or a test's."""
        self._chance = chance
        self._unchanged = 0
        self._failures = 0

    def after_change(self, interval_s: float) -> float:
        """Return the pause after an answer with something new."""
        self._failures = self._unchanged = 0
        return self._spread(interval_s)

    def after_same(self, interval_s: float) -> float:
        """Return the pause after "nothing new"; it grows each time."""
        self._failures = 0
        self._unchanged += 1
        return self._spread(interval_s * min(GROWTH ** min(self._unchanged, 20), LONGEST))

    def after_failure(self, retry_s: float = 0) -> float:
        """Return the pause after no answer: doubled each time, and spread widely, so that not all come back at once.

        `retry_s`: what the server itself asked for.
        """
        self._failures += 1
        longest = min(FIRST_RETRY_S * 2 ** min(self._failures - 1, 20), LONGEST_RETRY_S)
        return max(retry_s * self._chance(1, 1.5), self._chance(longest / 2, longest))

    def after_refusal(self) -> float:
        """Return the pause after a no that may become a yes."""
        self._failures = self._unchanged = 0
        return self._spread(REFUSED_S)

    def somebody_looks(self) -> None:
        """The window is looked at: pauses begin at the interval again."""
        self._unchanged = 0

    def _spread(self, seconds: float) -> float:
        return self._chance(seconds * (1 - SPREAD), seconds * (1 + SPREAD))
