"""The balance day by day, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Flask

from app.db import reading
from app.ledger import statement
from app.money import MICRO
from tests.purse.conftest import Life

ZONE = ZoneInfo("Europe/Berlin")


def test_each_day_ends_with_the_balance_of_its_last_line(
    make_instance: Callable[..., Flask], database_url: str, life: Callable[..., Life]
) -> None:
    app = make_instance(database_url=database_url)
    here = life(app, now=datetime(2026, 10, 27, 12, tzinfo=UTC))
    with app.app_context():
        here.post(1, ago=timedelta(days=10))
        here.post(2, ago=here.now - datetime(2026, 10, 24, 21, 59, tzinfo=UTC))  # 23:59 on the 24th
        here.post(4, ago=here.now - datetime(2026, 10, 24, 22, 1, tzinfo=UTC))  # 00:01 on the 25th, the long day
        here.post(-3, ago=here.now - datetime(2026, 10, 25, 22, 59, tzinfo=UTC))  # 23:59 on the 25th
        here.post(-1)
        days = statement.by_day(reading(), account_id=here.account_id(), today=date(2026, 10, 27), days=5, zone=ZONE)
    assert [(day.on.day, day.credited // MICRO, day.balance // MICRO) for day in days] == [
        (23, 0, 1),
        (24, 2, 3),
        (25, 4, 4),
        (26, 0, 4),
        (27, 0, 3),
    ]


def test_lines_count_and_selection_agree(
    make_instance: Callable[..., Flask], database_url: str, life: Callable[..., Life]
) -> None:
    app = make_instance(database_url=database_url)
    here = life(app)
    with app.app_context():
        for number in range(10):
            here.post(1 if number % 2 else -0.5, measured=True)
        account_id = here.account_id()
        for selection in (
            statement.EVERYTHING,
            statement.Selection(sign=1),
            statement.Selection(sign=-1, sources=("adjustment",)),
            statement.Selection(sources=("print",)),
            statement.Selection(since=here.now, until=here.now + timedelta(seconds=1)),
            statement.Selection(until=here.now),
        ):
            lines = statement.lines(reading(), account_id=account_id, limit=100, selection=selection)
            assert len(lines) == statement.count_lines(reading(), account_id=account_id, selection=selection)
        everything = statement.lines(reading(), account_id=account_id, limit=100)
        newest_three = statement.count_lines(reading(), account_id=account_id, from_sequence=8)
    assert [line.sequence for line in everything] == list(range(10, 0, -1))
    assert newest_three == 3
