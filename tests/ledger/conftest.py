"""An instance on each database with alice's purse, and shortcuts that say what a test means."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry, Hold
from app.ledger.verify import verify
from app.money import MICRO


class Books:
    """The books of one instance, seen from alice's account; amounts in whole units to keep tests readable."""

    def __init__(self, account_id: int, users: dict[str, int]) -> None:
        self.account_id = account_id
        self.users = users
        self._keys = itertools.count(1)

    def post(self, units: int, *, key: str = "", **more: Any) -> Entry:
        """Post so many units to alice's account."""
        given = {"source": "adjustment", "title": "test"} | more
        key = key or f"test:{next(self._keys)}"
        return writing(
            lambda session: ledger.post(
                session, account_id=self.account_id, amount=units * MICRO, key=key, now=clock.now(), **given
            )
        )

    def hold(self, units: int, *, key: str = "hold:1", minutes: int = 60, enforce: bool = True) -> Hold:
        """Hold so many units for printing."""
        now = clock.now()
        return writing(
            lambda session: ledger.hold(
                session,
                account_id=self.account_id,
                amount=units * MICRO,
                source="print",
                key=key,
                now=now,
                expires_at=now + timedelta(minutes=minutes),
                enforce=enforce,
            )
        )

    def capture(self, placed: Hold, units: int, *, key: str = "capture:1") -> list[Entry]:
        """Capture so many units."""
        return writing(
            lambda session: ledger.capture(
                session, hold_id=placed.id, amount=units * MICRO, key=key, now=clock.now(), title="job"
            )
        )

    def release(self, placed: Hold) -> Hold:
        """Release a hold."""
        return writing(lambda session: ledger.release(session, hold_id=placed.id, now=clock.now()))

    @property
    def account(self) -> Account:
        """Alice's account as the database has it now."""
        reading().rollback()
        return reading().get_one(Account, self.account_id, populate_existing=True)

    @property
    def figures(self) -> tuple[int, int]:
        """(balance, reserved) in whole units."""
        account = self.account
        return account.balance // MICRO, account.reserved // MICRO


@pytest.fixture
def books(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[Books]:
    """Books on each database; at the end of every test a verification finds nothing."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        users = known()
        account = accounts.get_account(reading(), user_id=users["alice"])
        yield Books(account.id, users)
        reading().rollback()
        assert verify(reading()).differences == []
