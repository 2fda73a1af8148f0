"""Counting a job's pages before it prints: a program of its own does it, with nothing but the document."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from edge.cups_job import clean

MAX_COUNTER_BYTES: Final = 16_000_000
MAX_REASON_BYTES: Final = 4096
MAX_REASON_CHARACTERS: Final = 200
PAGES_MAX: Final = 1_000_000  # as the instance takes them
RUNS_MAX: Final = 20_000
PAPER_CHARACTERS: Final = 40
WATCH_S: Final = 0.05
MIB: Final = 1 << 20
STDIN_PATH: Final = "/dev/stdin"
COLOUR_OPTION: Final = "--colour"
CANNOT_COUNT: Final = 3

Run = tuple[int, bool | None, str]


class CountError(Exception):
    """The pages cannot be counted; the message says why."""


class Counted(NamedTuple):
    """The pages of a document, and `runs` of equal ones in order: (pages, colour or None if unknown, paper or "").

    `duplex`: whether the data themselves ask for both sides; None when they leave that to the print job.
    """

    pages: int
    runs: tuple[Run, ...]
    duplex: bool | None = None


def count_pages(
    program: Sequence[str],
    document: int,
    time_s: float,
    memory_mb: int,
    stopped: Callable[[], bool],
    *,
    colour: bool = False,
) -> Counted:
    """Let the counting program count one document, on request its pages with colour too. Raises CountError.

    It reads what a user made, so it gets nothing but the document: an empty environment, bounded time (seconds) and
    memory (MiB), no files to write (for colour: none larger than the document, since parts of it are handed on in
    memory), and no more of its output is read than a count can have. `stopped` ends it early.
    """
    if not program:
        raise CountError("no counting program is configured")
    os.lseek(document, 0, os.SEEK_SET)
    # The program may map the document instead of reading it, which costs address space but no memory.
    size = os.fstat(document).st_size
    memory_bytes, file_bytes = memory_mb * MIB + size, size if colour else 0
    try:
        counter = subprocess.Popen(
            [*program, *([COLOUR_OPTION] if colour else []), STDIN_PATH],
            stdin=document,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,
            preexec_fn=lambda: _limit(time_s, memory_bytes, file_bytes),
        )
    except (OSError, subprocess.SubprocessError):
        raise CountError("the counting program cannot be started") from None
    with counter:
        try:
            said, why = _listen(counter, time.monotonic() + time_s, stopped)
        finally:
            _end(counter)
    return _counted(counter.returncode, said, why)


def _limit(time_s: float, memory_bytes: int, file_bytes: int) -> None:
    """Runs in the child, before the counting program."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    seconds = int(time_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def _listen(counter: subprocess.Popen[bytes], deadline: float, stopped: Callable[[], bool]) -> tuple[bytes, bytes]:
    """Read what the program writes until it has ended. Raises CountError when it must not go on."""
    said_to, told_why_to = (pipe.fileno() if pipe else -1 for pipe in (counter.stdout, counter.stderr))
    kept = {said_to: bytearray(), told_why_to: bytearray()}
    most = {said_to: MAX_COUNTER_BYTES, told_why_to: MAX_REASON_BYTES}
    open_ones = set(kept)
    while open_ones:
        left = deadline - time.monotonic()
        if stopped() or left <= 0:
            raise CountError("counting took too long")
        for descriptor in select.select(list(open_ones), [], [], min(left, WATCH_S))[0]:
            piece = os.read(descriptor, 65_536)
            if not piece:
                open_ones.discard(descriptor)
            kept[descriptor] += piece[: most[descriptor] - len(kept[descriptor])]
    try:
        counter.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise CountError("counting took too long") from None
    return bytes(kept[said_to]), bytes(kept[told_why_to])


def _end(counter: subprocess.Popen[bytes]) -> None:
    """End the program and what it started, all of which are in its session."""
    if counter.poll() is None:
        try:
            os.killpg(counter.pid, 9)
        except ProcessLookupError:
            counter.kill()
        counter.wait()


def _counted(code: int, said: bytes, why: bytes) -> Counted:
    if code == CANNOT_COUNT:
        reason = clean(why.decode("utf-8", "replace")).strip()[:MAX_REASON_CHARACTERS]
        raise CountError(reason or "the document cannot be counted")
    if code < 0:
        raise CountError("counting needed too much time or memory")
    try:
        found = json.loads(said) if code == 0 else {}
        pages = found["pages"]
        runs = tuple(_run(one) for one in found.get("runs", [[pages, None, ""]]))
        duplex = found.get("duplex")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CountError("the counting program failed") from None
    if type(pages) is not int or not 1 <= pages <= PAGES_MAX or pages != sum(run[0] for run in runs):
        raise CountError("the counting program failed")
    return Counted(pages, runs, duplex if type(duplex) is bool else None)


def _run(given: Any) -> Run:
    pages, colour, paper = given
    if type(pages) is not int or pages < 1 or not _truth(colour) or type(paper) is not str:
        raise ValueError(given)
    return pages, colour, paper[:PAPER_CHARACTERS]


def in_grey(counted: Counted) -> Counted:
    """The same document from a printer that was told to print without colour."""
    return joined([Counted(run[0], ((run[0], False, run[2]),), counted.duplex) for run in counted.runs])


def _truth(colour: Any) -> bool:
    return colour is None or type(colour) is bool


def joined(counts: Sequence[Counted]) -> Counted:
    """Several documents of one job as one, equal neighbours put together. Raises CountError."""
    runs: list[Run] = []
    for pages, colour, paper in (run for counted in counts for run in counted.runs):
        if runs and runs[-1][1:] == (colour, paper):
            runs[-1] = (runs[-1][0] + pages, colour, paper)
        else:
            runs.append((pages, colour, paper))
    if len(runs) > RUNS_MAX:
        raise CountError("the pages differ too often to be told one by one")
    sides = {counted.duplex for counted in counts}
    return Counted(sum(run[0] for run in runs), tuple(runs), sides.pop() if len(sides) == 1 else None)
