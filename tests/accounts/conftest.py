"""A desk at which accounts are made, limited and charged, on each database; amounts in whole units."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.accounts import service
from app.accounts.rules import Limit
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.booking import Booked
from app.ledger.models import Account, Hold
from app.ledger.verify import verify
from app.money import MICRO, Unit
from app.settings import settings_of_app

RESTRICTED, UNRESTRICTED, DEFAULT = Limit("restricted"), Limit("unrestricted"), Limit("default")
BY = "Ada Min (admin)"


def overdraft(units: int) -> Limit:
    """A limit so many units below 0."""
    return Limit("overdraft", units * MICRO)


@dataclass
class Desk:
    """The books of one instance, seen by an administrator. Call it within the application's context."""

    app: Flask
    users: dict[str, int]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def unit(self) -> Unit:
        """What the instance counts in."""
        return settings_of_app().unit

    def of(self, name: str) -> int:
        """The account of one of the cast."""
        return accounts.get_account(reading(), user_id=self.users[name]).id

    def make(self, name: str = "Library", limit: Limit = RESTRICTED) -> int:
        """Make a shared account; return its number."""
        return writing(
            lambda session: service.make(session, name=name, limit=limit, by=BY, unit=self.unit, now=clock.now()).id
        )

    def post(self, account_id: int, units: int, *, now: datetime | None = None, **more: Any) -> Booked:
        """Book so many units; guarded unless told otherwise."""
        given = {"source": "adjustment", "title": "test", "key": f"test:{next(self._numbers)}"} | more
        at = now or clock.now()
        return writing(
            lambda session: ledger.post(session, account_id=account_id, amount=units * MICRO, now=at, **given)
        )

    def hold(self, account_id: int, units: int) -> Hold:
        """Set so many units aside."""
        now, key = clock.now(), f"hold:{next(self._numbers)}"
        return writing(
            lambda session: ledger.hold(
                session,
                account_id=account_id,
                amount=units * MICRO,
                source="print",
                key=key,
                now=now,
                expires_at=now + timedelta(hours=1),
            )
        )

    def limit(self, account_id: int, limit: Limit, form_id: str = "") -> bool:
        """Give an account a limit."""
        form_id = form_id or f"form-{next(self._numbers)}"
        return writing(
            lambda session: service.set_limit(
                session,
                account_id=account_id,
                limit=limit,
                by=BY,
                form_id=form_id,
                unit=self.unit,
                now=clock.now(),
            )
        )

    def default(self, floor: int | None) -> int:
        """Set the limit for everybody, in units; return how many accounts follow it."""
        micro = None if floor is None else floor * MICRO
        return writing(lambda session: accounts.set_default_floor(session, floor=micro, now=clock.now()))

    def account(self, account_id: int) -> Account:
        """An account as the database has it now."""
        reading().rollback()
        return reading().get_one(Account, account_id, populate_existing=True)

    def numbers(self, begin: str) -> list[int]:
        """The numbers of the shared accounts whose name begins like this."""
        reading().rollback()
        found = service.list_shared(reading(), query="", after="", limit=1000)
        return [account.id for account in found if account.name.startswith(begin)]

    def floor(self, account_id: int) -> int | None:
        """How far an account may go down, in units."""
        floor = self.account(account_id).floor
        return floor if floor is None else floor // MICRO

    def balance(self, account_id: int) -> int:
        """A balance in units."""
        return self.account(account_id).balance // MICRO


@pytest.fixture
def desk(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[Desk]:
    """A desk on each database; at the end of every test a verification finds nothing."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        yield Desk(app, known())
        reading().rollback()
        assert verify(reading()).differences == []
