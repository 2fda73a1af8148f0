"""The wait after wrong passwords keeps the directory's own lock-out from being reached."""

from __future__ import annotations

from itertools import pairwise

import pytest

from directory.throttle import FORGET_AFTER_S, FREE_FAILURES, LONGEST_WAIT_S, delay_s

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
