"""An instance with one purse of 100.00 on each database, and what every fault is followed by: a look at the books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from tests.api.conftest import make_api

__all__ = ["make_api"]  # the fixture, for tests that ask over HTTP

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


class Purse:
    """A shared account with 100.00, seen from inside its instance's context; amounts in whole units."""

    def __init__(self, app: Flask, account_id: int = 0, *, units: int = 100) -> None:
        self.app = app
        self.units = units
        self.folder: Path = app.extensions["twinpurse.settings"].folder
        self.is_sqlite = not app.extensions["twinpurse.settings"].config.database_url
        self.account_id = account_id or writing(self._open)

    def _open(self, session: object) -> int:
        account = accounts.open_shared(session, name="Library", now=NOW)  # type: ignore[arg-type]
        ledger.post(
            session,  # type: ignore[arg-type]
            account_id=account.id,
            amount=self.units * MICRO,
            source="adjustment",
            key="open",
            now=NOW,
            title="open",
        )
        return account.id

    def charge(self, key: str, write: Callable[..., Entry] = writing) -> Entry:
        """Charge 1.00."""
        return write(lambda session: charge_one(session, self.account_id, key))

    def figures(self) -> tuple[int, int]:
        """(balance, reserved) as the database has them."""
        session = reading()
        session.rollback()
        account = session.get_one(Account, self.account_id, populate_existing=True)
        found = account.balance // MICRO, account.reserved // MICRO
        session.rollback()
        return found

    def keys(self) -> list[str]:
        """The keys of all entries, in the order in which they were written."""
        session = reading()
        session.rollback()
        found = list(session.scalars(select(Entry.key).order_by(Entry.id)))
        session.rollback()
        return found

    def check(self) -> None:
        """The books have no difference."""
        session = reading()
        session.rollback()
        assert [str(difference) for difference in verify(session).differences] == []
        session.rollback()


def charge_one(session: object, account_id: int, key: str) -> Entry:
    """Charge 1.00 for a print job, guarded."""
    return ledger.post(
        session,  # type: ignore[arg-type]
        account_id=account_id,
        amount=-MICRO,
        source="print",
        key=key,
        now=NOW,
        title="job",
    )


@pytest.fixture
def purse(make_instance: Callable[..., Flask], database_url: str) -> Iterator[Purse]:
    """A purse of 100.00 on each database; at the end of every test the books have no difference."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        found = Purse(app)
        yield found
        found.check()
