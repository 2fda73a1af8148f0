"""The wait after wrong passwords keeps the directory's own lock-out from being reached."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from directory.throttle import (
    ADDRESS_FAILURES,
    ADDRESS_LONGEST_WAIT_S,
    FORGET_AFTER_S,
    FREE_FAILURES,
    KEY_CHARACTERS_MAX,
    LONGEST_WAIT_S,
    SPARED_TRIES,
    Count,
    Rule,
    by_address,
    by_name,
    by_pair,
    delay_s,
    network_key,
    rules_of_try,
    taken_back,
    throttle_key,
)

MINUTE = 60
NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """A moment of the test."""
    return NOON + timedelta(seconds=seconds)


def greedy(rule: Rule, hours: float, *, every_s: float = 0.0) -> list[float]:
    """The seconds at which somebody who always tries as soon as allowed (or every so often) is let through."""
    count: Count | None = None
    now_s, passed = 0.0, []
    while now_s < hours * 3600:
        step = rule(count, after(now_s))
        if step.wait_s:
            now_s += step.wait_s
            continue
        count = step.after
        passed.append(now_s)
        now_s += every_s or 1.0
    return passed


def most_within(moments: list[float], window_s: float) -> int:
    """The most of these moments that lie within one window."""
    return max(sum(1 for other in moments if moment <= other < moment + window_s) for moment in moments)


@pytest.mark.parametrize("lockout_after", [3, 5, 10, 50])
@pytest.mark.parametrize("every_s", [0.0, 60.0, 300.0])
def test_one_name_stays_under_the_lock_out_wherever_the_guesses_come_from(lockout_after: int, every_s: float) -> None:
    """OpenLDAP counts a moving half hour; Active Directory counts on until half an hour passed without a wrong one."""
    moments = greedy(by_name(lockout_after), 12, every_s=every_s)
    assert most_within(moments, 30 * MINUTE) <= lockout_after - SPARED_TRIES
    counted = highest = 1
    for earlier, later in pairwise(moments):
        counted = 1 if later - earlier > 30 * MINUTE else counted + 1
        highest = max(highest, counted)
    assert highest == lockout_after - SPARED_TRIES


def test_a_directory_that_never_locks_is_guessed_at_slowly_all_the_same() -> None:
    assert greedy(by_name(0), 5) == greedy(by_name(10), 5)


def test_one_name_from_one_address_gets_four_tries_in_half_an_hour() -> None:
    assert most_within(greedy(by_pair, 24), 30 * MINUTE) == FREE_FAILURES + 1


def test_an_address_gets_a_hundred_tries_and_then_few() -> None:
    moments = greedy(by_address, 8)
    assert most_within(moments, 10 * MINUTE) < 2 * ADDRESS_FAILURES
    assert len(moments) < 8 * 130
    assert max(later - earlier for earlier, later in pairwise(moments)) <= ADDRESS_LONGEST_WAIT_S


@pytest.mark.parametrize("every_s", [7.0, 30.0, 120.0])
def test_a_school_that_mistypes_all_day_never_waits(every_s: float) -> None:
    assert len(greedy(by_address, 8, every_s=every_s)) >= int(8 * 3600 / every_s)


def test_a_try_is_taken_back_without_a_trace_or_from_among_others() -> None:
    before, made = Count(3, after(0), after(5)), Count(4, after(0), after(9))
    assert taken_back(made, before, made) == before
    assert taken_back(made, None, made) is None
    assert taken_back(Count(6, after(0), after(11)), before, made) == Count(5, after(0), after(11))
    assert taken_back(Count(1, after(11), after(11)), before, made) is None


def test_a_clock_that_was_put_back_prolongs_no_wait() -> None:
    waiting = Count(FREE_FAILURES + 1, after(0), after(0))
    assert by_pair(waiting, after(-3600)).wait_s == delay_s(FREE_FAILURES + 1)
    assert by_pair(Count(1, after(0), after(0)), after(-3600)).wait_s == 0
    assert by_address(Count(5, after(0), after(0)), after(-3600)).wait_s == 0


@pytest.mark.parametrize(
    ("address", "subjects"),
    [
        ("192.0.2.7", {("alice", "192.0.2.7"), ("alice", ""), ("", "192.0.2.7")}),
        ("2001:db8:1:2::7", {("alice", "2001:db8:1:2::7"), ("alice", ""), ("", "2001:db8:1:2::/64")}),
        ("127.0.0.1", {("alice", "127.0.0.1"), ("alice", "")}),
        ("unix", {("alice", "unix"), ("alice", "")}),
        ("", {("alice", "?"), ("alice", "")}),
    ],
)
def test_what_a_try_counts_in(address: str, subjects: set[tuple[str, str]]) -> None:
    assert set(rules_of_try(" ALICE ", address, 10)) == subjects
    assert network_key("2001:db8:1:2::7") == network_key("2001:db8:1:2:ffff::1")


@pytest.mark.parametrize("typed", ["SCHOOL\\alice", "alice@school.example", "school\\ALICE@x", "Alice@a@b"])
def test_a_name_with_its_domain_has_the_key_of_the_name(typed: str) -> None:
    assert throttle_key(typed) == "alice"


@pytest.mark.parametrize("typed", ["@", "@alice", "\\", "x\\", "\u0301", ""])
def test_a_name_that_is_none_has_a_key_too(typed: str) -> None:
    key = throttle_key(typed)
    assert key
    assert throttle_key(key) == key


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
