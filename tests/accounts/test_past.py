"""The balance on any past date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from app.accounts.past import look_back
from app.db import db, reading
from app.ledger import statement
from app.money import MICRO
from tests.accounts.conftest import UNRESTRICTED, Desk

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, STEP = timedelta(hours=1), timedelta(microseconds=1)


def test_the_balance_before_at_and_after_each_line(desk: Desk) -> None:
    account = desk.of("alice")
    for number in range(4):
        desk.post(account, 1, now=START + number * HOUR)

    def units(at: datetime) -> int:
        return statement.balance_at(reading(), account_id=account, at=at) // MICRO

    assert units(START - STEP) == 0
    for number in range(4):
        at = START + number * HOUR
        assert (units(at - STEP), units(at), units(at + STEP)) == (number, number + 1, number + 1)
    assert units(START + timedelta(days=400)) == 4
    assert statement.balance_at(reading(), account_id=desk.of("bob"), at=START) == 0


def test_what_was_booked_late_counts_from_its_booking(desk: Desk) -> None:
    account = desk.of("alice")
    desk.post(account, 5, now=START)
    desk.post(account, -2, now=START + 9 * HOUR, at=START + HOUR, measured=True)
    assert statement.balance_at(reading(), account_id=account, at=START + 2 * HOUR) == 5 * MICRO


@pytest.mark.parametrize("searched", [1, 3, 500])
def test_searching_finds_what_reading_everything_finds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, searched: int
) -> None:
    monkeypatch.setattr(statement, "SEARCHED_LINES", searched)
    account, booked, steps = desk.make(limit=UNRESTRICTED), [], (timedelta(), STEP, HOUR, 30 * HOUR)
    now = desk.account(account).created_at
    for number in range(40):
        now += steps[number * number % 7 % 4]
        booked.append((now, desk.post(account, number * 7 % 11 - 5, now=now)))
    for at in sorted({moment + shift for moment, _ in booked for shift in (-STEP, timedelta(), STEP)}):
        expected = [entry.balance_after for moment, entry in booked if moment <= at][-1:] or [0]
        assert statement.balance_at(reading(), account_id=account, at=at) == expected[0], at


def test_a_clock_that_was_set_back_is_read_as_the_books_have_it(desk: Desk) -> None:
    account = desk.of("alice")
    for minutes in (0, 10, 5, 20):
        desk.post(account, 1, now=START + timedelta(minutes=minutes))
    balances = [
        statement.balance_at(reading(), account_id=account, at=START + timedelta(minutes=minutes)) // MICRO
        for minutes in (0, 5, 10, 20)
    ]
    assert balances == [1, 3, 3, 4]


def test_a_day_ends_on_the_clock_of_its_zone(desk: Desk) -> None:
    account = desk.of("alice")
    summer = date(2026, 3, 29)  # 23 hours long in Berlin: it ends at 22:00 UTC
    desk.post(account, 1, now=datetime(2026, 3, 29, 21, 59, 59, 999_999, tzinfo=UTC))
    desk.post(account, 1, now=datetime(2026, 3, 29, 22, 0, tzinfo=UTC))

    def units(day: date, zone: ZoneInfo) -> int:
        return statement.balance_on(reading(), account_id=account, day=day, zone=zone) // MICRO

    assert units(summer - timedelta(days=1), BERLIN) == 0
    assert (units(summer, BERLIN), units(summer, ZoneInfo("UTC"))) == (1, 2)
    assert units(summer + timedelta(days=1), BERLIN) == 2


def test_a_long_statement_is_searched_with_few_questions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "SEARCHED_LINES", 2)
    account = desk.of("alice")
    for number in range(64):
        desk.post(account, 1, now=START + number * HOUR)
    with counted_questions() as questions:
        assert statement.balance_at(reading(), account_id=account, at=START + 20 * HOUR) == 21 * MICRO
    assert len(questions) <= 2 + 6  # the last number, six halvings of 64, the lines at the place


def test_what_is_typed_as_a_day(desk: Desk) -> None:
    account, today = desk.of("alice"), date(2026, 11, 23)
    desk.post(account, 3, now=START)

    def look(**typed: str) -> tuple[str, date | None, int]:
        past = look_back(reading(), account_id=account, arguments=typed, zone=BERLIN, today=today)
        return past.problem, past.day, past.balance // MICRO

    assert look() == ("", None, 0)
    assert look(on="2026-11-23") == ("", today, 3)
    assert look(on="2026-02-28") == ("", date(2026, 2, 28), 0)
    assert look(on="2026-11-24") == ("Choose today or a day before it", None, 0)
    for typed in ("yesterday", "2026-02-30", "0001-01-01", "9" * 500, "2026-11-23\x00"):
        assert look(on=typed) == ("Write the day as 2026-11-30", None, 0)


@contextmanager
def counted_questions() -> Iterator[list[str]]:
    """Note every question that is sent to the database."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, text: str, *_more: object) -> None:
        seen.extend([text] if text.startswith("SELECT") else [])

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)
