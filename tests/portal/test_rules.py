"""The portal's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal import rules

NOW = datetime(2026, 11, 19, 11, 4, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=-40), "less than a minute ago"),
        (timedelta(seconds=59), "less than a minute ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=2), "about 2 hours ago"),
        (timedelta(hours=47, minutes=59), "about 47 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=90), "90 days ago"),
    ],
)
def test_age(passed: timedelta, words: str) -> None:
    assert rules.age(NOW - passed, NOW) == words


def test_clock_names_the_day_when_it_is_another() -> None:
    assert rules.clock(NOW, NOW, BERLIN) == "12:04"
    assert rules.clock(NOW - timedelta(hours=13), NOW, BERLIN) == "18 Nov 23:04"
    assert rules.clock(NOW - timedelta(days=365), NOW, BERLIN) == "19 Nov 2025 12:04"


@pytest.mark.parametrize(
    ("name", "first", "letters"),
    [
        ("Mara Lindqvist", "Mara", "ML"),
        ("Lindqvist, Mara", "Mara", "LM"),
        ("mara", "mara", "M"),
        ("Ana María de la Cruz", "Ana", "AC"),
        ("Smith,", "Smith", "S"),
        ("", "", ""),
        ("(test) –", "(test)", ""),
    ],
)
def test_names(name: str, first: str, letters: str) -> None:
    assert rules.first_name(name) == first
    assert rules.initials(name) == letters


def test_waits_are_rounded_up() -> None:
    said = [rules.too_many_tries(seconds) for seconds in (0.2, 90, 1801)]
    waits = ("1 second", "90 seconds", "31 minutes")
    assert said == [f"Too many tries. Wait {wait}, then try again." for wait in waits]


def test_headings() -> None:
    assert [rules.heading(count) for count in (1, 2, 3, 7)] == [
        "Your purse",
        "Your two purses",
        "Your three purses",
        "Your 7 purses",
    ]
