"""What a job costs: price lists, who pays less or more, and the reckoning. Pure; amounts are millionths."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from app.money import times_half_even
from app.people.rules import name_key
from app.printing.documents import Document, Page
from app.printing.scope import EVERYWHERE, Place, Scope
from language import _

PERCENT_MAX: Final = 500
"""The most that a group may be asked to pay, in percent: a million pages at the highest price still fit 64 bits."""

LINES_MAX: Final = 40


@dataclass(frozen=True)
class Line:
    """The price of a page or a sheet in millionths, for what it names; what is None or "" it does not ask about."""

    price: int
    paper: str = ""
    colour: bool | None = None
    duplex: bool | None = None

    @property
    def named(self) -> int:
        """How many things it names: of two lines that fit, the one that names more counts."""
        return bool(self.paper) + (self.colour is not None) + (self.duplex is not None)

    @property
    def what(self) -> tuple[str, bool | None, bool | None]:
        """What it names."""
        return self.paper, self.colour, self.duplex

    def fits(self, page: Page, duplex: bool) -> bool:
        """Whether it is about such a page. The colour of `page` is known."""
        return self.paper in ("", page.paper) and self.colour in (None, page.colour) and self.duplex in (None, duplex)


@dataclass(frozen=True)
class PriceList:
    """What printing costs where `scope` holds. `per`: "page" or "sheet"; `base`: of each job, in millionths.

    One of the lines names nothing, so that every page has a price.
    """

    lines: tuple[Line, ...]
    scope: Scope = EVERYWHERE
    per: str = "page"
    base: int = 0
    free: bool = False

    def price(self, page: Page, duplex: bool) -> int:
        """Return the price of a page, or of a sheet of such pages.

        Of the lines that fit, the one that names most counts; of those that name as much, the dearest. A page of
        unknown colour costs what the dearer of the two would.
        """
        if page.colour is None:
            return max(self.price(Page(colour, page.paper), duplex) for colour in (True, False))
        fitting = [line for line in self.lines if line.fits(page, duplex)]
        most = max(line.named for line in fitting)
        return max(line.price for line in fitting if line.named == most)

    @property
    def needs_pages(self) -> bool:
        """Whether what a job costs depends on how many pages it has."""
        return not self.free and any(line.price for line in self.lines)

    @property
    def needs_colour(self) -> bool:
        """Whether some page costs another price in colour than in grey."""
        papers = {line.paper for line in self.lines}
        return not self.free and any(
            self.price(Page(True, paper), duplex) != self.price(Page(False, paper), duplex)
            for paper, duplex in itertools.product(papers, (True, False))
        )


@dataclass(frozen=True)
class Adjustment:
    """Members of a group pay `percent` of the price: 50 is half, 0 nothing, 120 a fifth more."""

    group: str
    percent: int


@dataclass(frozen=True)
class PriceBook:
    """All price lists, the first for all printers, and who pays less or more."""

    lists: tuple[PriceList, ...]
    adjustments: tuple[Adjustment, ...] = ()

    def list_for(self, place: Place) -> PriceList:
        """Return the list of a printer: its own, else its group's, else the one for all."""
        return max((one for one in self.lists if one.scope.fits(place)), key=lambda one: one.scope.rank)

    def adjustment_for(self, groups: Collection[str]) -> Adjustment:
        """Return what counts for a member of `groups`: of several, the best for them. Group "" when none does."""
        keys = {name_key(group) for group in groups}
        fitting = [one for one in self.adjustments if name_key(one.group) in keys]
        return min(fitting, key=lambda one: one.percent, default=Adjustment("", 100))


@dataclass(frozen=True)
class Terms:
    """What a job is charged by, kept with it: its price list as it was, and what its owner pays of it."""

    prices: PriceList
    adjustment: Adjustment = Adjustment("", 100)


@dataclass(frozen=True)
class Part:
    """So many pages or sheets at one price. `extra`: came out beyond what was counted."""

    count: int
    page: Page
    price: int
    extra: bool = False


@dataclass(frozen=True)
class Quote:
    """What pages cost, and how that comes about. `cost` in millionths, rounded once."""

    terms: Terms
    parts: tuple[Part, ...]
    duplex: bool
    full: int
    cost: int


def quote(terms: Terms, document: Document | None, pages: int) -> Quote:
    """Return the price of the first `pages` impressions of a document, copies one after the other.

    Without a document nothing is known of the pages. No page costs nothing. Backs with nothing on them are no pages.
    What came out beyond the document costs as its dearest page.
    """
    prices = terms.prices
    if pages <= 0 or prices.free:
        return Quote(terms, (), False, 0, 0)
    document = document or Document(())
    duplex = document.duplex
    if prices.per == "sheet":
        counted = document.first_sheets(pages, lambda *sides: max(sides, key=lambda side: prices.price(side, duplex)))
    else:
        counted = document.first(pages)
    extra = max(pages - document.pages - document.blank_backs(pages), 0)
    parts = [Part(count, page, prices.price(page, duplex)) for page, count in _named(counted, prices).items()]
    parts.sort(key=lambda part: (part.price, part.page.paper))
    if extra:
        seen = document.first(document.pages) or {Page(): 0}
        dearest = max(seen, key=lambda page: prices.price(page, duplex))
        count = (extra + 1) // 2 if prices.per == "sheet" and duplex else extra
        [page] = _named(Counter([dearest]), prices)
        parts.append(Part(count, page, prices.price(page, duplex), extra=document.pages > 0))
    full = prices.base + sum(part.count * part.price for part in parts)
    return Quote(terms, tuple(parts), duplex, full, times_half_even(full, terms.adjustment.percent, 100))


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Return lines as people read them: those that name most first, the one for all others last."""
    return sorted(
        lines, key=lambda line: (-line.named, line.paper == "", line.paper, line.colour is not True, not line.duplex)
    )


def check(prices: PriceList) -> list[str]:
    """Return what is wrong with a price list, in sentences."""
    found = []
    if not prices.free and not any(not line.named for line in prices.lines):
        found.append(_("Give a price for any other page: a line with any paper, any colour, any sides"))
    twice = [what for what, count in Counter(line.what for line in prices.lines).items() if count > 1]
    if twice:
        found.append(_("Two lines are about the same pages: keep one of them"))
    if len(prices.lines) > LINES_MAX:
        found.append(_("Use at most %(most)s lines", most=LINES_MAX))
    return found


def ties(prices: PriceList) -> list[tuple[Line, Line]]:
    """Return pairs of lines that fit one page and name as much: there the dearer counts."""
    return [
        (one, two)
        for one, two in itertools.combinations(in_order(prices.lines), 2)
        if one.named == two.named and one.price != two.price and _overlap(one, two) and not _settled(prices, one, two)
    ]


def with_lists(book: PriceBook, prices: PriceList) -> PriceBook:
    """Return the book with a list in the place of that of the same scope, or added."""
    others = [one for one in book.lists if one.scope != prices.scope]
    return replace(book, lists=tuple(sorted([*others, prices], key=lambda one: (one.scope.rank, one.scope))))


def without_list(book: PriceBook, scope: Scope) -> PriceBook:
    """Return the book without the list of a scope; that for all printers stays."""
    return replace(book, lists=tuple(one for one in book.lists if one.scope != scope or not scope.rank))


def _named(counted: Counter[Page], prices: PriceList) -> Counter[Page]:
    """Put pages together that a price list does not tell apart."""
    asks_paper = {line.paper for line in prices.lines}
    asks_colour = prices.needs_colour
    found: Counter[Page] = Counter()
    for page, count in counted.items():
        paper = page.paper if page.paper in asks_paper else ""
        found[Page(page.colour if asks_colour else None, paper)] += count
    return found


def _overlap(one: Line, two: Line) -> bool:
    return all(a == b or a in ("", None) or b in ("", None) for a, b in zip(one.what, two.what, strict=True))


def _settled(prices: PriceList, one: Line, two: Line) -> bool:
    """Whether a third line is about just what both are about."""
    both = tuple(b if a in ("", None) else a for a, b in zip(one.what, two.what, strict=True))
    return any(line.what == both for line in prices.lines)
