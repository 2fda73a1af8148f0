"""What all of printing goes by: how long a price is held, how many pages a job may name, and pages in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from language import _n, numbers

HOLD_LIFE: Final = timedelta(hours=24)
"""A hold outlasts a printer that is out of paper over night; a job that is still printing then is paid as measured."""

PAGES_MAX: Final = 1_000_000


def pages_in_words(pages: int) -> str:
    """Return "1 page", "3 pages"."""
    return _n("%(num)s page", "%(num)s pages", pages)


def pages_of_in_words(pages: int, counted: int | None) -> str:
    """Return "12 pages of 20"; "12 pages" where no other number was counted before printing."""
    if counted is None or counted == pages:
        return pages_in_words(pages)
    return _n("%(num)s page of %(counted)s", "%(num)s pages of %(counted)s", pages, counted=numbers.count(counted))


def pages_for(*, available: int, price: int) -> int | None:
    """Return how many whole pages an amount pays for, None when printing is free."""
    return None if price == 0 else max(0, available // price)
