"""A document as it was counted: runs of pages of one copy, copies and sides; and what of it came out. Pure values."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

PAPERS: Final = {
    "a4": "A4",
    "a3": "A3",
    "a5": "A5",
    "a6": "A6",
    "na_letter": "Letter",
    "na_legal": "Legal",
    "na_ledger": "Tabloid",
    "na_executive": "Executive",
}
"""Papers by their PWG self-describing short names (PWG 5101.1), and what people call them."""

ALIASES: Final = {name.casefold(): key for key, name in PAPERS.items()} | {
    "us_letter": "na_letter",
    "ledger": "na_ledger",
    "11x17": "na_ledger",
    "na_tabloid": "na_ledger",
}
PAPER_LENGTH_MAX: Final = 40


class Page(NamedTuple):
    """What a price depends on, of a page. `colour` None: not known; `paper` "": not known."""

    colour: bool | None = None
    paper: str = ""


@dataclass(frozen=True)
class Run:
    """So many pages in a row that are alike."""

    pages: int
    colour: bool | None = None
    paper: str = ""

    @property
    def page(self) -> Page:
        """One of its pages."""
        return Page(self.colour, self.paper)


@dataclass(frozen=True)
class Document:
    """One copy in order, how many copies are printed one after the other, and whether on both sides.

    Pages are impressions: sides of paper with something on them.
    """

    runs: tuple[Run, ...]
    copies: int = 1
    duplex: bool = False

    @property
    def pages_each(self) -> int:
        """The pages of one copy."""
        return sum(run.pages for run in self.runs)

    @property
    def pages(self) -> int:
        """The pages of all copies."""
        return self.pages_each * self.copies

    def first(self, pages: int) -> Counter[Page]:
        """Return what the first `pages` pages are; fewer where there are fewer."""
        return self._first(pages, _count_pages)

    def first_sheets(self, pages: int, dearer: Callable[[Page, Page], Page]) -> Counter[Page]:
        """Return what sheets the first `pages` pages lie on. A sheet counts as the `dearer` of its two sides.

        Every copy begins on a new sheet, and so does other paper.
        """
        return self._first(pages, lambda runs: _count_sheets(runs, self.duplex, dearer))

    def sheets(self, pages: int) -> int:
        """Return how many sheets the first `pages` pages lie on."""
        return self.first_sheets(pages, lambda front, _back: front).total()

    def colour_pages(self, pages: int) -> int | None:
        """Return how many of the first `pages` pages have colour; None where that is not known of one."""
        counted = self.first(pages)
        if any(page.colour is None for page in counted):
            return None
        return sum(count for page, count in counted.items() if page.colour)

    def blank_backs(self, pages: int) -> int:
        """Return how many of `pages` impressions that a printer names are backs with nothing on them.

        On both sides an odd last page has one, in every copy. Some printers count them and some do not: only what
        goes beyond the pages that there are is taken for them.
        """
        odd = self.duplex and self.pages_each % 2 == 1
        return min(max(pages - self.pages, 0), self.copies) if odd else 0

    @property
    def paper(self) -> str:
        """The paper of most pages; "" where it is not known."""
        pages: Counter[str] = Counter()
        for run in self.runs:
            pages[run.paper] += run.pages
        return max(pages, key=lambda paper: pages[paper], default="")

    def _first(self, pages: int, count: Callable[[Sequence[Run]], Counter[Page]]) -> Counter[Page]:
        if not self.pages_each:
            return Counter()
        copies, rest = divmod(min(max(pages, 0), self.pages), self.pages_each)
        found = Counter({page: number * copies for page, number in count(self.runs).items() if copies})
        return found + count(_cut(self.runs, rest)) if rest else found


def to_json(document: Document | None) -> str:
    """Return what is kept of a document with its job; "" for one that was not counted."""
    if document is None:
        return ""
    runs = [[run.pages, run.colour, run.paper] for run in document.runs]
    return json.dumps({"runs": runs, "copies": document.copies, "duplex": document.duplex}, separators=(",", ":"))


def from_json(text: str) -> Document | None:
    """Return the document that `to_json` wrote."""
    if not text:
        return None
    kept: Mapping[str, Any] = json.loads(text)
    runs = tuple(Run(pages, colour, paper) for pages, colour, paper in kept["runs"])
    return Document(runs, kept["copies"], kept["duplex"])


def plain(pages: int) -> Document:
    """Return a document of which nothing is known but how many pages come out."""
    return Document((Run(pages),))


def paper_key(text: str) -> str:
    """Return the name by which papers are compared: "A4", "iso_a4_210x297mm" and "a4" are one."""
    key = re.sub(r"_[0-9.]+x[0-9.]+(mm|in)$", "", re.sub(r"\s+", "_", text.strip().casefold()))
    key = key.removeprefix("iso_")
    return ALIASES.get(key, key)[:PAPER_LENGTH_MAX]


def paper_in_words(key: str) -> str:
    """Return what people call a paper."""
    return PAPERS.get(key, key.upper() if len(key) <= 3 else key)


def _cut(runs: Sequence[Run], pages: int) -> list[Run]:
    cut = []
    for run in runs:
        if pages <= 0:
            break
        cut.append(Run(min(run.pages, pages), run.colour, run.paper))
        pages -= run.pages
    return cut


def _count_pages(runs: Sequence[Run]) -> Counter[Page]:
    counted: Counter[Page] = Counter()
    for run in runs:
        if run.pages:
            counted[run.page] += run.pages
    return counted


def _count_sheets(runs: Sequence[Run], duplex: bool, dearer: Callable[[Page, Page], Page]) -> Counter[Page]:
    if not duplex:
        return _count_pages(runs)
    counted: Counter[Page] = Counter()
    front: Page | None = None  # a front whose back is still to come
    for run in runs:
        left = run.pages
        if front is not None and left and front.paper != run.paper:
            counted[front] += 1
            front = None
        if front is not None and left:
            counted[dearer(front, run.page)] += 1
            front, left = None, left - 1
        if left // 2:
            counted[run.page] += left // 2
        if left % 2:
            front = run.page
    if front is not None:
        counted[front] += 1
    return counted
