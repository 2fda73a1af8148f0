"""How long a name must wait after wrong passwords: a pure rule; who asks keeps the count."""

from __future__ import annotations

import unicodedata

# A directory counts wrong passwords too, and locks the account for everything at its own threshold: 5 in 15 or 30
# minutes, or 10 in 10 minutes, are the usual policies. Without a wait of our own anybody could lock anybody out
# through our sign-in page. With these waits at most 4 wrong passwords for one name reach the directory in any
# 30 minutes, and its counter has started anew before the next one.
FREE_FAILURES = 3
FIRST_WAIT_S = 31 * 60.0
LONGEST_WAIT_S = 62 * 60.0

FORGET_AFTER_S = 24 * 3600.0
"""A count may start anew this many seconds after the last failure (and must after a right password)."""

KEY_CHARACTERS_MAX = 256

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


def delay_s(failures: int) -> float:
    """Return the seconds that must pass after the last failure before the next try may reach the directory.

    `failures` is the number of wrong passwords in a row for one name, over all addresses that they came from. The
    first 3 cost nothing; the wait after the fourth is longer than the time in which directories count.
    """
    if failures <= FREE_FAILURES:
        return 0.0
    doublings = min(failures - FREE_FAILURES - 1, 8)  # bounded, so that a huge count cannot overflow
    return min(FIRST_WAIT_S * 2.0**doublings, LONGEST_WAIT_S)


def throttle_key(name: str) -> str:
    """Return the key under which the wrong passwords of `name` are counted: at most 256 characters, may be empty.

    Directories take many spellings for one name: they compare after the string preparation of RFC 4518, in which
    compatibility forms (fullwidth, bold), case, characters without a shape and repeated blanks make no difference;
    some leave accents out too. Were each spelling counted by itself, each would get its own free tries. So this is
    coarser than any directory. Too coarse does no harm: two people whose names look alike wait for each other's wrong
    passwords, and a right one of either clears the count. The key is for counting only: it does not say who somebody
    is.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    shaped = "".join(character for character in folded if not _is_shapeless(character)).translate(_WRITTEN_PLAINLY)
    return " ".join(shaped.split())[:KEY_CHARACTERS_MAX].rstrip()


def _is_shapeless(character: str) -> bool:
    """True for combining marks (M) and for format characters such as the soft hyphen (Cf)."""
    category = unicodedata.category(character)
    return category.startswith("M") or category == "Cf"
