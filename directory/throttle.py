"""How long a try to sign in must wait after wrong passwords: pure rules; portal and instances keep the counts."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

# A directory counts wrong passwords too, and locks the account for everything at its own threshold: 5 in 15 or 30
# minutes, or 10 in 10 minutes, are the usual policies. Without a wait of our own anybody could lock anybody out
# through our sign-in page. With these waits at most 4 wrong passwords for one name reach the directory from one
# address in any 30 minutes, and its counter has started anew before the next one.
FREE_FAILURES: Final = 3
FIRST_WAIT_S: Final = 31 * 60.0
LONGEST_WAIT_S: Final = 62 * 60.0

SPARED_TRIES: Final = 2
"""So many fewer wrong passwords for one name than the directory locks at are let through, over all addresses."""
NEVER_LOCKS: Final = 10
"""What counts as the threshold of a directory that says it never locks: guessing is bounded all the same."""

# A whole school may stand behind one address, so that one is counted generously and never for long.
ADDRESS_FAILURES: Final = 100
ADDRESS_WINDOW_S: Final = 10 * 60.0
ADDRESS_FIRST_WAIT_S: Final = 10.0
ADDRESS_LONGEST_WAIT_S: Final = 5 * 60.0
ADDRESS_OVER_S: Final = 3600.0

FORGET_AFTER_S: Final = 24 * 3600.0
"""A count may start anew this many seconds after the last failure (and must after a right password)."""

KEY_CHARACTERS_MAX: Final = 256
UNNAMED: Final = "?"
"""The key of what has none: a name without letters, an address that is not known."""

# Letters that have no decomposition, so that no mark can be dropped from them; and the object replacement character,
# which RFC 4518 section 2.2 maps to nothing.
_WRITTEN_PLAINLY = str.maketrans(
    {
        "ø": "o",
        "đ": "d",
        "ħ": "h",
        "ł": "l",
        "ŧ": "t",
        "ı": "i",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\ufffc": "",
    }
)


@dataclass(frozen=True)
class Count:
    """Wrong passwords that count together, and when the first and the last of them came (aware times)."""

    failures: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Step:
    """What a rule says to one more try: wait `wait_s` seconds first; or, when that is 0, how it stands with it counted.

    Counting a try before it is made keeps many at once from passing together.
    """

    wait_s: float
    after: Count


Subject = tuple[str, str]
"""Whose tries: (name key, address); an empty address means over all addresses, an empty name over all names."""

Rule = Callable[[Count | None, datetime], Step]


def rules_of_try(name: str, address: str, lockout_after: int) -> dict[Subject, Rule]:
    """Return which counts a try of `name` from `address` must pass, each with its rule; a try counts in all of them.

    `address` as directory.peers writes it. `lockout_after`: how many wrong passwords the directory locks an account at,
    0 for never. This machine's own address is not counted over all names: it is a reverse proxy that nobody named, and
    everybody comes from it.
    """
    key = throttle_key(name)
    rules: dict[Subject, Rule] = {(key, address or UNNAMED): by_pair, (key, ""): by_name(lockout_after)}
    if not is_own_machine(address):
        rules["", network_key(address)] = by_address
    return rules


def by_pair(before: Count | None, now: datetime) -> Step:
    """One name from one address: three wrong ones are free, then the wait outlasts the directory's own window."""
    if before is None or _age_s(before, now) >= FORGET_AFTER_S:
        return Step(0.0, _first(now))
    return _one_more(before, now, wait_s=delay_s(before.failures))


def by_name(lockout_after: int) -> Rule:
    """One name over all addresses: stays under the directory's lock-out, and goes on once its counter starts anew."""
    bound = max(1, (lockout_after or NEVER_LOCKS) - SPARED_TRIES)

    def rule(before: Count | None, now: datetime) -> Step:
        if before is None or _age_s(before, now) >= FIRST_WAIT_S:
            return Step(0.0, _first(now))
        return _one_more(before, now, wait_s=FIRST_WAIT_S if before.failures >= bound else 0.0)

    return rule


def by_address(before: Count | None, now: datetime) -> Step:
    """One address over all names: a hundred wrong ones in ten minutes are free, then the wait grows to five minutes.

    Ten minutes without a wrong one, or an hour in all, and it begins anew: in a school somebody always mistypes.
    """
    if before is None:
        return Step(0.0, _first(now))
    over = before.failures - ADDRESS_FAILURES
    lasts_s = ADDRESS_WINDOW_S if over < 0 else ADDRESS_OVER_S
    if (now - before.first_at).total_seconds() >= lasts_s or _age_s(before, now) >= ADDRESS_WINDOW_S:
        return Step(0.0, _first(now))
    wait_s = min(ADDRESS_FIRST_WAIT_S * 2.0 ** min(over, 8), ADDRESS_LONGEST_WAIT_S) if over >= 0 else 0.0
    return _one_more(before, now, wait_s=wait_s)


def taken_back(now_there: Count, before: Count | None, after: Count) -> Count | None:
    """Return a count without one try that was right, or that nobody answered; None for nothing left.

    When nothing was counted since, it is as it was: a new time would begin the wait after the last failure again. When
    other tries were counted since, theirs stay and only this one is taken away.
    """
    if now_there == after:
        return before
    left = now_there.failures - 1
    return replace(now_there, failures=left) if left > 0 else None


def delay_s(failures: int) -> float:
    """Return the seconds that must pass after the last failure before the next try may reach the directory.

    `failures` is the number of wrong passwords in a row for one name from one address. The first 3 cost nothing; the
    wait after the fourth is longer than the time in which directories count.
    """
    if failures <= FREE_FAILURES:
        return 0.0
    doublings = min(failures - FREE_FAILURES - 1, 8)  # bounded, so that a huge count cannot overflow
    return min(FIRST_WAIT_S * 2.0**doublings, LONGEST_WAIT_S)


def throttle_key(name: str) -> str:
    """Return the key under which the wrong passwords of `name` are counted: 1 to 256 characters.

    Directories take many spellings for one name: they compare after the string preparation of RFC 4518, in which
    compatibility forms (fullwidth, bold), case, characters without a shape and repeated blanks make no difference;
    some leave accents out too, and one person is "DOMAIN\\name", "name@realm" and "name". Were each spelling counted
    by itself, each would get its own free tries. So this is coarser than any directory. Too coarse does no harm: two
    people whose names look alike wait for each other's wrong passwords, and a right one of either clears the count.
    The key is for counting only: it does not say who somebody is.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    shaped = "".join(character for character in folded if not _is_shapeless(character)).translate(_WRITTEN_PLAINLY)
    own = shaped.rpartition("\\")[2].partition("@")[0]
    return " ".join(own.split() or shaped.split())[:KEY_CHARACTERS_MAX].rstrip() or UNNAMED


def is_own_machine(address: str) -> bool:
    """Whether an address says nothing about who is there: loopback, a Unix socket, or none."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True


def network_key(address: str) -> str:
    """Return the key under which an address is counted over all names: a machine picks any address of its /64 network.

    For one name the address itself counts, or a neighbour's wrong passwords would keep somebody out.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address or UNNAMED
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address


def _first(now: datetime) -> Count:
    return Count(1, now, now)


def _one_more(before: Count, now: datetime, *, wait_s: float) -> Step:
    left_s = wait_s - _age_s(before, now) if wait_s else 0.0
    if left_s > 0:
        return Step(left_s, before)
    return Step(0.0, Count(before.failures + 1, before.first_at, now))


def _age_s(count: Count, now: datetime) -> float:
    """Seconds since the last failure; a clock that was put back prolongs no wait."""
    return max(now - count.last_at, timedelta(0)).total_seconds()


def _is_shapeless(character: str) -> bool:
    """True for combining marks (M) and for format characters such as the soft hyphen (Cf)."""
    category = unicodedata.category(character)
    return category.startswith("M") or category == "Cf"
