"""A long stretch of the log summed up by several processes at once: what an old log, or one that grew for days, is."""

from __future__ import annotations

import itertools
import os
import threading
from typing import Final

from edge.squid_files import OpenLog
from edge.squid_lines import LogFormat
from edge.squid_sites import Table
from edge.squid_sum import Sums
from edge.squid_tail import CHUNK_BYTES

LEAST_EACH: Final = 4_000_000  # bytes that are worth another process
MOST_PROCESSES: Final = 4


class StretchError(Exception):
    """The stretch could not be summed up like this: it holds a giant line, or was cut meanwhile."""


def sum_stretch(sums: Sums, opened: OpenLog, begin: int, end: int) -> None:
    """Add the lines of an open file from the byte `begin` to `end`, where a line ends.

    Other processes look at parts of it and send what they have summed up. Raises StretchError: then what `sums` holds
    is of no use.
    """
    marks = _marks(opened, begin, end)
    children = [_Child(sums.table, sums.log_format, opened, *part) for part in itertools.pairwise(marks[1:])]
    try:
        _sum_here(sums, opened, marks[0], marks[1])
        for child in children:
            sums.add_packed(child.result())
    finally:
        for child in children:
            child.end()


def processes() -> int:
    """How many may work at once: as many as this one may use of the machine's cores, and few."""
    if threading.active_count() > 1:
        return 1  # a process that is split while a thread of it holds a lock would wait for ever
    return max(1, min(MOST_PROCESSES, len(os.sched_getaffinity(0))))


def _marks(opened: OpenLog, begin: int, end: int) -> list[int]:
    """Where the parts begin, and `end`: each is the beginning of a line."""
    parts = max(1, min(processes(), (end - begin) // LEAST_EACH))
    marks = [begin]
    for number in range(1, parts):
        near = begin + (end - begin) * number // parts
        found = opened.read(CHUNK_BYTES, near).find(b"\n")
        if found >= 0 and marks[-1] < near + found + 1 < end:
            marks.append(near + found + 1)
    return [*marks, end]


def _sum_here(sums: Sums, opened: OpenLog, begin: int, end: int) -> None:
    while begin < end:
        data = opened.read(min(CHUNK_BYTES, end - begin), begin)
        length = data.rfind(b"\n") + 1
        if not length:
            raise StretchError
        sums.add_block(data[:length])
        begin += length


class _Child:
    """A process that sums up one part and writes the result into a pipe. It never returns from being made."""

    def __init__(self, table: Table, log_format: LogFormat, opened: OpenLog, begin: int, end: int) -> None:
        self._pipe, writing = os.pipe()
        self._waited = False
        self._pid = os.fork()
        if self._pid:
            os.close(writing)
            return
        status = 1
        try:
            os.close(self._pipe)
            sums = Sums(table, log_format)
            _sum_here(sums, opened, begin, end)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(sums.packed())
            status = 0
        finally:
            os._exit(status)  # nothing of the parent's is tidied up by its copy

    def result(self) -> bytes:
        """What it summed up. Raises StretchError."""
        with os.fdopen(os.dup(self._pipe), "rb") as pipe:
            data = pipe.read()
        self._waited = True
        if os.waitpid(self._pid, 0)[1]:
            raise StretchError
        return data

    def end(self) -> None:
        """Let nothing of it stay, also when nobody wants the result any more."""
        os.close(self._pipe)  # its writing fails from now on
        if not self._waited:
            os.waitpid(self._pid, 0)
