"""Addresses from outside: only paths of this site are followed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.urls import iri_to_uri

from app.web.addresses import safe_next


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
