"""What tests of notices share: a mail server, an instance that sends to it, and a purse that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.db import db, reading, writing
from app.jobs import ticker, worker
from app.ledger import accounts
from app.ledger import service as ledger
from app.mail import tasks as mail_tasks
from app.money import parse_amount
from app.notices import choices
from app.notices import tasks as notice_tasks
from app.settings import Settings
from app.settings_tables import MailSection
from tests.people.conftest import Hand
from tests.servers.mail import MailServer

PASSWORD = "mail-password"


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    """The clock in the test's hand."""
    hand = Hand()
    monkeypatch.setattr(clock, "now", hand)
    return hand


@pytest.fixture
def post_office() -> Iterator[MailServer]:
    """A mail server that takes everything."""
    with MailServer() as server:
        yield server


def with_mail(app: Flask, server: MailServer, *, password: str = "", **more: Any) -> Flask:
    """Have an instance send to `server`, as its [mail] table would."""
    settings: Settings = app.extensions["twinpurse.settings"]
    given = {"server": "localhost", "port": server.port, "security": "none", "sender": "purse@example.org"} | more
    settings.config = settings.config.model_copy(update={"mail": MailSection(**given)})
    settings.mail_password = password
    return app


class Purse:
    """One person's purse, moved by hand, and the clock: a round is what ticker and worker do every few seconds."""

    def __init__(self, app: Flask, user_id: int, hand: Hand) -> None:
        self.app, self.user_id, self.hand = app, user_id, hand
        self.number = 0

    def move(self, amount: str) -> None:
        """Book an amount such as "-0.20"."""
        self.number += 1
        with self.app.app_context():
            account = accounts.get_account(reading(), user_id=self.user_id)
            writing(
                lambda session: ledger.post(
                    session,
                    account_id=account.id,
                    amount=parse_amount(amount),
                    source="adjustment",
                    key=f"test:{self.user_id}:{self.number}",
                    now=clock.now(),
                    title="Moved",
                    measured=True,
                )
            )

    def round(self, *, seconds: float = 15) -> None:
        """Let time pass, and do what is due: a look, then what it put into the outbox."""
        self.hand.on(seconds=seconds)
        with self.app.app_context():
            notice_tasks.look()
            mail_tasks.send_waiting()
            db.session.remove()

    def tick_and_work(self, *, seconds: float = 15) -> None:
        """Let time pass, and have ticker and worker do what is due."""
        self.hand.on(seconds=seconds)
        for _ in range(2):
            ticker.tick(self.app, holder="test")
            worker.work(self.app, burst=True)

    def choose(self, threshold: str | None = None, *, by_email: bool | None = True, language: str = "") -> None:
        """Choose as the page does."""
        settings: Settings = self.app.extensions["twinpurse.settings"]
        with self.app.app_context():
            writing(
                lambda session: choices.choose(
                    session,
                    user_id=self.user_id,
                    threshold=None if threshold is None else parse_amount(threshold),
                    by_email=by_email,
                    language=language,
                    settings=settings,
                    now=clock.now(),
                )
            )


@pytest.fixture
def purse(print_app: Flask, post_office: MailServer, hand: Hand, known: Callable[..., dict[str, int]]) -> Purse:
    """Alice's, with $5.00 in it; she wants e-mails. The books were looked through up to here."""
    with_mail(print_app, post_office)
    with print_app.app_context():
        alice = known(clock.now())["alice"]
    purse = Purse(print_app, alice, hand)
    purse.choose()
    purse.move("5.00")
    purse.round()
    assert post_office.messages == []
    return purse
