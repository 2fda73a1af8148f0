"""Cards: made in batches, shown once, redeemed once by one person, and never known from the database."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app import clock
from app.cards import rules, service
from app.cards.models import Card, CardBatch
from app.db import reading, writing
from app.errors import InvalidInputError, KeyReusedError, NotFoundError, TooManyAttemptsError, WrongStateError
from app.ledger import accounts
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from tests.web.browsing import Browser, signed_in, words_of

PAGE = "/admin/cards"


def make(count: int = 2, *, form_id: str = "form-0123456789abcdef", **more: object) -> tuple[CardBatch, list[str]]:
    """Make a batch of cards of 2.00."""
    given = {"name": "Shop", "amount": 2 * MICRO, "expires_at": None, "by": "admin", "now": clock.now()} | more
    return writing(lambda session: service.make_batch(session, form_id=form_id, count=count, **given))


def redeem(user_id: int, code: str) -> CardBatch:
    """Redeem a card."""
    return writing(lambda session: service.redeem(session, user_id=user_id, code=code, now=clock.now()))


def balance(user_id: int) -> int:
    return accounts.get_account(reading(), user_id=user_id).balance


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str) -> Flask:
    return make_instance(database_url=database_url)


def test_a_card_pays_once_and_to_one_person(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with app.app_context():
        users = known()
        _, (first, second) = make()
        assert redeem(users["alice"], first).amount == 2 * MICRO
        redeem(users["alice"], first)  # a form that is sent twice
        assert balance(users["alice"]) == 2 * MICRO
        with pytest.raises(WrongStateError, match="used already"):
            redeem(users["bob"], first)
        redeem(users["bob"], second)
        assert [(one.redeemed, one.left(clock.now())) for one in service.list_batches(reading())] == [(2, 0)]
        keys = reading().scalars(select(Entry.key).where(Entry.source == "card")).all()
        assert sorted(keys) == ["card:1", "card:2"]
        assert verify(reading()).differences == []


def test_what_is_voided_expired_or_unknown_pays_nothing(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with app.app_context():
        alice = known()["alice"]
        batch, (used, left) = make()
        redeem(alice, used)
        writing(lambda session: service.void(session, batch_id=batch.id, by="admin", now=clock.now()))
        with pytest.raises(WrongStateError, match="no longer valid"):
            redeem(alice, left)
        with pytest.raises(InvalidInputError):
            writing(lambda session: service.void(session, batch_id=batch.id, by="admin", now=clock.now()))
        _, (late,) = make(1, form_id="form-late-0123456789", expires_at=clock.now() - timedelta(seconds=1))
        with pytest.raises(WrongStateError, match="expired"):
            redeem(alice, late)
        with pytest.raises(NotFoundError):
            redeem(alice, rules.make_code())
        assert balance(alice) == 2 * MICRO


def test_the_codes_of_a_form_that_is_sent_again_are_not_shown_again(app: Flask) -> None:
    with app.app_context():
        make()
        with pytest.raises(KeyReusedError, match="made already"):
            make()
        assert reading().scalars(select(Card.id)).all() == [1, 2]


def test_eight_at_once_redeem_one_card_once(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with app.app_context():
        users = [known()[name] for name in ("alice", "bob")]
        _, (code,) = make(1)
    said: list[str] = []

    def try_it(user_id: int) -> None:
        with app.app_context():
            try:
                redeem(user_id, code)
                said.append("paid")
            except WrongStateError:
                said.append("used")

    threads = [threading.Thread(target=try_it, args=(users[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        assert len(said) == 8
        assert sum(reading().scalars(select(Account.balance))) == 2 * MICRO


def test_wrong_codes_make_somebody_wait_an_hour(print_app: Flask, known: Callable[..., dict[str, int]]) -> None:
    with print_app.app_context():
        alice, now = known()["alice"], clock.now()
        for _ in range(rules.WRONG_MAX):
            service.check_tries(reading(), user_id=alice, now=now)
            writing(lambda session: service.note_wrong(session, user_id=alice, now=now))
        with pytest.raises(TooManyAttemptsError, match="60 minutes"):
            service.check_tries(reading(), user_id=alice, now=now)
        service.check_tries(reading(), user_id=alice, now=now + rules.WRONG_WINDOW)


def test_pages_make_show_once_redeem_and_void(print_app: Flask) -> None:
    admin, alice = signed_in(print_app, "admin"), signed_in(print_app, "alice")
    assert "Redeem a card" not in alice.get("/").text
    fields = {"name": "Autumn <b>", "amount": "2.50", "count": "3", "until": ""}
    made = admin.send(f"{PAGE}/new", f"{PAGE}/new", **(fields | {"form_id": "form-0123456789abcdef"}))
    codes = re.findall(r'codes-code">([A-Z0-9-]{19})<', made.text)
    assert (made.status_code, len(codes)) == (200, 3)
    assert made.headers["Cache-Control"] == "no-store"
    assert "Autumn &lt;b&gt;" in made.text
    assert codes[0] not in admin.get(PAGE).text
    assert "Redeem a card" in alice.get("/").text
    typed = codes[0].lower().replace("-", " ")
    answer = alice.send("/card", "/card", code=typed)
    assert answer.status_code == 303
    assert "$2.50 is in your purse now" in words_of(alice.get("/").text)
    assert "1 of 3" in words_of(admin.get(PAGE).text)
    admin.send(f"{PAGE}/1/void", PAGE)
    assert "no longer valid" in words_of(alice.send("/card", "/card", code=codes[1]).text)
    assert alice.get(PAGE).status_code == 403


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "Type the code"), ("ABCD", "16 letters"), ("0" * 16, "No code has “0”"), ("A" * 15 + "B", "typed wrong")],
)
def test_a_code_that_cannot_be_right_is_explained(typed: str, words: str, alice_at_card: Browser) -> None:
    answer = alice_at_card.send("/card", "/card", code=typed)
    assert answer.status_code == 422
    assert words in words_of(answer.text)


@pytest.fixture
def alice_at_card(print_app: Flask) -> Browser:
    return signed_in(print_app, "alice")


@given(st.text(rules.LETTERS, min_size=15, max_size=15), st.integers(0, 14), st.sampled_from(rules.LETTERS))
def test_one_wrong_sign_is_always_noticed(chance: str, place: int, sign: str) -> None:
    code = chance + rules.check_sign(chance)
    assert rules.read_code(rules.grouped(code).lower()) == code
    wrong = code[:place] + sign + code[place + 1 :]
    if wrong != code:
        with pytest.raises(ValueError, match="typed wrong"):
            rules.read_code(wrong)
