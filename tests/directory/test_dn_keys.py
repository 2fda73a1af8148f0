"""Keys of distinguished names: two names have one key exactly when they name the same entry."""

from __future__ import annotations

from itertools import product

from directory.dn_keys import dn_key, dn_keys, is_below
from directory.names import same_dn

NAMES = [
    "cn=a,ou=b,dc=c",
    "CN=A,OU=B,DC=C",
    "cn = a , ou = b, dc=c",
    "cn=a,ou=b\\,dc=c",
    "cn=a\\2Cou=b,dc=c",
    "cn=a\\,ou\\=b,dc=c",
    "cn=a=b,dc=c",
    "cn=a\\3Db,dc=c",
    "cn=a\\3db,dc=c",
    "cn=a+uid=b,dc=c",
    "uid=b+cn=a,dc=c",
    "uid=b\\+cn=a,dc=c",
    "cn=Doe\\, Jane,ou=People,dc=c",
    "CN=Doe\\2C Jane,OU=people,DC=c",
    "cn=José,ou=x",
    "cn=JOSÉ,ou=x",
    "cn=Jos\\C3\\A9,ou=x",
    "cn=a\\\\,dc=c",
    "cn=a\\5C,dc=c",
    'cn=say \\"x\\",dc=c',
    "cn=say \\22x\\22,dc=c",
]


def test_one_key_for_one_entry() -> None:
    for one, other in product(NAMES, repeat=2):
        assert (dn_key(one.encode()) == dn_key(other.encode())) == same_dn(one, other), (one, other)


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    raw = [name.encode() for name in NAMES]
    for some in (raw, raw[:2], [raw[0], raw[14]], [raw[0], b"cn=\0,dc=c"], [b"not a name, at all", b"\xff\xfe"]):
        assert list(dn_keys(some)) == [dn_key(one) for one in some]


def test_below() -> None:
    base = dn_key(b"ou=B, dc=C")
    assert is_below(dn_key(b"cn=a,ou=b,dc=c"), base)
    assert is_below(base, base)
    assert not is_below(dn_key(b"cn=a,xou=b,dc=c"), base)
    assert not is_below(dn_key(b"cn=a\\,ou=b,dc=c"), base)
