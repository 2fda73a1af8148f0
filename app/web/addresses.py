"""Addresses that come from outside: only paths of this site are followed, and parameters are read with care."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final
from urllib.parse import urlsplit

NUMBER_MAX: Final = 2**63 - 1


def safe_next(address: str | None) -> str | None:
    """Return `address` when it is a path on this host, else None.

    Browsers read "//host", "/\\host" and paths with control characters as other hosts; none of these pass.
    """
    if not address or len(address) > 2000 or not address.startswith("/") or address.startswith("//"):
        return None
    if "\\" in address or any(ord(char) < 0x21 or ord(char) == 0x7F for char in address):
        return None
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc else None


def read_text(arguments: Mapping[str, str], name: str, length_max: int) -> str:
    """Return a parameter without what nobody can type: PostgreSQL refuses a text with a NUL in it."""
    return "".join(char for char in arguments.get(name, "") if char.isprintable())[:length_max]


def read_number(text: str | None) -> int | None:
    """Return a positive number out of an address; None for anything that no line could have."""
    if text is None or not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
        return None
    number = int(text)
    return number if 0 < number <= NUMBER_MAX else None


def read_day(text: str) -> date | None:
    """Return a day that is written as 2026-11-30; None for anything else."""
    if not re.fullmatch(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
