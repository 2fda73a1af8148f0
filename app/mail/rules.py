"""When an e-mail is tried again, when it is given up, and what an address may look like. Functions of values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 30))
"""How long to wait after the first, second, ... failure in a row; after more the last one."""

GIVEN_UP_AFTER: Final = timedelta(days=1)
"""What is told a day late misleads: the purse may hold something else by then."""

CLAIMED_FOR: Final = timedelta(minutes=10)
"""So long nobody else tries an e-mail that a worker has begun with: far longer than a try can take."""

REASON_LENGTH_MAX: Final = 500


def pause_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row, at least one."""
    return PAUSES[min(failures, len(PAUSES)) - 1]


def is_too_old(*, created_at: datetime, now: datetime) -> bool:
    """Whether an e-mail that could not be sent is given up."""
    return now - created_at >= GIVEN_UP_AFTER


def is_for_good(code: int) -> bool:
    """Whether a server's reply says that trying again is of no use (RFC 5321, 4.2.1: 5yz)."""
    return 500 <= code <= 599


def in_one_line(text: str) -> str:
    """Return text for a header: line breaks and other controls become blanks, so that no name makes a header."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def split_address(address: str) -> tuple[str, str]:
    """Return the part before and behind the last "@". Raises ValueError for what is no address of one person."""
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or not address.isprintable() or " " in address:
        raise ValueError(f"{address!r} is no e-mail address")
    if any(char in '<>,;:"()[]\\' for char in address) or "@" in local:
        raise ValueError(f"{address!r} is no e-mail address that can be written to")
    return local, domain


def can_be_written_to(address: str) -> bool:
    """Whether an address looks like one; whether somebody reads it is not known."""
    try:
        split_address(address)
    except ValueError:
        return False
    return True
