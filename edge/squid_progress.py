"""How far the reading of old logs is: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

BAR_EVERY_S: Final = 0.2
LINE_EVERY_S: Final = 10.0
BAR_WIDTH: Final = 24


class Progress:
    """Says what was read. Nothing is said of a log that is read in a moment, except the end."""

    def __init__(
        self, bytes_left: int, *, out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`bytes_left`: what lies before the end at the beginning."""
        self._total = bytes_left
        self._out = out
        self._clock = clock
        self._terminal = out.isatty()
        self._begun = self._said_at = clock()
        self._lines = 0
        self._drawn = False

    def step(self, lines: int, bytes_left: int) -> None:
        """So many lines more were read, and so many bytes are left."""
        self._lines += lines
        now = self._clock()
        if now - self._said_at < (BAR_EVERY_S if self._terminal else LINE_EVERY_S):
            return
        self._said_at = now
        self._total = max(self._total, bytes_left)  # it grows while it is read
        text = progress_text(self._lines, self._total - bytes_left, self._total, now - self._begun)
        if self._terminal:
            self._out.write(f"\r{text}\x1b[K")
            self._drawn = True
        else:
            self._out.write(f"{text}\n")
        self._out.flush()

    def done(self) -> None:
        """Say what was read in all."""
        seconds = self._clock() - self._begun
        if self._drawn:
            self._out.write("\r\x1b[K")
        rate = f", {round(self._lines / seconds):,} lines/s" if seconds >= 1 else ""
        self._out.write(f"{self._lines:,} lines read and booked in {seconds:.1f} s{rate}\n")
        self._out.flush()


def progress_text(lines: int, done: int, total: int, seconds: float) -> str:
    """Return "[=====>    ] 42 %  1,234,567 lines  600,000 lines/s  12 s left"."""
    share = min(1.0, done / total) if total else 1.0
    filled = int(share * BAR_WIDTH)
    bar = "=" * filled + (">" if filled < BAR_WIDTH else "") + " " * (BAR_WIDTH - filled - 1)
    rate = round(lines / seconds) if seconds > 0 else 0
    left = f"  {time_in_words(seconds / share - seconds)} left" if share > 0.01 else ""
    return f"[{bar}] {int(share * 100):3} %  {lines:,} lines  {rate:,} lines/s{left}"


def time_in_words(seconds: float) -> str:
    """Return "12 s", "3 min", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
