"""Many at once: the last credit is spent once, one key books once, and no update is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import current_app
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.errors import InsufficientBalanceError
from app.ledger import service as ledger
from app.ledger.bulk import credit_many
from app.ledger.models import Account, Entry
from app.money import MICRO
from tests.ledger.conftest import Books

WORKERS = 8


def at_once(work: Callable[[int], bool], count: int) -> int:
    """Do `work(0..count-1)` in threads of the same application; return how many returned True."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def run(number: int) -> bool:
        with app.app_context():
            return work(number)

    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(run, range(count)))


def test_fifty_charges_race_for_thirty_units_and_thirty_win(books: Books) -> None:
    books.post(30)

    def spend(number: int) -> bool:
        try:
            books.post(-1, key=f"race:{number}")
        except InsufficientBalanceError:
            return False
        return True

    assert at_once(spend, 50) == 30
    assert books.figures == (0, 0)


def test_holds_and_charges_race_without_passing_the_floor(books: Books) -> None:
    books.post(10)

    def take(number: int) -> bool:
        try:
            if number % 2:
                books.hold(1, key=f"hold:{number}")
            else:
                books.post(-1, key=f"charge:{number}")
        except InsufficientBalanceError:
            return False
        return True

    assert at_once(take, 24) == 10
    balance, reserved = books.figures
    assert balance - reserved == 0


def test_eight_retries_with_one_key_book_once(books: Books) -> None:
    books.post(10)
    assert at_once(lambda _number: bool(books.post(-1, key="one")), 8) == 8
    assert books.figures == (9, 0)


def test_two_captures_of_one_hold_book_once(books: Books) -> None:
    books.post(10)
    placed = books.hold(4)
    assert at_once(lambda _number: bool(books.capture(placed, 4)), 6) == 6
    assert books.figures == (6, 0)


@pytest.mark.parametrize(
    ("top_up", "cap", "expected"), [("add", None, 7), ("cap", 6, 6), ("cap", 3, 5), ("reset", None, 2)]
)
def test_bulk_credits_reach_everybody_once_however_often_they_run(
    books: Books, top_up: str, cap: int | None, expected: int
) -> None:
    books.post(5)
    ids = list(reading().scalars(select(Account.id)))
    now = clock.now()

    def credit(_number: int) -> bool:
        writing(
            lambda session: credit_many(
                session,
                where=[Account.id.in_(ids)],
                amount=2 * MICRO,
                top_up=top_up,
                cap=cap and cap * MICRO,
                key_prefix="allocation:1:2026-11-23T07:00:",
                now=now,
                at=now - timedelta(hours=1),
                title="Weekly",
            )
        )
        return True

    at_once(credit, 4)
    assert books.figures == (expected, 0)
    others = reading().scalars(select(Account.balance).where(Account.id != books.account_id)).all()
    assert set(others) == {2 * MICRO}
    assert reading().scalar(select(func.count(Entry.id)).where(Entry.key.like("allocation:%"))) == (
        3 if expected == 5 else 4
    )


def test_charges_while_a_bulk_credit_runs_are_not_lost(books: Books) -> None:
    books.post(50)

    def work(number: int) -> bool:
        now = clock.now()
        if number % 3 == 0:
            writing(
                lambda session: credit_many(
                    session,
                    where=[Account.id == books.account_id],
                    amount=MICRO,
                    top_up="add",
                    cap=None,
                    key_prefix=f"allocation:1:{number}:",
                    now=now,
                    at=now,
                    title="Weekly",
                )
            )
        else:
            ledger_key = f"charge:{number}"
            writing(
                lambda session: ledger.post(
                    session,
                    account_id=books.account_id,
                    amount=-MICRO,
                    source="print",
                    key=ledger_key,
                    now=now,
                    title="job",
                )
            )
        return True

    assert at_once(work, 30) == 30
    assert books.figures == (50 + 10 - 20, 0)
