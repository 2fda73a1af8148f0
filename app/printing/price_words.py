"""Prices in words: a list, a line of it, and how the price of a job comes about. Pure functions of values."""

from __future__ import annotations

from typing import Final

from app.money import MINUS, Unit
from app.printing.documents import Page, paper_in_words
from app.printing.prices import Adjustment, Line, Part, PriceList, Quote, in_order

COLOURS: Final = {True: "colour", False: "grey", None: ""}
SIDES: Final = {True: "two-sided", False: "one-sided", None: ""}


def in_words(found: Quote, unit: Unit) -> str:
    """Return how a price comes about: "9 grey A4 pages two-sided at $0.05; base $0.10; Staff −50 %"."""
    prices, adjustment = found.terms.prices, found.terms.adjustment
    if prices.free:
        return "free printer"
    said = [part_in_words(part, found, unit) for part in found.parts if part.price or not prices.base]
    said += [f"base {unit.price(prices.base)}"] if prices.base and found.parts else []
    said += [percent_in_words(adjustment)] if adjustment.percent != 100 and found.full else []
    return "; ".join(said)


def part_in_words(part: Part, found: Quote, unit: Unit) -> str:
    """Return "3 colour A4 pages two-sided at $0.25"; what the list does not ask about is left out."""
    prices = found.terms.prices
    sides = any(line.duplex is not None for line in prices.lines)
    noun = prices.per + ("" if part.count == 1 else "s")
    words = [f"{part.count:,}", *(["more"] if part.extra else []), *_page_words(part.page), noun]
    words += [SIDES[found.duplex]] if sides else []
    unknown = prices.needs_colour and part.page.colour is None
    return f"{' '.join(words)}{' of unknown colour' if unknown else ''} at {unit.price(part.price)}"


def percent_in_words(adjustment: Adjustment) -> str:
    """Return what a group pays: "Staff −50 %", "Guests +20 %", "Staff pays nothing"."""
    change = adjustment.percent - 100
    if change == -100:
        return f"{adjustment.group}: free"
    return f"{adjustment.group} {MINUS if change < 0 else '+'}{abs(change)}\N{NO-BREAK SPACE}%"


def line_in_words(line: Line, per: str, unit: Unit) -> str:
    """Return "a grey A4 page two-sided: $0.05", "an A3 page: $0.10", "any page: $0.04"."""
    paper = paper_in_words(line.paper) if line.paper else ""
    words = [word for word in (COLOURS[line.colour], paper, per, SIDES[line.duplex]) if word]
    article = "any" if not line.named else "an" if words[0][0] in "AEIO" else "a"
    return f"{article} {' '.join(words)}: {unit.price(line.price)}"


def list_in_words(prices: PriceList, unit: Unit) -> str:
    """Return a price list in a sentence."""
    if prices.free:
        return "Free: nothing is charged"
    said = [line_in_words(line, prices.per, unit) for line in in_order(prices.lines)]
    said += [f"each job {unit.price(prices.base)} more"] if prices.base else []
    words = "; ".join(said)
    return words[:1].upper() + words[1:]


def _page_words(page: Page) -> list[str]:
    return [word for word in (COLOURS[page.colour], paper_in_words(page.paper) if page.paper else "") if word]
