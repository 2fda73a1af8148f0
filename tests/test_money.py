"""Amounts: what is read is exact or refused, what is shown never says more than there is, rounding happens once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import AMOUNT_MAX, MICRO, Unit, parse_amount, plain, times_half_even

DOLLARS, PAGES = Unit(), Unit("other", "pages", 0)
AMOUNTS = st.integers(-AMOUNT_MAX, AMOUNT_MAX)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2", 2 * MICRO), ("2.00", 2 * MICRO), ("0.05", 50_000), (" .5 ", 500_000), ("1.", MICRO), ("-0.000001", -1)],
)
def test_plain_decimals_are_read_exactly(text: str, amount: int) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "-", "+1", "1e3", "1,000", "1_000", "0x10", "NaN", "inf", "1.2.3", "--1", "\u0663", "\u00bd",
        "$1",
        "0.0000001", "1.0000000000000000000000000000000001", "1000000000.000001", "9" * 30, "9" * 5000,
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^(Write the amount in figures|Use at most six figures|The amount is too large)"
    ):
        parse_amount(text)


@given(AMOUNTS)
def test_what_a_form_shows_is_read_back_the_same(amount: int) -> None:
    assert parse_amount(plain(amount)) == amount


@given(AMOUNTS)
def test_a_balance_is_never_shown_as_more_than_there_is(amount: int) -> None:
    shown = DOLLARS.text(amount).replace("$", "").replace(",", "").replace("\N{MINUS SIGN}", "-")
    assert 0 <= amount - parse_amount(shown) < 10_000


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (3_400_000, "$3.40"),
        (3_409_999, "$3.40"),
        (-150_000, "\N{MINUS SIGN}$0.15"),
        (-1, "\N{MINUS SIGN}$0.01"),
        (0, "$0.00"),
        (1_234_567 * MICRO, "$1,234,567.00"),
    ],
)
def test_balances_in_words(amount: int, text: str) -> None:
    assert DOLLARS.text(amount) == text
    assert DOLLARS.figure(amount) == text.lstrip("\N{MINUS SIGN}$")


def test_changes_and_prices_in_words() -> None:
    assert (DOLLARS.change(2 * MICRO), DOLLARS.change(-75_000)) == ("+$2.00", "\N{MINUS SIGN}$0.075")
    assert (DOLLARS.change(-1), DOLLARS.price(50_000), DOLLARS.price(1)) == (
        "\N{MINUS SIGN}$0.000001",
        "$0.05",
        "$0.000001",
    )
    assert (PAGES.text(12_900_000), PAGES.change(-3 * MICRO)) == (
        "12\N{NO-BREAK SPACE}pages",
        "\N{MINUS SIGN}3\N{NO-BREAK SPACE}pages",
    )


@given(st.integers(0, 10**15), st.integers(0, 10**12), st.integers(1, 10**9))
def test_a_price_is_rounded_once_half_to_even(price: int, numerator: int, denominator: int) -> None:
    assert times_half_even(price, numerator, denominator) == round(Fraction(price * numerator, denominator))


@pytest.mark.parametrize(("price", "expected"), [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2)])
def test_halves_go_to_the_even_neighbour(price: int, expected: int) -> None:
    assert times_half_even(price, 1, 2) == expected
