"""The administrators' pages of people: find them, adjust a purse once, undo a line once, and say who did it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import clock
from app.db import reading, writing
from app.ledger import accounts, statement
from app.ledger import service as ledger
from app.ledger.models import Entry
from app.ledger.verify import verify
from app.money import MICRO
from app.people import admin_pages
from app.people import service as people
from tests.conftest import person
from tests.web.browsing import Browser, signed_in, words_of

FORM_ID = re.compile(r'name="form_id"[^>]*value="([^"]+)"')


@dataclass
class Office:
    """An administrator at the page of alice, who has five dollars."""

    browser: Browser
    users: dict[str, int]

    @property
    def page(self) -> str:
        """The address of alice's page."""
        return f"/admin/people/{self.users['alice']}"

    def form_id(self) -> str:
        """The hidden id of a form that was just opened."""
        found = FORM_ID.search(self.browser.get(self.page).text)
        assert found
        return found.group(1)

    def adjust(self, **fields: str) -> TestResponse:
        """Fill in the form and send it."""
        given = {"way": "add", "amount": "0.50", "reason": "Blank page", "form_id": self.form_id()} | fields
        return self.browser.send(f"{self.page}/adjust", self.page, **given)

    def reverse(self, entry_id: int, reason: str = "Printed twice") -> TestResponse:
        """Send the form under an open line."""
        return self.browser.send(f"{self.page}/entries/{entry_id}/reverse", self.page, reason=reason)

    def entries(self, name: str = "alice") -> list[Entry]:
        """What stands in the books, oldest first."""
        with self.browser.app.app_context():
            account = accounts.get_account(reading(), user_id=self.users[name])
            found = select(Entry).where(Entry.account_id == account.id).order_by(Entry.sequence)
            return list(reading().scalars(found))


@pytest.fixture
def office(print_app: Flask, known: Callable[..., dict[str, int]]) -> Iterator[Office]:
    """An administrator is signed in; at the end the books add up."""
    browser = signed_in(print_app, "admin")
    with print_app.app_context():
        users = known()
        account = accounts.get_account(reading(), user_id=users["alice"])
        writing(
            lambda session: ledger.post(
                session,
                account_id=account.id,
                amount=5 * MICRO,
                source="allocation",
                key="first",
                now=clock.now(),
                title="First money",
            )
        )
    yield Office(browser, users)  # outside the context: a request in the test's own would share its visitor
    with print_app.app_context():
        assert verify(reading()).differences == []


def test_the_list_finds_by_name_and_group_and_shows_balances(office: Office) -> None:
    everybody = office.browser.text("/admin/people")
    assert "4 people have a purse here." in everybody
    assert "Alice Andersson alice Fine Students $5.00" in everybody
    assert "Bob Brown bob Empty Students $0.00" in everybody
    found = {
        query: re.findall(r"/admin/people/(\d+)\"", office.browser.get("/admin/people", query_string={"q": query}).text)
        for query in ("ALI", "brown", "students", "%", "_", "nobody", "b\x00ob")
    }
    alice, bob = str(office.users["alice"]), str(office.users["bob"])
    assert found == {
        "ALI": [alice],
        "brown": [bob],
        "students": [alice, bob],
        "%": [],
        "_": [],
        "nobody": [],
        "b\x00ob": [bob],
    }


def test_the_list_goes_on_where_it_stopped(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_pages, "PAGE", 3)
    seen, address = [], "/admin/people"
    while address:
        page = office.browser.get(address).text
        seen += re.findall(r'<span class="small">(\w+)</span>', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        address = older.group(1).replace("&amp;", "&") if older else ""
    assert seen == ["admin", "alice", "bob", "carol"]


def test_a_name_with_markup_is_text(office: Office) -> None:
    evil = person("eve", "<script>alert(1)</script>", ("<b>Students</b>",))
    with office.browser.app.app_context():
        writing(lambda session: people.remember(session, person=evil, admin_groups=[], now=clock.now()))
    page = office.browser.get("/admin/people").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>Students" not in page


def test_adding_and_taking_stand_on_the_statement_with_who_did_it(office: Office) -> None:
    assert office.adjust().status_code == 303
    assert office.adjust(way="take", amount="1.25", reason="Lost book").status_code == 303
    added, taken = office.entries()[1:]
    assert [(entry.amount, entry.source, entry.kind) for entry in (added, taken)] == [
        (500_000, "adjustment", "guarded"),
        (-1_250_000, "adjustment", "guarded"),
    ]
    words = signed_in(office.browser.app, "alice").text("/statement")
    assert "Blank page by Ada Min (admin)" in words
    assert "Lost book by Ada Min (admin)" in words


def test_a_double_click_books_once(office: Office) -> None:
    form_id = office.form_id()
    first, second = office.adjust(form_id=form_id), office.adjust(form_id=form_id)
    assert (first.status_code, second.status_code) == (303, 303)
    assert len(office.entries()) == 2
    assert "Nothing more was booked; this form had already booked +$0.50." in office.browser.text(office.page)


def test_a_form_that_was_used_is_not_used_for_something_else(office: Office) -> None:
    form_id = office.form_id()
    office.adjust(form_id=form_id)
    for change in ({"amount": "0.60"}, {"way": "take"}, {"reason": "Another"}):
        response = office.adjust(form_id=form_id, **change)
        assert response.status_code == 409
        assert "This form was already booked as something else" in words_of(response.text)
        assert f'value="{form_id}"' not in response.text
    assert len(office.entries()) == 2


def test_taking_more_than_there_is_is_refused_in_words(office: Office) -> None:
    response = office.adjust(way="take", amount="5.01")
    assert response.status_code == 422
    assert words_of(response.text).count("The purse has $5.00 to spend; take at most that") == 2
    assert 'value="5.01"' in response.text
    assert len(office.entries()) == 1


def test_what_is_wrong_is_said_above_and_at_the_field(office: Office) -> None:
    for field, value, sentence in (
        ("amount", "", "Write the amount in figures, such as 2.00"),
        ("amount", "0", "The amount must be more than 0"),
        ("amount", "-1", "The amount must be more than 0"),
        ("amount", "1e9", "Write the amount in figures, such as 2.00"),
        ("amount", "0.0000001", "Use at most six figures after the point"),
        ("amount", "9" * 30, "The amount is too large"),
        ("reason", "   ", "Give a reason"),
        ("reason", "x" * 201, "Use at most 200 characters for the reason"),
        ("form_id", "", "The form was not complete."),
        ("way", "steal", "Not a valid choice"),
    ):
        response = office.adjust(**{field: value})
        assert response.status_code == 422, field
        assert sentence in words_of(response.text)
    assert len(office.entries()) == 1


def test_without_the_token_nothing_is_changed(office: Office) -> None:
    fields = {"way": "add", "amount": "1", "reason": "Free money", "form_id": "x" * 20}
    for path in (f"{office.page}/adjust", f"{office.page}/entries/{office.entries()[0].id}/reverse"):
        assert office.browser.client.post(path, data=fields).status_code == 400
        other_site = {"Sec-Fetch-Site": "same-site"}
        with_token = fields | {"csrf_token": office.browser.token(office.page)}
        assert office.browser.client.post(path, data=with_token, headers=other_site).status_code == 403
    assert len(office.entries()) == 1


def test_only_administrators_get_in(office: Office) -> None:
    entry = office.entries()[0].id
    pages = ["/admin/people", office.page, "/admin/health"]
    forms = [f"{office.page}/adjust", f"{office.page}/entries/{entry}/reverse"]
    alice = signed_in(office.browser.app, "alice")
    for path in pages:
        assert alice.get(path).status_code == 403
        assert Browser(office.browser.app).get(path).status_code == 302
    for path in forms:
        fields = {"amount": "9", "reason": "Me", "form_id": "y" * 20, "way": "add"}
        assert alice.send(path, "/", **fields).status_code == 403
    assert len(office.entries()) == 1
    assert "/admin/" not in alice.get("/").text


def test_a_line_is_reversed_once_and_points_at_what_it_undoes(office: Office) -> None:
    first = office.entries()[0]
    assert "Reverse it: book −$5.00" in office.browser.text(f"{office.page}?open={first.id}")
    assert office.reverse(first.id).status_code == 303
    assert office.reverse(first.id).status_code == 303
    undo = office.entries()[1]
    assert (len(office.entries()), undo.amount, undo.reverses_id) == (2, -5 * MICRO, first.id)
    with office.browser.app.app_context():
        line = statement.line(reading(), account_id=first.account_id, entry_id=undo.id)
    assert line is not None
    assert (line.title, line.detail) == ("Reversed: First money", "Printed twice, by Ada Min (admin)")
    assert "Reverse it" not in office.browser.text(f"{office.page}?open={first.id}")


def test_a_reversal_is_not_reversed(office: Office) -> None:
    office.reverse(office.entries()[0].id)
    undo = office.entries()[1].id
    assert office.reverse(undo).status_code == 303
    assert "A reversal is not reversed. Nothing was changed." in office.browser.text(f"{office.page}?open={undo}")
    assert len(office.entries()) == 2


def test_a_reversal_needs_a_reason(office: Office) -> None:
    first = office.entries()[0]
    response = office.reverse(first.id, reason="")
    assert response.status_code == 422
    assert "Give a reason" in words_of(response.text)
    assert len(office.entries()) == 1


def test_a_line_of_another_purse_is_not_reversed_from_this_page(office: Office) -> None:
    first = office.entries()[0].id
    bob = f"/admin/people/{office.users['bob']}"
    response = office.browser.send(f"{bob}/entries/{first}/reverse", bob, reason="Wrong page")
    assert response.status_code == 404
    assert office.browser.get(f"{bob}?open={first}").status_code == 404
    assert len(office.entries()) == 1


def test_people_who_are_not_there(office: Office) -> None:
    for number in ("999999", "0", "-1", "9223372036854775808", "alice"):
        assert office.browser.get(f"/admin/people/{number}").status_code == 404
