"""Printers and jobs on each database, and a verification at the end of every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.db import reading
from app.ledger.verify import verify
from tests.printing.queues import Queues, begin


@pytest.fixture
def queues(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[Queues]:
    """Printers and the cast on each database; afterwards a verification finds nothing."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        yield begin(app, known)
        reading().rollback()
        assert verify(reading()).differences == []


@pytest.fixture
def quick_queues(print_app: Flask, known: Callable[..., dict[str, int]]) -> Queues:
    """Printers and the cast on SQLite, for pages."""
    with print_app.app_context():
        return begin(print_app, known)
