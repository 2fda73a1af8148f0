"""Prices in words: a list, a line of it, and how the price of a job comes about. Functions of values."""

from __future__ import annotations

from typing import Final

from app.money import MINUS, Unit
from app.printing.documents import paper_in_words
from app.printing.prices import Adjustment, Line, Part, PriceList, Quote, in_order
from language import N_, _, _n, numbers

COLOURS: Final = {True: N_("colour"), False: N_("grey"), None: N_("any")}
SIDES: Final = {True: N_("two-sided"), False: N_("one-sided"), None: N_("any")}
"""What a line says of colour and of sides, in a table."""


def in_words(found: Quote, unit: Unit) -> str:
    """Return how a price comes about: "9 grey A4 pages two-sided at $0.05; base $0.10; Staff −50 %"."""
    prices, adjustment = found.terms.prices, found.terms.adjustment
    if prices.free:
        return _("free printer")
    said = [part_in_words(part, found, unit) for part in found.parts if part.price or not prices.base]
    said += [_("base %(price)s", price=unit.price(prices.base))] if prices.base and found.parts else []
    said += [percent_in_words(adjustment)] if adjustment.percent != 100 and found.full else []
    return "; ".join(said)


def part_in_words(part: Part, found: Quote, unit: Unit) -> str:
    """Return "3 colour A4 pages two-sided at $0.25"; what the list does not ask about is left out."""
    prices = found.terms.prices
    paper = paper_in_words(part.page.paper) if part.page.paper else ""
    kind = _kind(prices.per, part.page.colour, paper, part.count)
    if not part.extra:
        what = _("%(num)s %(pages)s", num=numbers.count(part.count), pages=kind)
    elif prices.per == "sheet":
        what = _n("%(num)s more %(sheets)s", "%(num)s more %(sheets)s", part.count, sheets=kind)
    else:
        what = _n("%(num)s more %(pages)s", "%(num)s more %(pages)s", part.count, pages=kind)
    if any(line.duplex is not None for line in prices.lines):
        what = _sided(what, found.duplex)
    if prices.needs_colour and part.page.colour is None:
        what = _("%(pages)s of unknown colour", pages=what)
    return _("%(pages)s at %(price)s", pages=what, price=unit.price(part.price))


def percent_in_words(adjustment: Adjustment) -> str:
    """Return what a group pays: "Staff −50 %", "Guests +20 %", "Staff: free"."""
    if not adjustment.percent:
        return _("%(group)s: free", group=adjustment.group)
    return f"{adjustment.group} {change_in_words(adjustment)}"


def change_in_words(adjustment: Adjustment) -> str:
    """Return how much more or less than the price a group pays: "−50 %", "+20 %"."""
    change = adjustment.percent - 100
    return f"{MINUS if change < 0 else '+'}{abs(change)}\N{NO-BREAK SPACE}%"


def line_in_words(line: Line, per: str, unit: Unit) -> str:
    """Return "a grey A4 page two-sided: $0.05", "an A3 page: $0.10", "any page: $0.04"."""
    price = unit.price(line.price)
    if not line.named:
        return _("any sheet: %(price)s", price=price) if per == "sheet" else _("any page: %(price)s", price=price)
    kind = _kind(per, line.colour, paper_in_words(line.paper) if line.paper else "", 1)
    page = kind if line.duplex is None else _sided(kind, line.duplex)
    if kind[0] in "AEIO":
        return _("an %(page)s: %(price)s", page=page, price=price)
    return _("a %(page)s: %(price)s", page=page, price=price)


def list_in_words(prices: PriceList, unit: Unit) -> str:
    """Return a price list in a sentence."""
    if prices.free:
        return _("Free: nothing is charged")
    said = [line_in_words(line, prices.per, unit) for line in in_order(prices.lines)]
    said += [_("each job %(price)s more", price=unit.price(prices.base))] if prices.base else []
    words = "; ".join(said)
    return words[:1].upper() + words[1:]


def _sided(what: str, duplex: bool) -> str:
    return _("%(pages)s two-sided", pages=what) if duplex else _("%(pages)s one-sided", pages=what)


def _kind(per: str, colour: bool | None, paper: str, count: int) -> str:
    """Return "grey A4 pages": what one or `count` pages or sheets are, without their number."""
    if per == "sheet":
        return _kind_of_sheets(colour, paper, count)
    if colour is None:
        return _n("%(paper)s page", "%(paper)s pages", count, paper=paper) if paper else _n("page", "pages", count)
    if colour:
        if paper:
            return _n("colour %(paper)s page", "colour %(paper)s pages", count, paper=paper)
        return _n("colour page", "colour pages", count)
    if paper:
        return _n("grey %(paper)s page", "grey %(paper)s pages", count, paper=paper)
    return _n("grey page", "grey pages", count)


def _kind_of_sheets(colour: bool | None, paper: str, count: int) -> str:
    if colour is None:
        return _n("%(paper)s sheet", "%(paper)s sheets", count, paper=paper) if paper else _n("sheet", "sheets", count)
    if colour:
        if paper:
            return _n("colour %(paper)s sheet", "colour %(paper)s sheets", count, paper=paper)
        return _n("colour sheet", "colour sheets", count)
    if paper:
        return _n("grey %(paper)s sheet", "grey %(paper)s sheets", count, paper=paper)
    return _n("grey sheet", "grey sheets", count)
