"""Many lines of Squid's log at once, as columns: what compiled code can split and check, a block of lines at a time.

Only blocks in which every line has the expected shape; `squid_lines` reads the others, and both say the same of a line.
"""

from __future__ import annotations

import json
from itertools import compress
from typing import Final, NamedTuple

from edge.squid_lines import CACHED_TAG, LATEST_S, LONGEST_SIZE, OWN_ANSWER_TAGS, UNPAID_TAGS, LogFormat

LINE_END: Final = b"\x01"
"""Stands for a line's end among the fields; Squid writes no control character into a line."""
TIME_DIGITS: Final = 14
NOBODY: Final = b"-"
NO_SERVER: Final = b"HIER_NONE/-"
KNOWN_TAGS: Final = 1000

MARK: Final = b" " + LINE_END + b" "

# What a tag says of its line. ASKED is paid when a server or another cache was asked (else it is Squid's own answer).
UNPAID: Final = 0
ASKED: Final = 1
PAID: Final = 2
CACHED: Final = 3
WHERE_ASKED: Final = bytes(tag == ASKED for tag in range(256))
WHERE_CACHED: Final = bytes(tag == CACHED for tag in range(256))
DIGITS: Final = b"0123456789"


class OddLineError(Exception):
    """Some line of the block is not of the usual shape."""


class Columns(NamedTuple):
    """The lines of a block, oldest first. Whose line nobody pays has the user NOBODY. `hits`: places of cache hits."""

    times: list[bytes]
    users: list[bytes]
    down: list[int]
    up: list[int] | None
    urls: list[bytes]
    hits: list[int]


class _Layout(NamedTuple):
    fields: int
    size: int
    up: int | None
    url: int
    user: int
    hierarchy: int


LAYOUTS: Final = {
    LogFormat.TWINPURSE: _Layout(11, 4, 5, 7, 8, 9),
    LogFormat.SQUID: _Layout(10, 4, None, 6, 7, 8),
}


class _Tags(dict[bytes, int]):
    """What each tag says; filled as tags are seen."""

    def __missing__(self, tag: bytes) -> int:
        if b"/" not in tag or len(self) > KNOWN_TAGS:
            raise OddLineError
        if tag.startswith(UNPAID_TAGS):
            found = UNPAID
        elif tag.startswith(OWN_ANSWER_TAGS):
            found = ASKED
        else:
            found = CACHED if CACHED_TAG.match(tag) else PAID
        self[tag] = found
        return found


_tags = _Tags()


def read_columns(block: bytes, log_format: LogFormat) -> Columns | None:
    """The lines of `block`, which ends with a line's end; None when one of them is not of the usual shape."""
    layout = LAYOUTS[log_format]
    if LINE_END in block:
        return None
    marked = block.replace(b"\n", MARK)
    count = (len(marked) - len(block)) // (len(MARK) - 1)
    fields = marked.split()
    step = layout.fields + 1
    if len(fields) != count * step or fields[layout.fields :: step].count(LINE_END) != count:
        return None
    times, users, urls = fields[0::step], fields[layout.user :: step], fields[layout.url :: step]
    if not _are_times(times):
        return None
    down = _numbers(fields[layout.size :: step])
    up = _numbers(fields[layout.up :: step]) if layout.up else None
    if down is None or (layout.up and up is None):
        return None
    try:
        tags = bytes(map(_tags.__getitem__, fields[3::step]))
    except OddLineError:
        return None
    hits = _settle(tags, users, fields[layout.hierarchy :: step])
    if 0 in down:
        _leave_out_nothing(down, up, users)
    columns = _in_order(Columns(times, users, down, up, urls, hits))
    return columns if int(columns.times[-1][:10]) < LATEST_S else None


def odd_lines(block: bytes, log_format: LogFormat) -> tuple[bytes, list[bytes]]:
    """Part a block into one of the lines that have as many fields as usual, and the others."""
    usual = LAYOUTS[log_format].fields
    lines = block.split(b"\n")[:-1]
    odd = [len(line.split()) != usual for line in lines]
    rest = b"\n".join(line for line, is_odd in zip(lines, odd, strict=True) if not is_odd)
    return rest + b"\n" if rest else b"", list(compress(lines, odd))


def _are_times(times: list[bytes]) -> bool:
    """Whether all are `%ts.%03tu` with ten digits before the point."""
    joined = b"".join(times)
    points = b"." * len(times)
    return (
        len(joined) == TIME_DIGITS * len(times)
        and joined[10::TIME_DIGITS] == points
        and joined.count(b".") == len(times)
        and not joined.translate(None, DIGITS + b".")
    )


def _numbers(texts: list[bytes]) -> list[int] | None:
    joined = b",".join(texts)
    if joined.translate(None, DIGITS + b","):
        return None
    try:
        numbers: list[int] = json.loads(b"[%b]" % joined)  # half the time of `int` for each
    except ValueError:  # zeros in front
        return None
    return numbers if len(numbers) == len(texts) and max(numbers) < 10**LONGEST_SIZE else None


def _settle(tags: bytes, users: list[bytes], hierarchies: list[bytes]) -> list[int]:
    """Give the lines that nobody pays to NOBODY; return the places of cache hits."""
    place = tags.find(UNPAID)
    while place >= 0:
        users[place] = NOBODY
        place = tags.find(UNPAID, place + 1)
    if NO_SERVER in compress(hierarchies, tags.translate(WHERE_ASKED)):
        for place, tag in enumerate(tags):
            if tag == ASKED and hierarchies[place] == NO_SERVER:
                users[place] = NOBODY
    return list(compress(range(len(tags)), tags.translate(WHERE_CACHED)))


def _leave_out_nothing(down: list[int], up: list[int] | None, users: list[bytes]) -> None:
    """A request that moved no byte counts for nothing."""
    for place, size in enumerate(down):
        if not size and not (up and up[place]):
            users[place] = NOBODY


def _in_order(columns: Columns) -> Columns:
    """Oldest first: several processes of Squid may write a line a little late."""
    times = columns.times
    if times == sorted(times):
        return columns
    order = sorted(range(len(times)), key=times.__getitem__)
    place_of = {old: new for new, old in enumerate(order)}
    return Columns(
        [times[old] for old in order],
        [columns.users[old] for old in order],
        [columns.down[old] for old in order],
        [columns.up[old] for old in order] if columns.up else None,
        [columns.urls[old] for old in order],
        sorted(place_of[old] for old in columns.hits),
    )
