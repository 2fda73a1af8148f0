"""What printing costs, as functions of values. Amounts are millionths of the instance's unit."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

HOLD_LIFE: Final = timedelta(hours=24)
"""A hold outlasts a printer that is out of paper over night; a job that is still printing then is paid as measured."""

PAGES_MAX: Final = 1_000_000


def price(*, pages: int, price_per_page: int) -> int:
    """Return the price of `pages` impressions."""
    return pages * price_per_page


def pages_in_words(pages: int) -> str:
    """Return "1 page", "3 pages"."""
    return f"{pages:,} page" + ("" if pages == 1 else "s")


def pages_for(*, available: int, price_per_page: int) -> int | None:
    """Return how many whole pages an amount pays for, None when printing is free."""
    return None if price_per_page == 0 else max(0, available // price_per_page)
