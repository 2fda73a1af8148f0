"""What using the Internet costs, as functions of values. 1 MB is 1,000,000 bytes."""

from __future__ import annotations

from typing import Final

from language import numbers

MB: Final = 1_000_000
REQUESTS_MAX: Final = 2**31 - 1


def charge(*, size_bytes: int, price_per_mb: int, rest: int) -> tuple[int, int]:
    """Return (millionths to charge, what was cut off) for bytes at a price in millionths per MB.

    `rest` is what was cut off before, in millionths of a millionth (0 to 999,999); the new one has the same unit, so
    that over time nothing is lost to rounding.
    """
    return divmod(size_bytes * price_per_mb + rest, MB)


def may_go_on(*, available: int, floor: int | None) -> bool:
    """Whether somebody with so much left may open another connection."""
    return floor is None or available > floor


def size_in_words(size_bytes: int) -> str:
    """Return "12.3 GB", "85 MB", "1.2 MB", "12 kB"."""
    if size_bytes >= 10_000 * MB:
        return numbers.figure(f"{size_bytes // (100 * MB) / 10:,.1f}\N{NO-BREAK SPACE}GB")
    if size_bytes >= 10 * MB:
        return numbers.figure(f"{size_bytes // MB:,}\N{NO-BREAK SPACE}MB")
    if size_bytes >= MB:
        return numbers.figure(f"{size_bytes // (MB // 10) / 10:.1f}\N{NO-BREAK SPACE}MB")
    return f"{max(1, size_bytes // 1000)}\N{NO-BREAK SPACE}kB"


def hours_for(*, available: int, price_per_period: int, period_s: int) -> int | None:
    """Return for how many whole hours of use an amount pays, None when time costs nothing."""
    if not price_per_period or not period_s:
        return None
    return max(0, available // price_per_period * period_s // 3600)


def mb_for(*, available: int, price_per_mb: int) -> int | None:
    """Return how many whole MB an amount pays for, None when use is free."""
    return None if price_per_mb == 0 else max(0, available // price_per_mb)
