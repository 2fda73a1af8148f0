"""Distinguished names (RFC 4514): taken apart and compared, never built from what people type."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPED = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_PART = re.compile(r"((?:[^\\,+]|\\.)*)([,+]|$)", re.DOTALL)

# One relative name: its pairs of attribute and value, without order ("cn=a+uid=b" equals "uid=b+cn=a").
RelativeName = frozenset[tuple[str, str]]


def relative_names(dn: str) -> tuple[RelativeName, ...]:
    """Return the parts of a DN, the entry's own first; attributes in lower case, values unescaped and casefolded.

    Raises ValueError for what is not a DN.
    """
    names: list[RelativeName] = []
    pairs: set[tuple[str, str]] = set()
    position = 0
    while position < len(dn):
        match = _PART.match(dn, position)
        if match is None or "=" not in match[1]:
            raise ValueError("not a distinguished name")
        attribute, _, value = match[1].partition("=")
        pairs.add((attribute.strip().lower(), _unescaped(value).strip().casefold()))
        position = match.end()
        if match[2] != "+":
            names.append(frozenset(pairs))
            pairs = set()
    return tuple(names)


def same_dn(one: str, other: str) -> bool:
    """True when both name the same entry, however they are written. An empty name is the same as none."""
    try:
        return bool(one) and relative_names(one) == relative_names(other)
    except ValueError:
        return False


def own_name(dn: str, values: Sequence[str]) -> str:
    """Return the value of an attribute by which the entry is known: the one in its DN, else the first; "" for none."""
    try:
        parts = relative_names(dn)
    except ValueError:
        parts = ()
    own = {value for _, value in parts[0]} if parts else set()
    return next((value for value in values if value.casefold() in own), values[0] if values else "")


def domain_of(dn: str) -> str:
    """Return the domain's part of a DN, "dc=school,dc=example" of "cn=x,ou=people,dc=school,dc=example"; "" for none.

    Values of dc are host names (RFC 2247), in which nothing is escaped.
    """
    try:
        parts = relative_names(dn)
    except ValueError:
        return ""
    labels: list[str] = []
    for part in reversed(parts):
        ((attribute, value), *others) = part
        if attribute != "dc" or others:
            break
        labels.insert(0, f"dc={value}")
    return ",".join(labels)


def _unescaped(value: str) -> str:
    """Undo both escapes, "\\2C" and "\\,"; hexadecimal pairs are the bytes of UTF-8."""
    raw = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else match[2], value.encode("utf-8"))
    return raw.decode("utf-8", errors="replace")
