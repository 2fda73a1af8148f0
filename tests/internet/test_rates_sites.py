"""Names of sites: what is pasted, what becomes of it, and which list a host is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.internet.rate_sites import DOMAINS_MAX, host_name, list_of, read_domains, site_name

LABELS = st.sampled_from(("a", "b", "org", "example", "xn--bcher-kva"))
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("*.example.org", "example.org"),
        (".example.org:8080", "example.org"),
        ("https://user@Example.org:443/", "example.org"),
        ("http://example.org", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("intranet", "intranet"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("2001:db8:0:0::1", "2001:db8::1"),
    ],
)
def test_names_have_one_form(typed: str, name: str) -> None:
    assert site_name(typed) == name
    assert site_name(name) == name


@pytest.mark.parametrize(
    "typed",
    [
        "example..org",
        "-a.org",
        "a" * 64 + ".org",
        "exa!mple",
        "https://example.org/page",
        "example.org/page",
        "10.0.0.0/8",
        "1.2.3",
        "*",
        "...",
        "http://",
        "a.b\0c",
        "é" * 80,
        "x." * 130 + "org",
        "https://[bad",
    ],
)
def test_what_is_no_site_is_named(typed: str) -> None:
    with pytest.raises(ValueError, match=r"site|name|machine"):
        site_name(typed)


def test_a_thousand_lines_are_read_and_problems_have_their_line() -> None:
    pasted = "# our free sites\n" + "\n".join(f"site{number}.example" for number in range(1_200))
    pasted += "\nSITE7.example, b.example  # again\n\nbad..name\nexample.org/page\ntaken.example\n"
    read = read_domains(pasted, taken={"taken.example": "Films"})
    assert len(read.domains) == 1_201
    assert read.doubled == 1
    assert [number for number, _ in read.problems] == [1204, 1205, 1206]
    assert read.problems[2][1] == "“taken.example” is in the list “Films” already"
    many = "\n".join(f"{number}.example" for number in range(DOMAINS_MAX + 1))
    assert "50,000" in read_domains(many).problems[0][1]


@pytest.mark.parametrize(
    ("line", "domains", "problem"),
    [
        ("intranet", ("intranet",), ""),
        ("a.example b.example", ("a.example", "b.example"), ""),
        ("127.0.0.1 ads.example www.ads.example", ("ads.example", "www.ads.example"), ""),
        ("0.0.0.0 ads.example # remark", ("ads.example",), ""),
        ("127.0.0.1", ("127.0.0.1",), ""),
        ("192.0.2.1 2001:db8::1", ("192.0.2.1", "2001:db8::1"), ""),
        ("exa mple .org", (), "“exa” has no dot"),
        ("these are our sites", (), "“these” has no dot"),
    ],
)
def test_a_line_of_several_is_no_prose(line: str, domains: tuple[str, ...], problem: str) -> None:
    read = read_domains(line)
    assert read.domains == domains
    assert [said[: len(problem)] for _number, said in read.problems[:1]] == ([problem] if problem else [])


@given(host=NAMES, lists=st.dictionaries(NAMES, st.integers(1, 9), max_size=6))
def test_the_longest_suffix_counts(host: str, lists: dict[str, int]) -> None:
    """Compared with trying every name of every list."""
    fitting = [name for name in lists if host == name or host.endswith(f".{name}")]
    expected = lists[max(fitting, key=len)] if fitting else 0
    assert list_of(host, lists) == expected
    assert list_of(f"{host.upper()}.:443", lists) == expected


def test_addresses_match_as_a_whole_and_a_name_is_no_part_of_another() -> None:
    lists = {"0.2.1": 1, "2001:db8::1": 2, "example.org": 3}
    assert list_of("192.0.2.1", lists) == 0
    assert list_of("[2001:DB8::1]:443", lists) == 2
    assert list_of("notexample.org", lists) == 0
    assert host_name("Www.Example.Org.:443") == "www.example.org"
