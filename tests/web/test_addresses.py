"""Addresses from outside: only paths of this site are followed, and nothing odd is read out of them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.urls import iri_to_uri

from app.web.addresses import read_day, read_number, read_text, safe_next


@pytest.mark.parametrize("address", ["/", "/statement", "/statement?kind=credits&from=2026-11-01#l12", "/a//b", "/@x"])
def test_paths_of_this_site_pass(address: str) -> None:
    assert safe_next(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "statement",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/a b",
        "/" + "x" * 2000,
    ],
)
def test_everything_else_does_not(address: str | None) -> None:
    assert safe_next(address) is None


@given(st.text(max_size=60))
def test_whatever_passes_is_one_path_for_a_browser(address: str) -> None:
    passed = safe_next(address)
    if passed is not None:
        assert passed.startswith("/")
        assert not passed.startswith("//")
        assert "\\" not in passed
        assert iri_to_uri(passed).startswith("/")


def test_numbers_out_of_an_address() -> None:
    assert read_number("8412") == 8412
    for text in (None, "", "0", "-1", "1.5", "٣", "9223372036854775808", "99999999999999999999", "1 OR 1=1"):
        assert read_number(text) is None


def test_days_out_of_an_address() -> None:
    assert read_day("2028-02-29") == date(2028, 2, 29)
    for text in ("", "today", "2026-02-29", "1999-12-31", "2026-1-1", "2026-11-30T00:00", "٢٠٢٦-11-30"):
        assert read_day(text) is None


def test_texts_out_of_an_address_have_what_can_be_typed() -> None:
    assert read_text({"q": "b\x00ob\n"}, "q", 100) == "bob"
    assert read_text({"q": "x" * 200}, "q", 100) == "x" * 100
    assert read_text({}, "q", 100) == ""
