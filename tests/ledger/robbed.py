"""Books for tests of verification, somebody who robs them, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app import clock
from app.db import db, one_moment, reading, writing
from app.ledger import accounts
from app.ledger.batch import Posting, post_many
from app.ledger.booking import Booked
from app.ledger.verify import Report, verify
from app.money import MICRO
from tests.ledger.conftest import Books
from tests.ledger.thief import Thief

ALICE = (10, -1, -2, -3, -4)
"""Her entries: a credit, and charges."""


@dataclass
class Robbed:
    """Alice's entries, in order, in books where bob has an entry after each of hers; and somebody with tools."""

    books: Books
    entries: list[Booked]
    thief: Thief

    @property
    def alice(self) -> int:
        """Her account's id."""
        return self.books.account_id


@pytest.fixture
def robbed(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[Robbed]:
    """Books that add up, on each database, with a copy of every row put aside."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        users = known()
        alice, bob = (accounts.get_account(reading(), user_id=users[name]).id for name in ("alice", "bob"))
        reading().rollback()
        books, entries = Books(alice, users), []
        for units in ALICE:
            entries.append(books.post(units, source="card" if units > 0 else "print", quantity=abs(units)))
            writing(lambda session, units=units: pay_in(session, bob, f"bob:{units}"))
        thief = Thief(db.engine)
        thief.remember()
        assert found() == []
        yield Robbed(books, entries, thief)


def pay_in(session: Session, account_id: int, key: str) -> None:
    """Credit one unit by a batch."""
    postings = [Posting(account_id=account_id, amount=MICRO, source="card", key=key, title="Cash")]
    post_many(session, postings=postings, now=clock.now())


def look() -> Report:
    """Verify the books of the present instance at one moment; the past is not compared."""
    with one_moment() as session:
        return verify(session)


def found() -> list[tuple[str, int | None, int | None]]:
    """(what, account, entry) of every difference, sorted."""
    return sorted(((one.what, one.account_id, one.entry_id) for one in look().differences), key=str)


def words() -> str:
    """Every difference, a line each."""
    return "\n".join(map(str, look().differences))
