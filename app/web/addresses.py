"""Addresses that come from outside: only paths of this site are followed."""

from __future__ import annotations

from urllib.parse import urlsplit


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
