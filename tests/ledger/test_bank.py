"""Many processes at one purse: each with its own application and connections, as on a real site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import db, reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from tests.ledger.bank import NOW, Told, spend, trade
from tests.servers.forked import CONTEXT, run_all


class Bank:
    """An instance with some shared accounts."""

    def __init__(self, app: Flask, units: int, count: int = 1) -> None:
        self.app = app
        self.is_sqlite = not app.extensions["twinpurse.settings"].config.database_url
        self.folder: Path = app.extensions["twinpurse.settings"].folder
        self.ids = [
            writing(lambda session, number=number: self._open(session, number, units))  # type: ignore[misc]
            for number in range(count)
        ]

    def _open(self, session: object, number: int, units: int) -> int:
        account = accounts.open_shared(session, name=f"Desk {number}", now=NOW)  # type: ignore[arg-type]
        more = {"amount": units * MICRO, "source": "adjustment", "key": f"open:{number}", "now": NOW, "title": "open"}
        ledger.post(session, account_id=account.id, **more)  # type: ignore[arg-type]
        return account.id

    def spend(self, processes: int, keys: int, *, without: str = "") -> list[Told]:
        """Let each process charge `keys` times: half of the keys twice, and as many of its neighbour's.

        Half of the processes write in a transaction, half at once.
        """
        gate = CONTEXT.Barrier(processes)
        own = [[f"spend:{process}:{number}" for number in range(keys)] for process in range(processes)]
        asked = [
            [key for pair in zip(own[n], own[n], own[n - 1], strict=True) for key in _with_retries(*pair)]
            for n in range(processes)
        ]
        each = [(self.folder, gate, without, self.ids[0], keys, n % 2 == 0) for n, keys in enumerate(asked)]
        return [ended.result for ended in run_all(spend, each)]

    def check(self, told: list[Told]) -> None:
        """What was acknowledged is there, once; nobody was turned away busy; the books have no difference."""
        session = reading()
        session.rollback()
        booked = dict(session.execute(select(Entry.key, Entry.id)).all())  # type: ignore[arg-type]
        acknowledged = [
            (key, entry_id) for one in told for key, entry_id in one.acknowledged.items() if not key.endswith(":hold")
        ]
        assert [(key, booked.get(key)) for key, _id in acknowledged] == acknowledged
        assert sum(one.busy for one in told) == 0
        if self.is_sqlite:  # a writer that begins as one is never sent back
            assert sum(one.calls for one in told) == sum(one.requests for one in told)
        assert [str(difference) for difference in verify(session).differences] == []
        figures = session.execute(select(Account.balance, Account.reserved, Account.floor)).all()
        assert [row for row in figures if row[0] - row[1] < (row[2] or 0)] == []
        session.rollback()

    def check_spent(self, told: list[Told], units: int) -> None:
        """Exactly `units` charges were booked, each under the key that was acknowledged, and nothing is left."""
        self.check(told)
        keys = {key for one in told for key in one.acknowledged}
        session = reading()
        assert set(session.scalars(select(Entry.key).where(Entry.source == "print"))) == keys
        assert len(keys) == units
        assert session.scalar(select(Account.balance).where(Account.id == self.ids[0])) == 0
        assert max(Counter(session.scalars(select(Entry.key))).values()) == 1
        asked = {key for one in told for key in (*one.acknowledged, *one.refused)}
        assert len(asked) > units
        session.rollback()


def _with_retries(first: str, again: str, neighbours: str) -> list[str]:
    """Every second key is sent twice, and by the neighbour too."""
    return [first, again, neighbours] if first.endswith(("0", "2", "4", "6", "8")) else [first]


def test_sixteen_processes_spend_one_purse_of_a_hundred(make_instance: Callable[..., Flask], database_url: str) -> None:
    app = make_instance(database_url=database_url)
    with app.app_context():
        bank = Bank(app, 100)
        bank.check_spent(bank.spend(16, 7), 100)


def test_eight_processes_want_the_last_unit_and_one_gets_it(
    make_instance: Callable[..., Flask], database_url: str
) -> None:
    app = make_instance(database_url=database_url)
    with app.app_context():
        bank = Bank(app, 1)
        bank.check_spent(bank.spend(8, 1), 1)


def test_processes_move_money_about_and_none_is_lost_or_made(
    make_instance: Callable[..., Flask], database_url: str
) -> None:
    move_about(make_instance(database_url=database_url), 4, 12)


def move_about(app: Flask, processes: int, count: int, *, units: int = 100) -> None:
    with app.app_context():
        bank = Bank(app, units, count=5)
        if not bank.is_sqlite:
            with db.engine.connect() as connection:  # who waits for whom in a circle shall be found out quickly
                name = connection.scalar(select(func.current_database()))
                connection.exec_driver_sql(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
                connection.commit()
        gate = CONTEXT.Barrier(processes)
        told = [
            ended.result
            for ended in run_all(trade, [(bank.folder, gate, "", bank.ids, seed, count) for seed in range(processes)])
        ]
        bank.check(told)
        session = reading()
        sums = dict(session.execute(select(Entry.source, func.sum(Entry.amount)).group_by(Entry.source)).all())  # type: ignore[arg-type]
        assert sums.get("transfer", 0) == 0
        assert sum(sums.values()) == session.scalar(select(func.sum(Account.balance)))
        assert sum(len(one.acknowledged) for one in told) > processes * count
        session.rollback()


def test_the_bank_misses_begin_immediate(make_instance: Callable[..., Flask]) -> None:
    """What it checks fails when writers begin as readers."""
    app = make_instance()
    with app.app_context():
        bank = Bank(app, 12)
        told = bank.spend(6, 5, without="BEGIN IMMEDIATE")
        with pytest.raises(AssertionError):
            bank.check_spent(told, 12)


@pytest.mark.long
@pytest.mark.parametrize("without", ["the guard", "the key check"])
def test_the_bank_misses(make_instance: Callable[..., Flask], database_url: str, without: str) -> None:
    app = make_instance(database_url=database_url)
    with app.app_context():
        bank = Bank(app, 12)
        told = bank.spend(8, 4, without=without)
        with pytest.raises(AssertionError):
            bank.check_spent(told, 12)


@pytest.mark.long
def test_sixteen_processes_spend_a_thousand(make_instance: Callable[..., Flask], database_url: str) -> None:
    app = make_instance(database_url=database_url)
    with app.app_context():
        bank = Bank(app, 1000)
        bank.check_spent(bank.spend(16, 80), 1000)


@pytest.mark.long
def test_eight_processes_move_money_about_for_long(make_instance: Callable[..., Flask], database_url: str) -> None:
    move_about(make_instance(database_url=database_url), 8, 100, units=5000)
