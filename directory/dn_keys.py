"""Keys by which very many distinguished names (RFC 4514) are compared: two that name the same entry have one key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from directory.names import relative_names

# Where none of these stands, a name can be written in one way only, but for its case.
_AMBIGUOUS = (b"\\", b", ", b" ,", b"= ", b" =", b"+", b'"', b";")
_FIRST_PART = re.compile(r"(?:[^\\,]|\\.)*", re.DOTALL)
_MUST_BE_ESCAPED = re.compile(r'[\\,+";]')


def dn_key(dn: bytes) -> bytes:
    """Return the key of one name."""
    for mark in _AMBIGUOUS:
        if mark in dn:
            return _spelled_alike(dn.decode("utf-8", "replace").strip()).encode("utf-8", "replace")
    return dn.lower() if dn.isascii() else _folded(dn)


def dn_keys(dns: Sequence[bytes]) -> Sequence[bytes]:
    """Return the keys of many names, in their order; most of the work is done on all of them together."""
    together = b"\0".join(dns)  # a NUL is always written as "\00" in a name
    if together.count(b"\0") != len(dns) - 1 or any(mark in together for mark in _AMBIGUOUS):
        return [dn_key(dn) for dn in dns]
    return (together.lower() if together.isascii() else _folded(together)).split(b"\0")


def is_below(key: bytes, base_key: bytes) -> bool:
    """True when the entry is the base, or lies below it; both are keys."""
    return key == base_key or key.endswith(b"," + base_key)


def _folded(dn: bytes) -> bytes:
    return dn.decode("utf-8", "replace").casefold().encode("utf-8", "replace")


def _spelled_alike(dn: str) -> str:
    """The name with one way to write each part. The parts above are shared by thousands: they are remembered."""
    match = _FIRST_PART.match(dn)
    end = match.end() if match else len(dn)
    return _part(dn[:end]) + (_parents(dn[end + 1 :].lstrip()) if end < len(dn) else "")


@lru_cache(maxsize=4096)
def _parents(dn: str) -> str:
    return "," + _spelled_alike(dn)


def _part(written: str) -> str:
    try:
        pairs = relative_names(written)[0]
    except (ValueError, IndexError):
        return written.casefold()  # not a name: equal to itself only
    return "+".join(sorted(f"{name}={_MUST_BE_ESCAPED.sub(_escaped, value)}" for name, value in pairs))


def _escaped(found: re.Match[str]) -> str:
    """In hexadecimal, so that a comma in a key always stands between two parts."""
    return f"\\{ord(found[0]):02x}"
