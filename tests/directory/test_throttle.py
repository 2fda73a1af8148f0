"""The wait after wrong passwords keeps the directory's own lock-out from being reached."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest

from directory.throttle import FORGET_AFTER_S, FREE_FAILURES, KEY_CHARACTERS_MAX, LONGEST_WAIT_S, delay_s, throttle_key

MINUTE = 60


def test_three_wrong_passwords_cost_nothing() -> None:
    assert [delay_s(failures) for failures in range(FREE_FAILURES + 1)] == [0, 0, 0, 0]
    assert delay_s(FREE_FAILURES + 1) > 0


def test_the_wait_never_shrinks_and_ends_somewhere() -> None:
    waits = [delay_s(failures) for failures in range(2000)]
    assert all(later >= earlier for earlier, later in pairwise(waits))
    assert waits[-1] == LONGEST_WAIT_S < FORGET_AFTER_S


@pytest.mark.parametrize(
    ("threshold", "window_s"), [(5, 15 * MINUTE), (5, 30 * MINUTE), (10, 10 * MINUTE), (10, 15 * MINUTE)]
)
def test_an_attacker_who_always_tries_at_once_locks_nobody_out(threshold: int, window_s: int) -> None:
    """The directory counts wrong passwords until `window_s` passes without one (Active Directory's rule)."""
    counted, last_s, now_s = 0, float("-inf"), 0.0
    for failures in range(200):
        now_s += delay_s(failures)
        counted = 1 if now_s - last_s > window_s else counted + 1
        assert counted < threshold
        last_s = now_s


@pytest.mark.parametrize(
    "spelling",
    [
        "alice",
        " ALICE\t",
        "\uff41lice",  # fullwidth
        "\U0001d41alice",  # mathematical bold
        "\U0001d400LICE",  # mathematical bold, capital
        "\u24d0lice",  # in a circle
        "al\u2170ce",  # a Roman numeral
        "al\u00edce",  # with an accent, in one character
        "ali\u0301ce",  # and in two
        "al\u0131ce",  # without its dot
        "al\u0130ce",  # a capital with a dot
        "a\u00adlice",  # a soft hyphen
        "alice\u200b",  # a blank without width
        "al\ufe0fice",  # a variation selector
        "\u00b4alice",  # an accent by itself, which decomposes to a blank and a mark
        "\ufffcalice",
    ],
)
def test_every_spelling_of_a_name_has_one_key(spelling: str) -> None:
    assert throttle_key(spelling) == "alice"


@pytest.mark.parametrize("spelling", ["Ben  Smith", "ben\u3000smith", " ben \u00a0 smith ", "ben\u200b smith"])
def test_a_run_of_blanks_is_one_blank(spelling: str) -> None:
    assert throttle_key(spelling) == "ben smith"


@pytest.mark.parametrize(
    ("one", "other"), [("strasse", "STRA\u1e9eE"), ("\ufb01nn", "finn"), ("\u0141ukasz", "lukasz")]
)
def test_letters_that_become_several_or_lose_a_stroke(one: str, other: str) -> None:
    assert throttle_key(one) == throttle_key(other)


def test_other_names_have_other_keys() -> None:
    names = [
        "alice",
        "alicia",
        "ben",
        "ben smith",
        "bensmith",
        "ben.smith",
        "ben-smith",
        "s123",
        "s124",
        "\u5f20\u4f1f",
        "\u5f20",
    ]
    assert len({throttle_key(name) for name in names}) == len(names)


def test_a_key_is_never_long_and_is_its_own_key() -> None:
    for name in ("\ufdfa" * 256, "a" * 255 + " b", "\u0301" * 256, ""):
        key = throttle_key(name)
        assert len(key) <= KEY_CHARACTERS_MAX
        assert throttle_key(key) == key
    for code in (*range(0xD800), *range(0xE000, 0x10000), *range(0x1D400, 0x1D800)):
        if unicodedata.category(chr(code)) != "Cn":
            key = throttle_key(chr(code))
            assert throttle_key(key) == key, hex(code)
