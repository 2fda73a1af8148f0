"""One line of Squid's log read into who moved how many bytes, or into the reason why nobody pays for it."""

from __future__ import annotations

import enum
import re
import time
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

LONGEST_USER_NAME: Final = 256
LONGEST_SIZE: Final = 12  # digits: below 1 TB a reply, so that a batch's sum stays exact in JSON everywhere (2**53)
ANONYMOUS_NAMES: Final = (b"-", b"")
LATEST_S: Final = 7_258_118_400
"""The year 2200, in seconds since 1970: the instance takes no time from then on, nor one before 1970."""
AHEAD_MS: Final = 300_000
"""How far a line's time may be ahead of this machine's clock for anybody to go by it: clocks are set back a little."""

# The tags that Squid gives to what it answered without asking or serving anybody: refused requests (the size is that
# of the error page) and connections that ended before there was a request.
UNPAID_TAGS: Final = (b"TCP_DENIED", b"NONE")
OWN_ANSWER_TAGS: Final = (b"TCP_MISS", b"TCP_TUNNEL", b"TCP_REDIRECT")
# The reply's body came out of Squid's cache: HIT, MEM_HIT, IMS_HIT and so on, and what a server said is still good
# (wiki.squid-cache.org, SquidFaq/SquidLogs).
CACHED_TAG: Final = re.compile(rb"TCP_(?:[A-Z]+_)*(?:HIT|UNMODIFIED)(?:_ABORTED|_TIMEDOUT)?/")

# A second line's beginning inside a line: Squid died in the middle of writing the first.
GLUED: Final = re.compile(rb"\d{10}\.\d{3} +\d+ \S+ [A-Z_]+/\d{3} ")
CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")
# What stands in no name, but in a piece of an address: the line is of another format, or its address has a space in it.
SCHEME: Final = "://"
PIECE_OF_ADDRESS: Final = re.compile(rb"[/?=&]|:\d{1,5}(?:\s|$)|\s-$")
QUOTED_BYTE: Final = re.compile(rb"\\(.)|%([0-9A-Fa-f]{2})", re.DOTALL)
BACKSLASH_LETTERS: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t"}


class LogFormat(enum.Enum):
    """How the lines are written.

    TWINPURSE: `%ts.%03tu %6tr %>a:%>p %Ss/%03>Hs %<st %>st %rm %ru %#un %Sh/%<a %mt`, the format in deploy/squid; the
    form before it had no `:%>p` and is read as well.
    SQUID: Squid's own `%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt` (logformat in the Squid manual).
    """

    TWINPURSE = "twinpurse"
    SQUID = "squid"


class Unpaid(enum.Enum):
    """Why a line is not charged to anybody."""

    ANONYMOUS = "no user name"
    DENIED = "refused, or ended before there was a request"
    OWN_ANSWER = "answered by Squid itself"
    NO_BYTES = "nothing was sent"
    UNREADABLE = "not understood"


class Traffic(NamedTuple):
    """What one finished request moved: bytes down (the reply, headers included) and up, and when it ended.

    `host` is as the address names it, not yet simplified. `client_port` 0: the line does not say it.
    """

    user: str
    download: int
    at_ms: int
    upload: int = 0
    cached: bool = False
    host: bytes = b""
    client_port: int = 0
    start_ms: int = 0


def read_line(line: bytes, log_format: LogFormat) -> Traffic | Unpaid:
    """Read one log line, without its line end.

    The bytes are `%<st`, the whole reply as it was sent to the client, and in our format `%>st`, the whole request. An
    aborted download counts with what was sent; a hit in Squid's cache counts like any other reply and is marked.
    """
    ours = log_format is LogFormat.TWINPURSE
    fields = _split_twinpurse(line) if ours else _split_squid(line)
    at_ms = line_time_ms(line)
    if fields is None or at_ms is None:
        return Unpaid.UNREADABLE
    if fields.tag.startswith(UNPAID_TAGS) or fields.url.startswith(b"error:"):
        return Unpaid.DENIED
    if fields.raw_user in ANONYMOUS_NAMES:
        return Unpaid.ANONYMOUS
    # No server and no cached copy: an error page of Squid's own, or a page of its cache manager. The address alone
    # would not tell: anybody may name a path "squid-internal-mgr" and have it served by a real server.
    if fields.hierarchy.startswith(b"HIER_NONE") and fields.tag.startswith(OWN_ANSWER_TAGS):
        return Unpaid.OWN_ANSWER
    user = name_from_url_code(fields.raw_user) if ours else name_from_native(fields.raw_user)
    if user is None:
        return Unpaid.UNREADABLE
    size, upload = int(fields.size), int(fields.upload)
    if not size and not upload:
        return Unpaid.NO_BYTES
    _, colon, port = fields.client.rpartition(b":")
    return Traffic(
        user,
        size,
        at_ms,
        upload,
        CACHED_TAG.match(fields.tag) is not None,
        host_field(fields.url),
        int(port) if ours and colon and port.isdigit() else 0,
        at_ms - int(fields.took) if fields.took.isdigit() else at_ms,
    )


def line_time_ms(line: bytes) -> int | None:
    """The time a line begins with (`%ts.%03tu`), in milliseconds since 1970; None when there is none.

    Its seconds have ten digits from 2001 until 2286; from LATEST_S on it is no time either.
    Squid stamps a line when it writes it, at the END of the request: within a log the times only grow.
    """
    seconds, point, millis, space = line[:10], line[10:11], line[11:14], line[14:15]
    if point != b"." or space != b" " or not (len(seconds + millis) == 13 and (seconds + millis).isdigit()):
        return None
    return int(seconds) * 1000 + int(millis) if int(seconds) < LATEST_S else None


def latest_ms() -> int:
    """The latest time of a line, in milliseconds since 1970, that now says how far a log was read.

    Who believed one of the year 2099 would take every line of before for one that was read already.
    """
    return int(time.time() * 1000) + AHEAD_MS


def host_field(url: bytes) -> bytes:
    """The part of an address that names the host: between "//" and the next "/", or all of it (`host:443`, CONNECT)."""
    return url.partition(b"//")[2].partition(b"/")[0] or url


@lru_cache(maxsize=16384)
def name_from_url_code(raw: bytes) -> str | None:
    """The user name behind Squid's `%#un` or `%#LOGIN`: URL-encoded, so that a space or a backslash is one field.

    None when it cannot be a name (control characters, too long). Names are casefolded, as the instance keeps them.
    """
    return name_from_bytes(unquote_to_bytes(raw))


@lru_cache(maxsize=16384)
def name_from_native(raw: bytes) -> str | None:
    """The user name behind `%[un`: a doubled backslash, `%25` for a percent sign, `%c3%a9` for bytes from 0x80."""
    return name_from_bytes(QUOTED_BYTE.sub(_unquote, raw))


def name_from_bytes(raw: bytes) -> str | None:
    """The user name that these bytes are: UTF-8, else Latin-1; None when it cannot be a name.

    An address is none: whatever the line looks like, addresses of pages stay on this machine.
    """
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        name = raw.decode("latin-1")  # browsers that do not speak UTF-8 send this; it never fails
    name = name.casefold()  # which may make it longer
    if not 0 < len(name) <= LONGEST_USER_NAME or SCHEME in name or CONTROL_CHARACTER.search(name):
        return None
    return name


def _unquote(match: re.Match[bytes]) -> bytes:
    letter, code = match.groups()
    if code is not None:
        return bytes([int(code, 16)])
    return BACKSLASH_LETTERS.get(letter, letter)


class _Fields(NamedTuple):
    took: bytes
    client: bytes
    tag: bytes
    size: bytes
    upload: bytes
    url: bytes
    raw_user: bytes
    hierarchy: bytes


def _split_twinpurse(line: bytes) -> _Fields | None:
    """Seven fields from the left, three from the right; the address between may hold spaces (uri_whitespace allow)."""
    left = line.split(None, 7)
    if len(left) != 8:
        return None
    right = left[7].rsplit(None, 3)
    if len(right) != 4 or not left[5].isdigit() or len(left[5]) > LONGEST_SIZE:
        return None
    return _checked(_Fields(left[1], left[2], left[3], left[4], left[5], right[0], right[1], right[2]), line)


def _split_squid(line: bytes) -> _Fields | None:
    """Seven fields from the left, two from the right: between is the user, whose spaces Squid writes as they are."""
    left = line.split(None, 7)
    if len(left) != 8:
        return None
    right = left[7].rsplit(None, 2)
    if len(right) != 3 or (left[5].isdigit() and left[6].isalpha()):  # our format: what was sent, and the method
        return None
    if b" " in right[0] and PIECE_OF_ADDRESS.search(right[0]):
        return None
    return _checked(_Fields(left[1], left[2], left[3], left[4], b"0", left[6], right[0], right[1]), line)


def _checked(fields: _Fields, line: bytes) -> _Fields | None:
    if not fields.size.isdigit() or len(fields.size) > LONGEST_SIZE:
        return None
    if b"/" not in fields.tag:
        return None
    if (b" " in fields.url or b" " in fields.raw_user) and GLUED.search(line, 1):
        return None  # two people's lines in one: better nobody pays than the wrong one
    return fields
