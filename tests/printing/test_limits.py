"""Limits as functions of values: whom they are about, where, in which words, and what must be counted for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import Unit
from app.printing import limits
from app.printing.documents import Document, Run
from app.printing.limits import Asked, Limit
from app.printing.prices import Line, PriceList
from app.printing.scope import EVERYWHERE, Place, Scope

UNIT = Unit()
HERE = Place("cups1", "Library 1", "Library")
FLAT, FREE = PriceList((Line(50_000),)), PriceList((Line(0),), free=True)
IN_COLOUR = PriceList((Line(50_000), Line(60_000, colour=True)))
BOOK = Document((Run(30, False, "a4"), Run(2, True, "a4")), copies=3)


def judge(*held_to: Limit, document: Document | None = BOOK, cost: int = 0, groups: tuple[str, ...] = ()) -> list[str]:
    pages = document.pages if document else None
    return [one.sentence for one in limits.refusals(held_to, Asked(HERE, groups, pages, document, cost), UNIT)]


@pytest.mark.parametrize(
    ("who", "named", "groups", "fits"),
    [
        ("all", (), (), True),
        ("in", ("Students",), ("students",), True),
        ("in", ("Students",), ("Staff",), False),
        ("in", ("Students", "Guests"), ("GUESTS",), True),
        ("except", ("Staff",), ("STAFF", "Students"), False),
        ("except", ("Staff",), (), True),
    ],
)
def test_whom_a_limit_is_about(who: str, named: tuple[str, ...], groups: tuple[str, ...], fits: bool) -> None:
    limit = Limit("use", 0, who, named)
    assert limit.fits(HERE, groups) == fits
    assert limits.may_use([limit], HERE, groups) == (not fits)


def test_where_a_limit_holds() -> None:
    for scope in (EVERYWHERE, Scope(group="LIBRARY"), Scope(server="cups1", printer="Library 1")):
        assert Limit("grey", scope=scope).fits(HERE, ())
    for scope in (Scope(group="Lab"), Scope(server="cups2", printer="Library 1"), Scope(server="cups1", printer="L")):
        assert not Limit("grey", scope=scope).fits(HERE, ())


def test_every_reason_is_said_and_of_several_the_strictest() -> None:
    said = judge(Limit("pages", 90), Limit("pages", 50), Limit("copies", 2), Limit("grey"), Limit("two-sided"))
    assert said == [
        "96 pages are more than the 50 that a job may have here. Print it in parts.",
        "3 copies are more than the 2 allowed here. Choose fewer copies.",
        "Only grey may be printed here, and 6 pages have colour. Choose black and white and send it again.",
        "This printer prints two-sided only. Choose two-sided and send it again.",
    ]
    assert judge(Limit("use"), Limit("grey")) == ["You may not print on Library 1. Choose another printer."]
    assert judge(Limit("cost", 999), cost=1_000) == [
        "It costs $0.001, and a job may cost $0.000999 here. Print fewer pages at once."
    ]
    assert judge(Limit("pages", 96), Limit("copies", 3), Limit("cost", 5), cost=5) == []


def test_one_page_need_not_be_two_sided() -> None:
    assert judge(Limit("two-sided"), document=Document((Run(1, False, "a4"),), copies=5)) == []
    assert judge(Limit("two-sided"), document=Document((Run(2, False, "a4"),), duplex=True)) == []


def test_what_is_not_known_is_not_refused_for_good() -> None:
    unknown = Document((Run(3, None, "a4"),))
    for kind, document in (("grey", unknown), ("grey", None), ("pages", None), ("two-sided", None)):
        pages = document.pages if document else None
        asked = Asked(HERE, (), pages, document, 0)
        [refusal] = limits.refusals([Limit(kind, 5)], asked, UNIT)
        assert refusal.unsure
    assert limits.refusals([Limit("cost", 5)], Asked(HERE, (), None, None, 5), UNIT) == []


@pytest.mark.parametrize(
    ("held_to", "prices", "counted"),
    [
        ([], FLAT, "pages"),
        ([], FREE, "none"),
        ([], IN_COLOUR, "colour"),
        ([Limit("use"), Limit("cost", 1)], FREE, "none"),
        ([Limit("pages", 5)], FREE, "pages"),
        ([Limit("copies", 5)], FREE, "pages"),
        ([Limit("two-sided")], FREE, "pages"),
        ([Limit("grey")], FREE, "colour"),
        ([Limit("grey", scope=Scope(group="Lab"))], FREE, "none"),
        ([], PriceList((Line(0),), base=5), "none"),
        ([], PriceList((Line(5), Line(5, colour=True))), "pages"),
    ],
)
def test_only_what_matters_is_counted(held_to: list[Limit], prices: PriceList, counted: str) -> None:
    assert limits.needed(held_to, prices, HERE) == counted


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit("pages", 1), "Everybody: at most 1 page a job, on all printers"),
        (Limit("copies", 1, "in", ("A", "B", "C")), "A, B and C: one copy only, on all printers"),
        (Limit("cost", 500_000, scope=Scope(group="Lab")), "Everybody: at most $0.50 a job, on printers of Lab"),
        (
            Limit("use", 0, "except", ("Staff",), Scope(server="cups1", printer="Staff")),
            "Everybody except Staff: may not print on Staff (cups1)",
        ),
    ],
)
def test_a_limit_in_words(limit: Limit, words: str) -> None:
    assert limits.in_words(limit, UNIT) == words


@given(
    st.lists(
        st.builds(
            Limit,
            st.sampled_from(list(limits.KINDS)),
            st.integers(0, 10**12),
            st.sampled_from(limits.WHO),
            st.lists(st.text(min_size=1), min_size=1).map(tuple),
            st.builds(Scope, group=st.text()),
        )
    ).map(tuple)
)
def test_limits_are_kept_as_they_are(held_to: tuple[Limit, ...]) -> None:
    assert limits.from_json(limits.to_json(held_to)) == held_to
    assert all(limits.in_words(limit, UNIT) for limit in held_to)
