"""How many lines the next batch may have, while the line is looked for that the instance does not take."""

from __future__ import annotations

from typing import Final

HTTP_CONFLICT: Final = 409
ABOUT_THE_BATCH: Final = frozenset({400, HTTP_CONFLICT, 413, 422})
"""Refusals that hold for this batch, however often it is sent: not understood, too large, impossible numbers."""
MOST_LINES: Final = 1_000_000  # from here on there is no bound: what was refused lies far behind
MOST_LEFT_OUT: Final = 10
"""Lines left out one after the other, without any between that was charged: more of them are not the lines' fault."""


class Halving:
    """Halves what is sent until the one line is found; doubles it again afterwards."""

    def __init__(self) -> None:
        self.most_lines = 0
        """Of the next batch; 0: as many as there are."""
        self._suspect = 0  # the next so many lines were refused together
        self._left_out = 0

    @property
    def may_leave_out(self) -> bool:
        """Whether a line that is refused alone may be left out."""
        return self._left_out < MOST_LEFT_OUT

    def is_enough(self, lines: int) -> bool:
        """Whether a batch of so many lines is to be sent."""
        return 0 < self.most_lines <= lines

    def refused(self, lines: int) -> None:
        """The next `lines` lines were refused together."""
        self._suspect = lines
        self.most_lines = max(1, lines // 2)

    def taken(self, lines: int, *, paid: bool) -> None:
        """A batch of so many lines was booked; `paid`: somebody was charged."""
        if paid:
            self._left_out = 0
        if not self.most_lines:
            return
        self._suspect = max(0, self._suspect - lines)
        self.most_lines = max(1, self._suspect // 2) if self._suspect else 2 * self.most_lines
        if self.most_lines > MOST_LINES:
            self.most_lines = 0

    def left_out(self) -> None:
        """The line was left out."""
        self._left_out += 1
        self._suspect = 0
