"""Limits and names, as functions of values."""

from __future__ import annotations

import pytest

from app.accounts import rules
from app.accounts.rules import Limit
from app.money import MICRO, Unit


@pytest.mark.parametrize(
    ("limit", "floor"),
    [(Limit("restricted"), 0), (Limit("overdraft", 5 * MICRO), -5 * MICRO), (Limit("unrestricted"), None)],
)
def test_a_limit_and_its_floor_say_the_same(limit: Limit, floor: int | None) -> None:
    assert limit.floor == floor
    assert rules.limit_of(floor) == limit
    assert rules.limit_of(floor, is_own=False) == Limit("default")


def test_the_default_has_no_floor_of_its_own() -> None:
    with pytest.raises(ValueError, match="default limit"):
        _ = Limit("default").floor


def test_limits_are_said_exactly() -> None:
    unit, pages = Unit(), Unit("pages", "pages", 0)
    assert rules.limit_in_words(0, unit) == "restricted, stops at $0.00"
    assert rules.limit_in_words(-5 * MICRO, unit) == "overdraft, down to −$5.00"
    assert rules.limit_in_words(-75_000, unit) == "overdraft, down to −$0.075"
    assert rules.limit_in_words(-20 * MICRO, pages) == "overdraft, down to −20\N{NO-BREAK SPACE}pages"
    assert rules.limit_in_words(None, unit) == "unrestricted"


def test_what_may_be_spent_counts_from_the_floor() -> None:
    assert rules.spendable(available=3, floor=0) == 3
    assert rules.spendable(available=-3, floor=-5) == 2
    assert rules.spendable(available=-7, floor=-5) == -2
    assert rules.spendable(available=-7, floor=None) is None


def test_names_are_one_line_of_what_can_be_seen() -> None:
    assert rules.clean_name("  School \t Library\n") == "School Library"
    assert rules.clean_name("Bu\u0308cherei") == "Bücherei"
    for text, sentence in (("", "name"), (" \n", "name"), ("x" * 81, "80 characters"), ("a\x00b", "seen")):
        with pytest.raises(ValueError, match=sentence):
            rules.clean_name(text)
