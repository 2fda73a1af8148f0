"""Undoing a part of an entry: once, marked as a part, and what was tampered with afterwards is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from app import clock
from app.db import db, reading, writing
from app.errors import KeyReusedError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.booking import Booked
from app.ledger.verify import verify
from app.money import MICRO


@pytest.fixture
def charge(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[Booked]:
    """Alice was charged three units, on each database."""
    with make_instance(database_url=database_url).app_context():
        user_id = known()["alice"]
        account_id = accounts.get_account(reading(), user_id=user_id).id

        def post(amount: int, key: str) -> Booked:
            given = {"source": "print", "title": "test", "now": clock.now(), "quantity": 3}
            return writing(
                lambda session: ledger.post(session, account_id=account_id, amount=amount * MICRO, key=key, **given)
            )

        post(10, "start")
        yield post(-3, "charge")


def undo(charge: Booked, part: int | None, key: str = "refund") -> Booked:
    """Undo some millionths of the charge."""
    return writing(
        lambda session: ledger.reverse(session, entry_id=charge.id, part=part, key=key, now=clock.now(), title="Refund")
    )


def differences() -> list[str]:
    """What a verification names."""
    reading().rollback()
    return [found.what for found in verify(reading()).differences]


def test_a_part_is_undone_once_and_the_books_are_right(charge: Booked) -> None:
    for part in (0, -1, 3 * MICRO + 1):
        with pytest.raises(WrongStateError):
            undo(charge, part)
    back = undo(charge, MICRO)
    assert (back.amount, back.reverses_id, back.source, back.quantity) == (MICRO, charge.id, "print", None)
    assert undo(charge, MICRO).id == back.id
    with pytest.raises(KeyReusedError):
        undo(charge, 2 * MICRO)
    for part in (None, MICRO, 2 * MICRO):
        with pytest.raises(WrongStateError, match="already reversed"):
            undo(charge, part, "another")
    assert differences() == []


def test_the_part_that_is_all_of_it_is_the_whole(charge: Booked) -> None:
    back = undo(charge, 3 * MICRO)
    assert (back.amount, back.quantity) == (3 * MICRO, -3)
    assert undo(charge, None).id == back.id
    assert differences() == []


@pytest.mark.parametrize("part", [MICRO, None])
def test_an_amount_that_was_edited_afterwards_is_named(charge: Booked, part: int | None) -> None:
    back = undo(charge, part)
    with db.engine.begin() as connection:
        for trigger in ("entries_no_update",) if db.engine.dialect.name == "sqlite" else ():
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        if db.engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE entries DISABLE TRIGGER USER"))
        for change in ("entries SET amount = amount - 7, balance_after = balance_after - 7 WHERE id = :id",):
            connection.execute(text(f"UPDATE {change}"), {"id": back.id})
        connection.execute(text("UPDATE accounts SET balance = balance - 7 WHERE id = :id"), {"id": back.account_id})
    named = differences()
    assert "amount of the reversal" in named
    assert ("content of the entry" in named) is (part is not None)
