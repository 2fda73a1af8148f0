"""How long a name must wait after wrong passwords: a pure rule; who asks keeps the count."""

from __future__ import annotations

# A directory counts wrong passwords too, and locks the account for everything at its own threshold: 5 in 15 or 30
# minutes, or 10 in 10 minutes, are the usual policies. Without a wait of our own anybody could lock anybody out
# through our sign-in page. With these waits at most 4 wrong passwords for one name reach the directory in any
# 30 minutes, and its counter has started anew before the next one.
FREE_FAILURES = 3
FIRST_WAIT_S = 31 * 60.0
LONGEST_WAIT_S = 62 * 60.0

FORGET_AFTER_S = 24 * 3600.0
"""A count may start anew this many seconds after the last failure (and must after a right password)."""


def delay_s(failures: int) -> float:
    """Return the seconds that must pass after the last failure before the next try may reach the directory.

    `failures` is the number of wrong passwords in a row for one name, over all addresses that they came from. The
    first 3 cost nothing; the wait after the fourth is longer than the time in which directories count.
    """
    if failures <= FREE_FAILURES:
        return 0.0
    doublings = min(failures - FREE_FAILURES - 1, 8)  # bounded, so that a huge count cannot overflow
    return min(FIRST_WAIT_S * 2.0**doublings, LONGEST_WAIT_S)
