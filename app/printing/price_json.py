"""Price books, and the terms of a job, as they are kept: JSON there and back. Pure functions of values."""

from __future__ import annotations

import json
from typing import Any

from app.printing.prices import Adjustment, Line, PriceBook, PriceList, Terms
from app.printing.scope import EVERYWHERE, Scope


def book_to_json(book: PriceBook) -> str:
    """Return a price book as it is kept."""
    kept = {
        "lists": [_list_to_json(one) | {"scope": one.scope.to_list()} for one in book.lists],
        "groups": [[one.group, one.percent] for one in book.adjustments],
    }
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def book_from_json(text: str) -> PriceBook:
    """Return what `book_to_json` wrote."""
    kept = json.loads(text)
    lists = tuple(_list_from_json(one, Scope.from_list(one["scope"])) for one in kept["lists"])
    return PriceBook(lists, tuple(Adjustment(group, percent) for group, percent in kept["groups"]))


def terms_to_json(terms: Terms) -> str:
    """Return terms as they are kept with a job."""
    kept = _list_to_json(terms.prices)
    if terms.adjustment.percent != 100:
        kept |= {"group": terms.adjustment.group, "percent": terms.adjustment.percent}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def terms_from_json(text: str) -> Terms:
    """Return what `terms_to_json` wrote; the migration from flat prices writes {"lines": [["", null, null, price]]}."""
    kept = json.loads(text)
    return Terms(_list_from_json(kept, EVERYWHERE), Adjustment(kept.get("group", ""), kept.get("percent", 100)))


def _list_to_json(prices: PriceList) -> dict[str, Any]:
    lines = [[line.paper, line.colour, line.duplex, line.price] for line in prices.lines]
    return {"per": prices.per, "base": prices.base, "free": prices.free, "lines": lines}


def _list_from_json(kept: dict[str, Any], scope: Scope) -> PriceList:
    lines = tuple(Line(price, paper, colour, duplex) for paper, colour, duplex, price in kept["lines"])
    return PriceList(lines, scope, kept.get("per", "page"), kept.get("base", 0), kept.get("free", False))
