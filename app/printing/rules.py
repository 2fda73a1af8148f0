"""What all of printing goes by: how long a price is held, how many pages a job may name, and pages in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

HOLD_LIFE: Final = timedelta(hours=24)
"""A hold outlasts a printer that is out of paper over night; a job that is still printing then is paid as measured."""

PAGES_MAX: Final = 1_000_000


def pages_in_words(pages: int) -> str:
    """Return "1 page", "3 pages"."""
    return f"{pages:,} page" + ("" if pages == 1 else "s")


def pages_for(*, available: int, price: int) -> int | None:
    """Return how many whole pages an amount pays for, None when printing is free."""
    return None if price == 0 else max(0, available // price)
