"""The administrators' pages of shared accounts and limits, and what people see of theirs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import clock
from app.accounts import shared_pages
from app.db import reading
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from tests.accounts.conftest import DEFAULT, RESTRICTED, UNRESTRICTED, Desk, overdraft
from tests.web.browsing import Browser, signed_in, words_of

FORM_ID = re.compile(r'name="form_id"[^>]*value="([^"]+)"')


class Office(Browser):
    """An administrator's browser; `desk` looks into the books, within the application's context."""

    def __init__(self, app: Flask, users: dict[str, int]) -> None:
        super().__init__(app)
        self.desk = Desk(app, users)
        assert self.sign_in("admin").status_code == 303

    def fill(self, path: str, form_at: str, **fields: str) -> TestResponse:
        """Send a form, with the hidden id that it has there where it has one."""
        ids = FORM_ID.findall(self.get(form_at).text)
        return self.send(path, form_at, **({"form_id": ids[0]} if ids else {} | fields) | fields)


@pytest.fixture
def office(print_app: Flask, known: Callable[..., dict[str, int]]) -> Iterator[Office]:
    """An administrator is signed in; at the end the books add up."""
    with print_app.app_context():
        users = known()
    yield Office(print_app, users)
    with print_app.app_context():
        assert verify(reading()).differences == []


def test_from_an_empty_list_to_an_account_with_money(office: Office) -> None:
    assert "No shared accounts yet" in office.text("/admin/accounts")
    made = office.send(
        "/admin/accounts/new", "/admin/accounts/new", name=" School  Library ", limit="overdraft", overdraft="5"
    )
    assert made.status_code == 303
    page = made.headers["Location"]
    assert "“School Library” was made." in office.text(page)
    assert office.fill(f"{page}/adjust", page, way="add", amount="2.50", reason="Budget").status_code == 303
    words = office.text(page)
    assert "May spend now $7.50" in words
    assert "Limit Overdraft, down to −$5.00 a limit of its own" in words
    assert "Budget by Ada Min (admin) +$2.50 $2.50" in words
    assert "Account made: overdraft, down to −$5.00 by Ada Min (admin) $0.00 $0.00" in words
    assert "School Library Fine overdraft, down to −$5.00 $2.50" in office.text("/admin/accounts")


def test_a_form_that_is_sent_twice_books_once(office: Office) -> None:
    with office.app.app_context():
        page = f"/admin/accounts/{office.desk.make()}"
    form = {"form_id": "f" * 20, "way": "add", "amount": "1", "reason": "Gift"}
    assert [office.send(f"{page}/adjust", page, **form).status_code for _ in range(2)] == [303, 303]
    assert "Nothing more was booked" in office.text(page)
    assert office.send(f"{page}/adjust", page, **form | {"reason": "Other"}).status_code == 409
    assert "2 lines in all" in office.text(page)


def test_what_is_wrong_with_a_new_account_is_said_at_its_field(office: Office) -> None:
    given = {"name": "Library", "limit": "overdraft", "overdraft": "5"}
    assert office.send("/admin/accounts/new", "/admin/accounts/new", **given).status_code == 303
    for field, value, sentence in (
        ("name", " ", "Give the account a name"),
        ("name", "x" * 81, "Use at most 80 characters for the name"),
        ("name", "library", "There is a shared account “Library” already"),
        ("limit", "none", "Not a valid choice"),
        ("overdraft", "", "Write the amount in figures, such as 2.00"),
        ("overdraft", "-5", "The amount must be more than 0"),
        ("overdraft", "0", "The amount must be more than 0"),
    ):
        sent = {"name": "Art"} | {name: text for name, text in given.items() if name != "name"} | {field: value}
        response = office.send("/admin/accounts/new", "/admin/accounts/new", **sent)
        assert response.status_code == 422, field
        assert words_of(response.text).count(sentence) == 2
    assert office.text("/admin/accounts").count("overdraft, down to") == 1


def test_taking_stops_at_the_limit_and_says_how_much_there_is(office: Office) -> None:
    with office.app.app_context():
        page = f"/admin/accounts/{office.desk.make(limit=overdraft(5))}"
    response = office.fill(f"{page}/adjust", page, way="take", amount="6", reason="Posters")
    assert response.status_code == 422
    assert "The purse has $5.00 to spend; take at most that" in words_of(response.text)
    assert office.fill(f"{page}/adjust", page, way="take", amount="5", reason="Posters").status_code == 303
    assert "Empty" in office.text(page)


def test_rename_close_and_open_again(office: Office) -> None:
    with office.app.app_context():
        number = office.desk.make()
        office.desk.make("Art")
        office.desk.post(number, 3)
    page = f"/admin/accounts/{number}"
    taken = office.send(f"{page}/name", page, name="ART")
    assert taken.status_code == 422
    assert "There is a shared account “Art” already" in words_of(taken.text)
    assert office.send(f"{page}/name", page, name="Reading room").status_code == 303
    assert "its balance of $3.00 stay" in office.text(page)
    assert office.send(f"{page}/close", page).status_code == 303
    words = office.text(page)
    assert "Reading room Shared account · Closed" in words
    assert "Nothing, it is closed" in words
    assert "Adjust the balance" not in words
    late = office.send(f"{page}/adjust", page, way="add", amount="1", reason="Late", form_id="l" * 20)
    assert late.status_code == 303
    assert "This account is closed. Reopen it first. Nothing was changed." in office.text(page)
    assert office.send(f"{page}/reopen", page).status_code == 303
    assert "Adjust the balance" in office.text(page)


def test_an_account_with_a_hold_is_not_closed(office: Office) -> None:
    with office.app.app_context():
        number = office.desk.make(limit=UNRESTRICTED)
        office.desk.hold(number, 1)
    page = f"/admin/accounts/{number}"
    assert "Not while something is held on it." in office.text(page)
    assert office.send(f"{page}/close", page).status_code == 303
    assert "Nothing was changed." in office.text(page)


def test_a_line_is_reversed_and_one_that_moved_nothing_is_not(office: Office) -> None:
    with office.app.app_context():
        number = office.desk.make()
        entry = office.desk.post(number, 3).id
        made = reading().query(Entry).filter_by(account_id=number, sequence=1).one().id
    page = f"/admin/accounts/{number}"
    assert "Reverse it: book −$3.00" in office.text(f"{page}?open={entry}")
    assert office.send(f"{page}/entries/{entry}/reverse", page, reason="Wrong account").status_code == 303
    assert "Wrong account, by Ada Min (admin) −$3.00 $0.00" in office.text(page)
    assert "there is nothing to reverse" in office.text(f"{page}?open={made}")
    assert office.send(f"{page}/entries/{made}/reverse", page, reason="Try").status_code == 303
    assert "moved nothing" in office.text(f"{page}?open={made}")


def test_the_limit_for_everybody_counts_at_once_for_those_who_follow_it(office: Office) -> None:
    alice = f"/admin/people/{office.desk.users['alice']}"
    bob = f"/admin/people/{office.desk.users['bob']}"
    assert office.fill(f"{bob}/limit", bob, limit="restricted").status_code == 303
    at = "/admin/accounts/limit"
    assert "restricted, stops at $0.00 . 1 account has a limit of its own and keeps it." in office.text(at)
    assert office.send(at, at, limit="overdraft", overdraft="5.00").status_code == 303
    words = office.text(at)
    assert "Limit for everybody saved: overdraft, down to −$5.00. It counts for 3 accounts." in words
    assert "Counts now: overdraft, down to −$5.00 , as for everybody." in office.text(alice)
    assert "Counts now: restricted, stops at $0.00 , a limit of its own." in office.text(bob)
    wrong = office.send(at, at, limit="overdraft", overdraft="five")
    assert wrong.status_code == 422
    assert "Write the amount in figures" in words_of(wrong.text)
    assert office.send(at, at, limit="default").status_code == 422


def test_a_persons_limit_can_follow_the_default_again(office: Office) -> None:
    alice = f"/admin/people/{office.desk.users['alice']}"
    for fields, words in (
        ({"limit": "unrestricted"}, "Limit saved: unrestricted."),
        ({"limit": "overdraft", "overdraft": "0.075"}, "Limit saved: overdraft, down to −$0.075."),
        ({"limit": "default", "overdraft": "rubbish"}, "Limit saved: restricted, stops at $0.00."),
        ({"limit": "default"}, "Nothing was changed: restricted, stops at $0.00."),
    ):
        assert office.fill(f"{alice}/limit", alice, **fields).status_code == 303
        assert words in office.text(alice)
    assert office.fill(f"{alice}/limit", alice, limit="overdraft", overdraft="").status_code == 422
    words = signed_in(office.app, "alice").text("/statement")
    assert "Limit: unrestricted by Ada Min (admin)" in words


def test_people_see_how_far_their_own_purse_goes(office: Office) -> None:
    alice = signed_in(office.app, "alice")
    assert "go down to" not in alice.text("/")
    with office.app.app_context():
        account = office.desk.of("alice")
        office.desk.limit(account, overdraft(5))
        office.desk.post(account, -3)
    words = alice.text("/")
    assert "You may go down to −$5.00 ." in words
    assert "Enough for about 40 pages" in words
    assert "are refused" not in words
    with office.app.app_context():
        office.desk.post(account, -1)
    assert "When it is down to −$5.00, print jobs are refused." in alice.text("/")
    with office.app.app_context():
        office.desk.post(account, -1)
    assert "Your print purse is at its limit of −$5.00. Print jobs are refused" in alice.text("/")
    with office.app.app_context():
        office.desk.limit(account, UNRESTRICTED)
    words = alice.text("/")
    assert "No limit" in words
    assert "are refused" not in words


def test_the_balance_on_a_past_day_stands_on_every_statement(office: Office) -> None:
    now = clock.now()
    with office.app.app_context():
        shared, alice = office.desk.make(limit=UNRESTRICTED), office.desk.of("alice")
        office.desk.post(alice, 2, now=now - timedelta(days=9))
        office.desk.post(alice, 5, now=now - timedelta(days=2))
        office.desk.post(shared, -4)
    day = (now - timedelta(days=5)).date().isoformat()
    own = signed_in(office.app, "alice")
    for browser, page, then, today in (
        (own, "/statement", "$2.00", "$7.00"),
        (office, f"/admin/people/{office.desk.users['alice']}", "$2.00", "$7.00"),
        (office, f"/admin/accounts/{shared}", "$0.00", "−$4.00"),
    ):
        assert f"{then} at the end of" in browser.text(f"{page}?on={day}")
        local = now.astimezone(office.app.extensions["twinpurse.settings"].zone).date().isoformat()
        assert f"{today} so far today" in browser.text(f"{page}?on={local}")
        assert "Write the day as 2026-11-30" in browser.text(f"{page}?on=soon")
        assert "Choose today or a day before it" in browser.text(f"{page}?on=2999-01-01")
    kept = own.get(f"/statement?kind=credits&on={day}").text
    assert '<input type="hidden" name="kind" value="credits">' in kept


def test_the_file_has_every_line_of_that_account_only(office: Office) -> None:
    with office.app.app_context():
        number, other = office.desk.make(), office.desk.make("Art")
        office.desk.post(number, 3, title="=evil()")
        office.desk.post(other, 9)
    response = office.get(f"/admin/accounts/{number}/statement.csv")
    assert f"statement-print-account-{number}-" in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"))))
    assert [(row["what"], row["amount"], row["balance"]) for row in rows] == [
        ("'=evil()", "3.00", "3.00"),
        ("Account made: restricted, stops at $0.00", "0.00", "0.00"),
    ]
    assert office.get(f"/admin/people/{office.desk.users['bob']}/statement.csv").text.count("\n") == 1


def test_the_list_searches_and_goes_on_where_it_stopped(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_pages, "PAGE", 2)
    with office.app.app_context():
        for name in ("Art", "Class <b>1</b>", "Class 2"):
            office.desk.make(name, DEFAULT)
    first = office.get("/admin/accounts").text
    older = re.search(r'href="([^"]+)" rel="next"', first)
    assert older
    assert "Class <b>1</b>" in office.text(older.group(1).replace("&amp;", "&"))
    found = office.get("/admin/accounts?q=CLASS").text
    assert "2 accounts match" in words_of(found)
    assert "Class &lt;b&gt;1" in found
    assert "No account matches" in office.text("/admin/accounts?q=b%00ob")


def test_a_plain_user_reaches_none_of_it(office: Office) -> None:
    with office.app.app_context():
        number = office.desk.make(limit=RESTRICTED)
        office.desk.post(number, 3)
        entry = reading().query(Entry).filter_by(account_id=number, sequence=2).one().id
    page, person = f"/admin/accounts/{number}", f"/admin/people/{office.desk.users['alice']}"
    alice = signed_in(office.app, "alice")
    token = alice.token("/")
    for path in ("/admin/accounts", "/admin/accounts/new", "/admin/accounts/limit", page, f"{page}/statement.csv"):
        assert alice.get(path).status_code == 403, path
        assert Browser(office.app).get(path).status_code == 302, path
    assert alice.get(f"{person}/statement.csv").status_code == 403
    form = {"csrf_token": token, "form_id": "z" * 20, "name": "Mine", "limit": "unrestricted", "way": "add"}
    form |= {"amount": "9", "reason": "Me", "overdraft": "9"}
    for path in (
        *("/admin/accounts/new", "/admin/accounts/limit", f"{page}/entries/{entry}/reverse"),
        *(f"{page}/{verb}" for verb in ("adjust", "limit", "name", "close", "reopen")),
        *(f"{person}/{verb}" for verb in ("adjust", "limit")),
    ):
        assert alice.client.post(path, data=form).status_code == 403, path
        assert office.client.post(path, data=form | {"csrf_token": ""}).status_code == 400, path
    with office.app.app_context():
        account = reading().get_one(Account, number)
        assert (account.name, account.balance, account.floor, account.closed_at) == ("Library", 3 * MICRO, 0, None)
        assert office.desk.floor(office.desk.of("alice")) == 0


def test_accounts_that_are_not_there(office: Office) -> None:
    with office.app.app_context():
        alice = office.desk.of("alice")
    for number in (alice, 0, 999_999, "9223372036854775808", "library"):
        assert office.get(f"/admin/accounts/{number}").status_code == 404
    for verb in ("close", "reopen", "name", "adjust", "limit"):
        fields = {"way": "add", "amount": "1", "reason": "x", "form_id": "n" * 20, "limit": "default", "name": "x"}
        assert office.send(f"/admin/accounts/{alice}/{verb}", "/admin/accounts/new", **fields).status_code == 404
