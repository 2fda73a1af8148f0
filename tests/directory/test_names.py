"""Distinguished names: equal when they name the same entry, and never taken apart at the wrong comma."""

from __future__ import annotations

import pytest

from directory.names import domain_of, own_name, relative_names, same_dn


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=alice,dc=example", "UID=Alice, DC=example"),
        ("cn=a\\2Cb,dc=example", "cn=a\\,b,dc=example"),
        ("cn=jos\\C3\\A9,dc=example", "cn=José,dc=example"),
        ("cn=a+uid=b,dc=example", "uid=b+cn=a,dc=example"),
        ("cn=a\\5Cb,dc=example", "cn=a\\\\b,dc=example"),
    ],
)
def test_the_same_entry(one: str, other: str) -> None:
    assert same_dn(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=alice,dc=example", "uid=alice,dc=example,dc=org"),
        ("uid=alice,dc=example", "uid=alicia,dc=example"),
        ("cn=a\\,b,dc=example", "cn=a,b=,dc=example"),
        ("cn=a+uid=b,dc=example", "cn=a,uid=b,dc=example"),
        ("", ""),
        ("alice", "alice"),
        ("uid=alice,dc=example", "dc=example,uid=alice"),
    ],
)
def test_not_the_same_entry(one: str, other: str) -> None:
    assert not same_dn(one, other)


def test_parts_are_unescaped() -> None:
    assert relative_names("cn=Quote\\22 Comma\\2C,ou=x") == (
        frozenset({("cn", 'quote" comma,')}),
        frozenset({("ou", "x")}),
    )


def test_the_name_in_the_dn_wins_over_the_first() -> None:
    assert own_name("uid=dorothea,dc=example", ["Dora", "Dorothea"]) == "Dorothea"
    assert own_name("cn=other,dc=example", ["Dora", "Dorothea"]) == "Dora"
    assert own_name("not a name", ["Dora"]) == "Dora"
    assert own_name("uid=dorothea,dc=example", []) == ""


@pytest.mark.parametrize(
    ("dn", "domain"),
    [
        ("CN=A\\, B,OU=People,DC=ad,DC=Example,DC=org", "dc=ad,dc=example,dc=org"),
        ("dc=a,ou=x,dc=b", "dc=b"),
        ("dc=b", "dc=b"),
        ("o=school", ""),
        ("no name", ""),
    ],
)
def test_the_domain_of_an_entry(dn: str, domain: str) -> None:
    assert domain_of(dn) == domain
