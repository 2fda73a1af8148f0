"""Who is found by the entries since the last look, on both databases: also what is committed late, and after a stop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import insert, update

from app import clock
from app.db import db, reading
from app.ledger import accounts
from app.ledger.models import ENTRIES, Account
from app.notices import tasks, watch
from app.notices.models import NoticePlace
from tests.notices.conftest import Purse, with_mail
from tests.people.conftest import Hand
from tests.servers.mail import MailServer
from tests.servers.postgres import Postgres


@pytest.fixture
def purse_on(
    make_instance: Callable[..., Flask], post_office: MailServer, hand: Hand, known: Callable[..., dict[str, int]]
) -> Callable[[str], Purse]:
    """A function that makes Alice's purse with $5.00 on a database; she wants e-mails."""

    def make(database_url: str) -> Purse:
        app = with_mail(make_instance(database_url=database_url), post_office)
        with app.app_context():
            alice = known(clock.now())["alice"]
        purse = Purse(app, alice, hand)
        purse.choose()
        purse.move("5.00")
        purse.round()
        return purse

    return make


def place(purse: Purse) -> int:
    """Up to which entry the books were looked through."""
    with purse.app.app_context():
        return reading().get_one(NoticePlace, watch.ONLY).entry_id


@pytest.mark.long
def test_it_is_told_once_however_often_the_same_entries_are_looked_through(
    purse_on: Callable[[str], Purse], post_office: MailServer, database_url: str
) -> None:
    purse = purse_on(database_url)
    purse.move("-4.50")
    for _ in range(8):
        purse.round()
    assert len(post_office.messages) == 1
    purse.move("4.50")
    purse.round()
    purse.move("-4.60")
    for _ in range(8):
        purse.round()
    assert len(post_office.messages) == 2
    assert place(purse) == 4
    with purse.app.app_context():
        assert not watch.is_due(reading(), now=clock.now())


@pytest.mark.long
def test_an_entry_that_is_committed_after_later_ones_is_found(
    purse_on: Callable[[str], Purse],
    post_office: MailServer,
    postgres: Postgres,
    postgres_books: str,
    known: Callable[..., dict[str, int]],
) -> None:
    """Only PostgreSQL numbers entries before it shows them."""
    purse = purse_on(postgres.fresh_database(postgres_books))
    with purse.app.app_context():
        bob = Purse(purse.app, known()["bob"], purse.hand)
        account = accounts.get_account(reading(), user_id=purse.user_id)
        with db.engine.connect() as late:
            moved = (
                update(Account).where(Account.id == account.id).values(balance=500_000, sequence=Account.sequence + 1)
            )
            late.execute(moved)
            late.execute(
                insert(ENTRIES).values(
                    account_id=account.id,
                    sequence=account.sequence + 1,
                    amount=-4_500_000,
                    balance_after=500_000,
                    source="print",
                    kind="guarded",
                    overrun=0,
                    key="late",
                    event_at=clock.now(),
                    created_at=clock.now(),
                )
            )
            bob.move("1.00")
            purse.round()
            assert post_office.messages == []
            late.commit()
    purse.round()
    assert [str(message["Subject"]) for message in post_office.messages] == ["Your print purse is low: $0.50 left"]


def all_run_low(purse: Purse, known: Callable[..., dict[str, int]]) -> None:
    """Have everybody want e-mail, be seen with enough, and then use it up."""
    with purse.app.app_context():
        people = [Purse(purse.app, user_id, purse.hand) for user_id in known().values()]
    for each in people:
        each.choose()
        each.number = 10
        each.move("5.00")
    purse.round()
    for each in people:
        each.move("-12.00")


@pytest.mark.long
def test_a_look_that_is_stopped_in_the_middle_goes_on_and_tells_nobody_twice(
    purse_on: Callable[[str], Purse],
    post_office: MailServer,
    database_url: str,
    known: Callable[..., dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    purse = purse_on(database_url)
    all_run_low(purse, known)
    whole, told = tasks.tell, []

    def dies(found: watch.Found) -> bool:
        if len(told) == 2:
            raise KeyboardInterrupt
        told.append(found)
        return whole(found)

    monkeypatch.setattr(tasks, "tell", dies)
    with pytest.raises(KeyboardInterrupt):
        purse.round()
    monkeypatch.setattr(tasks, "tell", whole)
    purse.round()
    purse.round()
    assert sorted(post_office.recipients) == sorted(
        f"{name}@example.org" for name in ("admin", "alice", "bob", "carol")
    )


@pytest.mark.long
def test_many_at_once_take_turns_with_other_work(
    purse_on: Callable[[str], Purse],
    post_office: MailServer,
    known: Callable[..., dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    purse = purse_on("")
    all_run_low(purse, known)
    monkeypatch.setattr(tasks, "AT_MOST_S", 0.0)  # so that each look tells one
    counts = []
    for _ in range(5):
        purse.round()
        counts.append(len(post_office.messages))
    assert counts == [1, 2, 3, 4, 4]


@pytest.mark.long
def test_what_is_used_up_within_a_minute_of_its_coming_is_told(
    purse_on: Callable[[str], Purse], post_office: MailServer, database_url: str
) -> None:
    purse = purse_on(database_url)
    purse.move("-5.00")
    purse.round()
    purse.round(seconds=120)
    purse.move("3.00")
    purse.round(seconds=12)
    purse.move("-3.00")
    purse.round(seconds=12)
    purse.round(seconds=12)
    assert [str(message["Subject"]) for message in post_office.messages] == ["Your print purse is empty"] * 2
