"""Transfers between people: both entries or none, at most what is there, once for each form, and off by default."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.errors import InsufficientBalanceError, InvalidInputError, KeyReusedError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Entry
from app.ledger.verify import verify
from app.money import MICRO
from app.people.models import User
from app.transfers import service
from app.transfers.service import Transferred
from tests.web.browsing import Browser, signed_in, words_of

FORM = "form-0123456789abcdef"


class Purses:
    """Purses of the cast with some money. Call it within the application's context."""

    def __init__(self, users: dict[str, int]) -> None:
        self.users = users

    def fund(self, name: str, units: int) -> None:
        """Put units into a purse."""
        writing(
            lambda session: ledger.post(
                session,
                account_id=accounts.get_account(session, user_id=self.users[name]).id,
                amount=units * MICRO,
                source="adjustment",
                key=f"test:{name}",
                now=clock.now(),
                title="Start",
            )
        )

    def give(self, giver: str, taker: str, units: float, form_id: str = FORM, **more: object) -> Transferred:
        """Give units."""
        given = {"comment": "", "most_per_day": None, "day_began": clock.now().replace(hour=0)} | more
        return writing(
            lambda session: service.transfer(
                session,
                from_user_id=self.users[giver],
                to_user_id=self.users[taker],
                amount=round(units * MICRO),
                form_id=form_id,
                now=clock.now(),
                **given,  # type: ignore[arg-type]
            )
        )

    def units(self, name: str) -> float:
        """What a purse holds."""
        return accounts.get_account(reading(), user_id=self.users[name]).balance / MICRO


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str) -> Flask:
    return make_instance(database_url=database_url)


def test_what_one_gives_the_other_has_once(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with app.app_context():
        purses = Purses(known())
        purses.fund("alice", 5)
        first = purses.give("alice", "bob", 2)
        assert purses.give("alice", "bob", 2) == first
        assert (purses.units("alice"), purses.units("bob")) == (3, 2)
        with pytest.raises(KeyReusedError):
            purses.give("alice", "bob", 1)
        amounts = reading().scalars(select(Entry.amount).where(Entry.source == "transfer")).all()
        assert sorted(amounts) == [-2 * MICRO, 2 * MICRO]
        assert verify(reading()).differences == []


def test_only_what_is_there_can_be_given(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with app.app_context():
        purses = Purses(known())
        purses.fund("alice", 1)
        account_id = accounts.get_account(reading(), user_id=purses.users["alice"]).id
        writing(lambda session: accounts.set_floor(session, account_id=account_id, floor=None))  # never stopped
        with pytest.raises(InsufficientBalanceError):
            purses.give("alice", "bob", 1.01)
        with pytest.raises(InvalidInputError, match="own purse"):
            purses.give("alice", "alice", 1)
        with pytest.raises(InvalidInputError, match="in a day"):
            purses.give("alice", "bob", 0.6, most_per_day=MICRO // 2)
        purses.give("alice", "bob", 0.5, most_per_day=MICRO // 2)
        with pytest.raises(InvalidInputError, match="in a day"):
            purses.give("alice", "bob", 0.1, "form-another-one-00", most_per_day=MICRO // 2)

        def leave(session: object) -> None:
            session.get(User, purses.users["bob"]).status = "gone"  # type: ignore[attr-defined]

        writing(leave)
        with pytest.raises(InvalidInputError, match="Nobody"):
            purses.give("alice", "bob", 0.1, "form-another-one-01")
        assert (purses.units("alice"), purses.units("bob")) == (0.5, 0.5)


def test_people_who_give_to_each_other_at_once_lose_and_make_nothing(
    app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    with app.app_context():
        users = known()
        purses = Purses(users)
        for name in ("alice", "bob"):
            purses.fund(name, 3)
    given: list[str] = []

    def many(giver: str, taker: str, seed: int) -> None:
        with app.app_context():
            for number in range(8):
                try:
                    purses.give(giver, taker, 1 + (seed + number) % 2, f"form-{giver}-{seed}-{number:08}")
                    given.append(giver)
                except InsufficientBalanceError:
                    continue

    threads = [
        threading.Thread(target=many, args=(*pair, 100 * n))
        for n, pair in enumerate([("alice", "bob"), ("bob", "alice")] * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        assert purses.units("alice") + purses.units("bob") == 6
        assert min(purses.units("alice"), purses.units("bob")) >= 0
        assert len(given) > 1
        assert verify(reading()).differences == []


@pytest.fixture
def giving(make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]) -> Flask:
    """An instance where people may give."""
    app = make_instance()
    settings = app.extensions["twinpurse.settings"]
    transfers = settings.config.transfers.model_copy(update={"allowed": True})
    settings.config = settings.config.model_copy(update={"transfers": transfers})
    with app.app_context():
        Purses(known()).fund("alice", 5)
    return app


def send(browser: Browser, path: str, **fields: str) -> tuple[int, str]:
    """Send the form; return status and words."""
    answer = browser.send(path, "/give", **({"form_id": FORM, "to": "bob", "amount": "2", "comment": ""} | fields))
    return answer.status_code, words_of(answer.text)


def test_pages_ask_show_and_do_it(giving: Flask) -> None:
    alice = signed_in(giving, "alice")
    assert "Give to somebody" in alice.get("/").text
    status, words = send(alice, "/give")
    assert (status, "You keep $3.00" in words) == (200, True)
    assert send(alice, "/give/now")[0] == 303
    assert send(alice, "/give/now")[0] == 303
    text = words_of(alice.get("/").text)
    assert "$2.00 is in the purse of" in text
    assert "$3.00" in text
    assert re.search(r"From .*\(alice\)", words_of(signed_in(giving, "bob").get("/statement").text))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": "nobody-here"}, "Nobody of this name"),
        ({"to": "alice"}, "your own purse"),
        ({"amount": "5.01"}, "You have $5.00 to give"),
        ({"amount": "0"}, "more than 0"),
        ({"amount": "1.001"}, "at most 2 figures"),
        ({"comment": "hello"}, "No words can be sent"),
    ],
)
def test_what_cannot_be_given_is_explained(giving: Flask, fields: dict[str, str], words: str) -> None:
    for path in ("/give", "/give/now"):
        status, said = send(signed_in(giving, "alice"), path, **fields)
        assert status in (409, 422)
        assert words in said


def test_it_is_off_unless_allowed(print_app: Flask) -> None:
    alice = signed_in(print_app, "alice")
    assert alice.get("/give").status_code == 404
    assert "Give to somebody" not in alice.get("/").text
