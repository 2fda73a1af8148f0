"""A long stretch of the log summed up by several processes at once: what an old log, or one that grew for days, is."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from typing import Final

from edge.squid_files import OpenLog
from edge.squid_lines import LogFormat, Unpaid
from edge.squid_sites import Table
from edge.squid_sum import Sums
from edge.squid_tail import CHUNK_BYTES

LEAST_EACH: Final = 4_000_000  # bytes of a part
MOST_PARTS: Final = 255
MOST_PROCESSES: Final = 4
BLOCK_BYTES: Final = 128 * 1024  # what is made of it, some 2 MB, stays in a processor's cache


class StretchError(Exception):
    """The stretch could not be summed up like this: it was cut meanwhile, or a process that helped was ended."""


def sum_stretch(sums: Sums, opened: OpenLog, begin: int, end: int) -> None:
    """Add the lines of an open file from the byte `begin` to `end`, where a line ends.

    Other processes help: each takes the next part that nobody has taken, and sends what it has summed up at the end.
    Raises StretchError: then what `sums` holds is of no use.
    """
    parts = _Parts(_marks(opened, begin, end))
    children = []
    try:
        for _ in range(min(processes(), parts.count) - 1):
            children.append(_Child(sums.table, sums.log_format, opened, parts))
        _sum_parts(sums, opened, parts)
        sums.freeze()  # meanwhile the others do the same
        for child in children:
            sums.add_packed(child.result())
    finally:
        for child in children:
            child.end()
        parts.close()


def processes() -> int:
    """How many may work at once: as many as this one may use of the machine's cores, and few."""
    if threading.active_count() > 1:
        return 1  # a process that is split while a thread of it holds a lock would wait for ever
    return max(1, min(MOST_PROCESSES, len(os.sched_getaffinity(0))))


def _marks(opened: OpenLog, begin: int, end: int) -> list[int]:
    """Where the parts begin, and `end`: each is the beginning of a line."""
    parts = max(1, min(MOST_PARTS, (end - begin) // LEAST_EACH))
    marks = [begin]
    for number in range(1, parts):
        near = begin + (end - begin) * number // parts
        found = opened.read(CHUNK_BYTES, near).find(b"\n")
        if found >= 0 and marks[-1] < near + found + 1 < end:
            marks.append(near + found + 1)
    return [*marks, end]


class _Parts:
    """The parts of a stretch, handed out one by one to whichever process asks next: their numbers lie in a pipe."""

    def __init__(self, marks: list[int]) -> None:
        self._parts = list(itertools.pairwise(marks))
        self.count = len(self._parts)
        self._pipe, writing = os.pipe()
        os.write(writing, bytes(range(self.count)))
        os.close(writing)  # who asks when none is left finds the pipe's end

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while number := os.read(self._pipe, 1):
            yield self._parts[number[0]]

    def close(self) -> None:
        os.close(self._pipe)


def _sum_parts(sums: Sums, opened: OpenLog, parts: _Parts) -> None:
    for begin, end in parts:
        while begin < end:
            data = opened.read(min(BLOCK_BYTES, end - begin), begin)
            length = data.rfind(b"\n") + 1
            if not length:  # a long line
                data = opened.read(min(CHUNK_BYTES, end - begin), begin)
                length = data.rfind(b"\n") + 1
            if length:
                sums.add_block(data[:length])
            else:  # longer than is understood: nobody pays for it
                length = _line_length(opened, begin, end)
                sums.lines += 1
                sums.unpaid[Unpaid.UNREADABLE] += 1
            begin += length


def _line_length(opened: OpenLog, begin: int, end: int) -> int:
    """The bytes of the line that begins at `begin`, with its end. Raises StretchError when it has none before `end`."""
    at = begin
    while data := opened.read(min(CHUNK_BYTES, end - at), at):
        found = data.find(b"\n") + 1
        if found:
            return at + found - begin
        at += len(data)
    raise StretchError


class _Child:
    """A process that sums up parts and writes the result into a pipe. It never returns from being made."""

    def __init__(self, table: Table, log_format: LogFormat, opened: OpenLog, parts: _Parts) -> None:
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
            _sum_parts(sums, opened, parts)
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
