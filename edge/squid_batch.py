"""What was read of the log and is not booked yet; and what of it nobody pays for because it is not understood."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

from edge.squid_files import Place
from edge.squid_lines import LogFormat, Unpaid
from edge.squid_sum import Sums
from edge.squid_tail import LogTail

LARGEST_BATCH: Final = 320_000_000  # bytes of the log; so many are summed up at once where there are
MOST_SUMS: Final = 1_000_000  # in a batch: bounds the memory, the request, and what the instance writes at once
SAY_UNREADABLE_EVERY_S: Final = 60.0

log = logging.getLogger(__name__)


@dataclass
class Batch:
    """What was read but not booked yet, summed up, and the places before and behind it."""

    sums: Sums
    start: Place | None = None
    place: Place | None = None
    read: int = 0  # bytes of the log
    begun: float | None = None  # monotonic time of its first line
    has_live: bool = False  # also holds what running connections grew by, which no line says

    @property
    def is_full(self) -> bool:
        """Whether it should be booked before more is read."""
        return self.read >= LARGEST_BATCH or self.sums.size >= MOST_SUMS

    @property
    def where(self) -> str:
        """Which part of the log it is, for an administrator."""
        if self.place is None:
            return "nothing"
        begin = self.start.offset if self.start is not None and self.start.inode == self.place.inode else None
        before = f"bytes {begin} to {self.place.offset}" if begin is not None else f"what is before {self.place.offset}"
        return f"{before} of {self.place.path} (inode {self.place.inode}), {self.sums.lines} lines"


class Unread:
    """Lines that nobody pays for because they are not in the log's format: counted, and said now and then."""

    def __init__(self, log_format: LogFormat) -> None:
        self._format = log_format
        self._lines = 0
        self._unread = 0
        self._said_at = 0.0

    def add(self, sums: Sums, tail: LogTail) -> None:
        """Count what was read, once the place is behind it."""
        self._lines += sums.lines
        self._unread += sums.unpaid[Unpaid.UNREADABLE]
        if time.monotonic() - self._said_at >= SAY_UNREADABLE_EVERY_S:
            self.say(tail)

    def say(self, tail: LogTail) -> None:
        """Say what was not said yet. The lines themselves stay out of our log: they say who looked at what."""
        if not self._unread:
            return
        place = tail.place
        where = f"before byte {place.offset} of {place.path}" if place else f"of {tail.path}"
        hint = "; is --format right?" if 2 * self._unread > self._lines else ""
        log.warning(
            "%d lines %s are not in the format %s: nobody was charged for them%s",
            self._unread,
            where,
            self._format.value,
            hint,
        )
        self._said_at = time.monotonic()
        self._unread = self._lines = 0
