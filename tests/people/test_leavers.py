"""Leavers: who left with how much; keeping it, taking it back from many at once, and undoing that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import clock
from app.db import reading, writing
from app.ledger import accounts, statement
from app.ledger import service as ledger
from app.ledger.bulk import credit_many
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from app.people import leavers
from app.people.leavers import Choice
from app.people.models import Taking, User
from tests.web.browsing import Browser, signed_in

PAGE = "/admin/people/leavers"
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
ZONE = ZoneInfo("Europe/Berlin")


@dataclass
class School:
    """alice is gone with 5.00, bob is disabled with -1.00 (he owes), carol is here with 2.00."""

    app: Flask
    browser: Browser
    users: dict[str, int]

    def balances(self) -> list[int]:
        with self.app.app_context():
            return [
                accounts.get_account(reading(), user_id=self.users[name]).balance for name in ("alice", "bob", "carol")
            ]

    def lines(self, name: str) -> list[tuple[str, str, int]]:
        with self.app.app_context():
            account = accounts.get_account(reading(), user_id=self.users[name])
            found = statement.lines(reading(), account_id=account.id, limit=9)
            return [(line.title, line.detail, line.amount) for line in found]

    def credit(self, name: str, amount: int) -> None:
        with self.app.app_context():
            account = accounts.get_account(reading(), user_id=self.users[name])
            key = f"{name}:{amount}:{clock.now()}"
            asked = {"amount": amount, "source": "allocation", "key": key, "now": clock.now(), "title": "Credit"}
            writing(lambda session: ledger.post(session, account_id=account.id, measured=True, **asked))

    def leave(self, name: str, status: str, days_ago: int) -> None:
        with self.app.app_context():
            left = {"status": status, "status_since": clock.now() - timedelta(days=days_ago)}
            writing(lambda session: session.execute(update(User).where(User.id == self.users[name]).values(**left)))

    def decide(self, what: str, query: str = "all=1", **fields: str) -> TestResponse:
        """Go through the page that asks, and send its form."""
        page = self.browser.get(f"{PAGE}/decide?what={what}&{query}").text
        given = dict(HIDDEN.findall(page.partition("<main")[2]))
        return self.browser.client.post(f"{PAGE}/{what}", data=given | {"reason": "Left school"} | fields)


@pytest.fixture
def school(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]], database_url: str
) -> Iterator[School]:
    """An administrator is signed in; at the end the books add up."""
    app = make_instance(database_url=database_url)
    browser = signed_in(app, "admin")
    with app.app_context():
        users = known()
    made = School(app, browser, users)
    for name, amount in (("alice", 5), ("bob", -1), ("carol", 2)):
        made.credit(name, amount * MICRO)
    made.leave("alice", "gone", 100)
    made.leave("bob", "disabled", 3)
    yield made
    with app.app_context():
        assert verify(reading()).differences == []


def test_the_list_has_who_left_with_a_balance_and_a_file(school: School) -> None:
    page = school.browser.text(PAGE)
    assert "2 people, $4.00 in all; 1 person of them owes something." in page
    assert "Carol" not in page
    day = (clock.now().astimezone(ZONE) - timedelta(days=50)).date()
    for query, names in {
        "status=gone": ["alice"],
        f"since={day}": ["bob"],
        f"until={day}": ["alice"],
        "q=brown": ["bob"],
        "q=nobody": [],
        "since=nonsense": ["alice", "bob"],
    }.items():
        found = re.findall(r"/admin/people/(\d+)\"", school.browser.get(f"{PAGE}?{query}").text.partition("<main")[2])
        assert found == [str(school.users[name]) for name in names], query
    file = school.browser.get(f"{PAGE}/leavers.csv?status=gone").get_data(as_text=True).splitlines()
    assert file[0].endswith("username,name,status,since,balance,held,can be taken back,kept")
    assert file[1].startswith("alice,Alice Andersson,gone,20")
    assert file[1].endswith(",5.00,0.00,5.00,")
    assert len(file) == 2


def test_taking_back_ends_at_zero_and_is_undone_at_once(school: School) -> None:
    asked = school.browser.text(f"{PAGE}/decide?what=take&all=1")
    assert "$5.00 is taken back from 1 person" in asked
    assert "1 person owes something and is left alone" in asked
    assert school.decide("take", reason=" ").status_code == 422
    assert school.decide("take").status_code == 303
    assert school.balances() == [0, -MICRO, 2 * MICRO]
    assert school.lines("alice")[0] == ("Taken back after leaving", "Left school, by Ada Min (admin)", -5 * MICRO)
    page = school.browser.text(PAGE)
    assert "Taken back: $5.00 from 1 person." in page
    with school.app.app_context():
        [taking] = reading().scalars(select(Taking))
    for _twice in range(2):
        assert school.browser.send(f"{PAGE}/takings/{taking.id}/undo", "/").status_code == 303
        assert school.balances() == [5 * MICRO, -MICRO, 2 * MICRO]
    assert "given back by Ada Min" in school.browser.text(PAGE)
    assert school.browser.send(f"{PAGE}/takings/999/undo", "/").status_code == 404


def test_a_form_sent_twice_takes_once_and_an_old_page_takes_nothing(school: School) -> None:
    page = school.browser.get(f"{PAGE}/decide?what=take&all=1").text
    given = dict(HIDDEN.findall(page.partition("<main")[2])) | {"reason": "Left"}
    school.credit("alice", MICRO)
    old = school.browser.client.post(f"{PAGE}/take", data=given)
    assert (old.status_code, "not what the page said before" in old.text) == (409, True)
    assert school.balances()[0] == 6 * MICRO
    assert "The last times" not in school.browser.text(PAGE), "what took nothing is not listed"
    given = dict(HIDDEN.findall(old.text.partition("<main")[2])) | {"reason": "Left"}
    assert school.browser.client.post(f"{PAGE}/take", data=given).status_code == 303
    school.credit("alice", MICRO)
    assert school.browser.client.post(f"{PAGE}/take", data=given).status_code == 303
    assert school.balances()[0] == MICRO
    assert school.browser.client.post(f"{PAGE}/take", data=given | {"form_id": "x"}).status_code == 422


def test_what_is_held_stays_and_only_the_chosen_are_taken_from(school: School) -> None:
    school.leave("carol", "gone", 1)
    with school.app.app_context():
        account = accounts.get_account(reading(), user_id=school.users["alice"])
        until = clock.now() + timedelta(days=1)
        held = {"amount": MICRO, "source": "print", "key": "h", "now": clock.now(), "expires_at": until}
        writing(lambda session: ledger.hold(session, account_id=account.id, **held))
    assert school.decide("take", f"user={school.users['alice']}&user=x").status_code == 303
    assert school.balances() == [MICRO, -MICRO, 2 * MICRO]
    assert "Nobody is chosen" in school.browser.text(f"{PAGE}/decide?what=take")


def test_keeping_moves_nothing_and_says_so(school: School) -> None:
    assert school.decide("keep", "all=1&status=gone", reason="May come back").status_code == 303
    assert school.balances() == [5 * MICRO, -MICRO, 2 * MICRO]
    assert school.lines("alice")[0] == ("Left with $5.00: kept", "May come back, by Ada Min (admin)", 0)
    assert "alice · kept" in school.browser.text(PAGE)
    assert "alice" not in school.browser.text(f"{PAGE}?undecided=1")
    school.leave("alice", "gone", -1)  # came back, and left again
    assert "alice" in school.browser.text(f"{PAGE}?undecided=1")


def test_thousands_are_taken_from_in_chunks_and_undone(school: School) -> None:
    with school.app.app_context():
        writing(partial(add_crowd, count=2_500))
        taking = writing(
            lambda session: leavers.begin(session, form_id="f" * 20, reason="r", by="Ada", now=clock.now())
        )
        before = total()
        choice, after, chunks = Choice(status="gone", until=date(2100, 1, 1)), 0, 0
        step = partial(leavers.take_chunk, taking_id=taking.id, choice=choice, zone=ZONE, now=clock.now(), limit=1_000)
        began = time.monotonic()
        while (found := writing(partial(step, after=after))) is not None:
            after, chunks = found, chunks + 1
        assert time.monotonic() - began < 5
        done = reading().get_one(Taking, taking.id)
        assert (done.taken, done.total, chunks) == (2_501, 2_505 * MICRO, 3)
        assert total() == MICRO  # carol's, less what bob owes
        undo = partial(leavers.undo_chunk, taking_id=taking.id, by="Bea", now=clock.now(), limit=1_000)
        place: str | None = ""
        while place is not None:
            place = writing(partial(undo, after=place))
        assert (total(), reading().get_one(Taking, taking.id).reversed_count) == (before, done.taken)
        sources = set(reading().scalars(select(Entry.source).where(Entry.key.startswith("leaver:"))))
        assert sources == {"adjustment"}


def total() -> int:
    return sum(reading().scalars(select(Account.balance)))


def add_crowd(session: Session, count: int) -> None:
    """Let so many people be gone who have 1.00 each."""
    now = clock.now()
    fixed = {"display_name": "", "status": "gone", "status_since": now, "created_at": now, "refreshed_at": now}
    rows = [fixed | {"directory_id": f"d{number}", "username": f"user{number}"} for number in range(count)]
    session.execute(insert(User), rows)
    crowd = select(User.id, User.username).where(User.username.startswith("user"))
    accounts.open_many(session, owners=crowd, now=now)
    credit_many(
        session,
        where=(Account.user_id.in_(select(crowd.subquery().c.id)),),
        amount=MICRO,
        top_up="add",
        cap=None,
        key_prefix="crowd:",
        now=now,
        at=now,
        title="Credit",
    )
