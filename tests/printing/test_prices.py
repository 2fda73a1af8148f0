"""Prices: against a slow model that takes every page in its hand, rounded once, never less for more; and in words."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import Unit
from app.printing import documents, price_json, price_words, prices
from app.printing.documents import Document, Page, Run
from app.printing.prices import Adjustment, Line, PriceBook, PriceList, Terms
from app.printing.scope import Place, Scope

UNIT = Unit()
GREY, COLOUR, A3 = 50_000, 250_000, 90_000
SCHOOL = PriceList(
    (
        Line(GREY),
        Line(COLOUR, colour=True),
        Line(A3, "a3"),
        Line(40_000, colour=False, duplex=True),
        Line(300_000, "a3", True),
    )
)

papers = st.sampled_from(["a4", "a4", "a4", "", "a3"])  # mostly alike: runs then share sheets, and lines tie
colours = st.sampled_from([True, False, None])
amounts = st.integers(0, 1_000_001)
runs = st.lists(st.builds(Run, st.integers(0, 5), colours, papers), max_size=6).map(tuple)
docs = st.builds(Document, runs, st.integers(1, 4), st.booleans())
some_lines = st.lists(
    st.builds(Line, amounts, papers, colours, colours), max_size=8, unique_by=lambda line: line.what
).map(lambda found: (*(line for line in found if line.named), Line(70_000)))
lists = st.builds(PriceList, some_lines, per=st.sampled_from(["page", "sheet"]), base=st.sampled_from([0, 100_001]))
terms = st.builds(Terms, lists, st.builds(Adjustment, st.just("Staff"), st.integers(0, 500)))


def slow_price(found: PriceList, colour: bool | None, paper: str, duplex: bool) -> int:
    """The price of one page, said another way: the dearest of the lines that name most of what it is."""
    if colour is None:
        return max(slow_price(found, True, paper, duplex), slow_price(found, False, paper, duplex))
    best = (-1, 0)
    for line in found.lines:
        if line.paper and line.paper != paper:
            continue
        if line.colour is not None and line.colour != colour:
            continue
        if line.duplex is not None and line.duplex != duplex:
            continue
        named = sum([line.paper != "", line.colour is not None, line.duplex is not None])
        best = max(best, (named, line.price))
    return best[1]


def slow_cost(held: Terms, document: Document, pages: int) -> Decimal:
    """The cost before rounding: every impression laid out, sheet by sheet."""
    found, one = held.prices, [page for run in document.runs for page in [(run.colour, run.paper)] * run.pages]
    everything = [page for _copy in range(document.copies) for page in one]
    out = everything[:pages]
    cost = 0
    if found.per == "page":
        cost += sum(slow_price(found, colour, paper, document.duplex) for colour, paper in out)
    else:
        place = 0
        while place < len(out):
            sheet = [out[place]]
            back = place + 1
            same_copy = one and back < len(out) and back % len(one) != 0
            if document.duplex and same_copy and out[back][1] == out[place][1]:
                sheet.append(out[back])
            cost += max(slow_price(found, colour, paper, document.duplex) for colour, paper in sheet)
            place += len(sheet)
    beyond = max(pages - len(everything), 0)
    if document.duplex and len(one) % 2:
        beyond -= min(beyond, document.copies)
    if found.per == "sheet" and document.duplex:
        beyond = (beyond + 1) // 2
    dearest = max(slow_price(found, *page, document.duplex) for page in everything or [(None, "")])
    cost += beyond * dearest
    return Decimal((cost + found.base) * held.adjustment.percent) / 100 if pages else Decimal(0)


@given(terms, docs, st.integers(0, 80))
def test_the_price_is_that_of_every_page_taken_in_the_hand(held: Terms, document: Document, pages: int) -> None:
    slow = slow_cost(held, document, pages)
    assert prices.quote(held, document, pages).cost == int(slow.quantize(Decimal(1), ROUND_HALF_EVEN))


@given(terms, docs)
def test_more_pages_never_cost_less(held: Terms, document: Document) -> None:
    costs = [prices.quote(held, document, pages).cost for pages in range(document.pages + 8)]
    assert costs == sorted(costs)


@given(terms, docs, st.integers(1, 60))
def test_the_parts_add_up_and_are_counted_whole(held: Terms, document: Document, pages: int) -> None:
    found = prices.quote(held, document, pages)
    assert found.full == held.prices.base + sum(part.count * part.price for part in found.parts)
    assert all(part.count > 0 for part in found.parts)
    assert price_words.in_words(found, UNIT) or not found.full
    if held.prices.per == "sheet":
        assert document.sheets(pages) <= document.first(pages).total()


@given(terms, docs, st.integers(0, 60))
def test_what_is_kept_with_a_job_gives_the_same_price(held: Terms, document: Document, pages: int) -> None:
    again = price_json.terms_from_json(price_json.terms_to_json(held))
    read = documents.from_json(documents.to_json(document))
    assert prices.quote(again, read, pages).cost == prices.quote(held, document, pages).cost


@given(lists)
def test_colour_is_asked_for_where_it_moves_a_price(found: PriceList) -> None:
    differs = any(
        slow_price(found, True, paper, duplex) != slow_price(found, False, paper, duplex)
        for paper in ("", "a4", "a3", "na_letter", "other")
        for duplex in (True, False)
    )
    assert found.needs_colour == differs


def test_it_is_rounded_once_half_to_even() -> None:
    half = Terms(PriceList((Line(1),)), Adjustment("Staff", 50))
    assert [prices.quote(half, None, pages).cost for pages in (1, 2, 3, 5)] == [0, 1, 2, 2]


def test_without_a_document_pages_cost_what_the_dearer_would_on_any_paper() -> None:
    found = prices.quote(Terms(SCHOOL), None, 4)
    assert found.cost == 4 * COLOUR
    assert price_words.in_words(found, UNIT) == "4 pages one-sided of unknown colour at $0.25"


def test_the_reckoning_in_words() -> None:
    held = Terms(
        PriceList(SCHOOL.lines, base=100_000),
        Adjustment("Staff", 50),
    )
    twelve = Document((Run(9, False, "a4"), Run(3, True, "a4")), duplex=True)
    found = prices.quote(held, twelve, 12)
    words = (
        "9 grey pages two-sided at $0.04; 3 colour pages two-sided at $0.25; base $0.10; Staff −50\N{NO-BREAK SPACE}%"
    )
    assert (price_words.in_words(found, UNIT), found.cost) == (words, (9 * 40_000 + 3 * COLOUR + 100_000) // 2)
    flat = Terms(PriceList((Line(GREY),)))
    assert price_words.in_words(prices.quote(flat, twelve, 12), UNIT) == "12 pages at $0.05"
    assert price_words.in_words(prices.quote(flat, twelve, 14), UNIT) == "12 pages at $0.05; 2 more pages at $0.05"


def test_pages_beyond_the_count_cost_as_the_dearest_of_the_document() -> None:
    grey = Document((Run(3, False, "a4"),))
    mixed = Document((Run(3, False, "a4"), Run(1, True, "a4")))
    assert prices.quote(Terms(SCHOOL), grey, 5).cost == 5 * GREY
    assert prices.quote(Terms(SCHOOL), mixed, 5).cost == 3 * GREY + 2 * COLOUR


def test_of_lines_that_name_as_much_the_dearest_counts_wherever_it_stands() -> None:
    lines = (Line(1), Line(2, "a4"), Line(3, colour=True), Line(9, "a3", False))
    for found in (PriceList(lines), PriceList(lines[::-1])):
        assert found.price(Page(True, "a4"), duplex=False) == 3
        assert found.price(Page(False, "a4"), duplex=False) == 2
        assert found.price(Page(None, "a3"), duplex=True) == 9


def test_a_sheet_costs_what_its_dearer_side_does() -> None:
    by_sheet = Terms(PriceList((Line(GREY), Line(COLOUR, colour=True)), per="sheet"))
    for sides in ((False, True), (True, False), (None, False)):
        both = Document(tuple(Run(1, colour, "a4") for colour in sides), duplex=True)
        assert prices.quote(by_sheet, both, 2).cost == COLOUR
    assert prices.quote(by_sheet, both, 1).cost == COLOUR


def test_sheets_are_counted_by_copy_and_paper() -> None:
    by_sheet = Terms(PriceList((Line(GREY), Line(A3, "a3")), per="sheet"))
    three = Document((Run(3, False, "a4"),), copies=2, duplex=True)
    assert prices.quote(by_sheet, three, 6).cost == prices.quote(by_sheet, three, 8).cost == 4 * GREY
    odd = Document((Run(1, False, "a4"), Run(1, False, "a3"), Run(2, False, "a4")), duplex=True)
    assert (odd.sheets(4), prices.quote(by_sheet, odd, 4).cost) == (3, 2 * GREY + A3)


@pytest.mark.parametrize(
    ("scopes", "place", "chosen"),
    [
        ([Scope()], Place("s", "p"), Scope()),
        ([Scope(), Scope(group="Library")], Place("s", "p", "LIBRARY"), Scope(group="Library")),
        (
            [Scope(), Scope(group="Library"), Scope(server="s", printer="p")],
            Place("s", "p", "Library"),
            Scope("", "s", "p"),
        ),
        ([Scope(), Scope(server="other", printer="p")], Place("s", "p"), Scope()),
    ],
)
def test_the_list_of_a_printer_counts_before_that_of_its_group(
    scopes: list[Scope], place: Place, chosen: Scope
) -> None:
    book = PriceBook(tuple(PriceList((Line(1),), scope) for scope in scopes))
    assert book.list_for(place).scope == chosen
    assert price_json.book_from_json(price_json.book_to_json(book)) == book
    assert all(Scope.read(scope.key) == scope for scope in scopes)


def test_of_several_groups_the_best_counts() -> None:
    book = PriceBook((SCHOOL,), (Adjustment("Staff", 50), Adjustment("Guests", 120), Adjustment("Clubs", 80)))
    chosen = [
        book.adjustment_for(groups).percent for groups in ([], ["guests"], ["CLUBS", "Guests"], ["staff", "Clubs"])
    ]
    assert chosen == [100, 120, 80, 50]


def test_what_is_wrong_with_a_list_is_said() -> None:
    assert prices.check(SCHOOL) == []
    assert "any other page" in prices.check(PriceList((Line(1, "a4"),)))[0]
    assert "Two lines" in prices.check(PriceList((Line(1), Line(2), Line(3, "a4"))))[0]
    assert prices.check(PriceList((), free=True)) == []
    assert [line.what for pair in prices.ties(SCHOOL) for line in pair] == []
    [(one, two)] = prices.ties(PriceList((Line(1), Line(2, "a3"), Line(3, colour=True))))
    assert {one.price, two.price} == {2, 3}


def test_terms_of_before_price_lists_are_read() -> None:
    held = price_json.terms_from_json('{"lines":[["",null,null,50000]]}')
    assert prices.quote(held, documents.plain(3), 3).cost == 150_000


@pytest.mark.parametrize("written", ["A4", "iso_a4_210x297mm", " a4 ", "a4"])
def test_papers_have_one_name(written: str) -> None:
    assert documents.paper_key(written) == "a4"


def test_a_long_document_is_reckoned_at_once_and_kept_small() -> None:
    long = Document(tuple(Run(1, bool(number % 2), "a4") for number in range(5_000)), copies=3, duplex=True)
    assert prices.quote(Terms(SCHOOL), long, 15_000).cost == 7_500 * 40_000 + 7_500 * COLOUR
    assert len(json.loads(documents.to_json(long))["runs"]) == 5_000
    assert Document((Run(2, None, ""),)).colour_pages(2) is None
    assert Page() == Page(None, "")
