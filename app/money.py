"""Amounts: integers in millionths of the instance's unit, and the words for them. No float comes near."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from language import _, numbers

MICRO: Final = 1_000_000
"""Millionths in one unit (one dollar, one page, one MB)."""

AMOUNT_MAX: Final = 1_000_000_000 * MICRO
"""The largest amount that a form, a setting or a message may name: far under the database's 2**63."""

PLACES_MAX: Final = 6
CHANGE_PLACES: Final = 4
MINUS: Final = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Unit:
    """What an instance counts in. `symbol` stands where the language has a currency's, and behind any other unit."""

    kind: str = "currency"
    symbol: str = "$"
    decimals: int = 2

    @property
    def symbol_is_after(self) -> bool:
        """Whether the symbol stands behind the figure, in the language spoken now."""
        return self.kind != "currency" or numbers.symbol_is_after()

    def figure(self, amount: int) -> str:
        """Return `amount` (millionths) as a figure without symbol or sign; it never says more than there is."""
        step = 10 ** (6 - self.decimals)
        return self._digits(abs(amount // step * step), self.decimals)

    def text(self, amount: int) -> str:
        """Return `amount` (millionths) as people read a balance: "$3.40", "−$0.15", "12 pages"."""
        sign = MINUS if amount < 0 else ""
        return sign + self._with_symbol(self.figure(amount))

    def change(self, amount: int) -> str:
        """Return `amount` (millionths) as a change, signed: "+$2.00", "−$0.075", "$0.00" for none.

        Exact where four decimals are enough, as every price list is. Metered amounts have more: they are rounded,
        unless nothing would be left of them.
        """
        sign = MINUS if amount < 0 else "+" if amount else ""
        places = _places(amount, self.decimals)
        if places > CHANGE_PLACES:
            step = 10 ** (6 - self.decimals)
            rounded = times_half_even(1, abs(amount), step) * step
            if rounded:
                return sign + self._with_symbol(self._digits(rounded, self.decimals))
        return sign + self._with_symbol(self._digits(abs(amount), places))

    def price(self, amount: int) -> str:
        """Return a price (millionths) without a sign, exact."""
        return self._with_symbol(self._digits(abs(amount), _places(amount, self.decimals)))

    def exact(self, amount: int) -> str:
        """Return an amount (millionths) to the last of its figures, with a minus where it is below zero."""
        return (MINUS if amount < 0 else "") + self.price(amount)

    def _with_symbol(self, figure: str) -> str:
        return f"{figure}\N{NO-BREAK SPACE}{self.symbol}" if self.symbol_is_after else f"{self.symbol}{figure}"

    @staticmethod
    def _digits(amount: int, decimals: int) -> str:
        whole, rest = divmod(amount // 10 ** (6 - decimals), 10**decimals)
        return numbers.figure(f"{whole:,}.{rest:0{decimals}d}" if decimals else f"{whole:,}")


def parse_amount(text: str) -> int:
    """Read a plain decimal such as "2", "2.00" or "0.05" (German: also "2,00") and return millionths.

    Raises ValueError, with a sentence for people, for anything else: signs other than "-", exponents, more than six
    decimals, digits that are not ASCII, and amounts over `AMOUNT_MAX`.
    """
    cleaned = numbers.read(text)
    if not re.fullmatch(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)", cleaned):
        if "," in cleaned:
            raise ValueError(_("Write the amount in figures, such as 2.00, with a point and not a comma"))
        raise ValueError(_("Write the amount in figures, such as 2.00"))
    whole, _point, fraction = cleaned.removeprefix("-").partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    if len(fraction) > PLACES_MAX:
        raise ValueError(_("Use at most six figures after the point"))
    # A length first: Python refuses to read figures without end (sys.int_info), with words for programmers.
    micro = AMOUNT_MAX + 1 if len(whole) > len(str(AMOUNT_MAX)) else int(whole + fraction.ljust(PLACES_MAX, "0"))
    if micro > AMOUNT_MAX:
        raise ValueError(_("The amount is too large"))
    return -micro if cleaned.startswith("-") else micro


def plain(amount: int, decimals: int = 2) -> str:
    """Return `amount` (millionths) as a form field shows it: "2.00", with more decimals only where needed."""
    decimals = _places(amount, decimals)
    whole, rest = divmod(abs(amount) // 10 ** (6 - decimals), 10**decimals)
    sign = "-" if amount < 0 else ""
    return numbers.plain(f"{sign}{whole}.{rest:0{decimals}d}") if decimals else f"{sign}{whole}"


def _places(amount: int, least: int) -> int:
    """Return how many decimals show `amount` exactly, at least `least`."""
    places = least
    while places < 6 and amount % 10 ** (6 - places):
        places += 1
    return places


def times_half_even(price: int, numerator: int, denominator: int = 1) -> int:
    """Return price * numerator / denominator, rounded once, half to even. All are integers; denominator > 0."""
    product = price * numerator
    quotient, rest = divmod(product, denominator)
    twice = rest * 2
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient
