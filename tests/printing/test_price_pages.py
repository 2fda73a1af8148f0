"""Pages of printers, prices and limits, and the calculator: seen, changed, previewed, brought back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app import clock
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.money import MICRO
from app.printing import asking, charging, printers, rule_versions
from app.printing.asking import JobSeen
from app.settings import settings_of_app
from tests.web.browsing import Browser, signed_in, words_of

PRICES, LIMITS, PRINTERS = "/admin/print-prices", "/admin/print-limits", "/admin/printers"
LIST = f"{PRICES}/list?for=all"


@pytest.fixture
def users(print_app: Flask, known: Callable[..., dict[str, int]]) -> dict[str, int]:
    with print_app.app_context():
        return known()


@pytest.fixture
def admin(print_app: Flask, users: dict[str, int]) -> Browser:
    return signed_in(print_app, "admin")


def in_list(*lines: tuple[str, str, str, str], after: int = 0, **more: str) -> dict[str, str]:
    """The fields of a price list's form."""
    fields = {"per": "page", "base": "", "after": str(after)} | more
    for number, line in enumerate(lines):
        fields |= {
            f"{name}-{number}": text for name, text in zip(("paper", "colour", "duplex", "price"), line, strict=True)
        }
    return fields


TWO = (("", "", "", "0.05"), ("A4", "yes", "", "$0.25"))


def known_printer(app: Flask, name: str = "Library 1", **terms: str) -> int:
    with app.app_context():

        def make(session: object) -> int:
            printer = printers.get_printer(session, server="cups1", name=name, now=clock.now())  # type: ignore[arg-type]
            return printers.change(session, printer=printer, terms=printers.Terms(**terms)).id  # type: ignore[arg-type]

        return writing(make)


def test_prices_are_previewed_saved_and_brought_back(admin: Browser) -> None:
    assert "One price for every page, from the configuration" in admin.text(PRICES)
    preview = admin.send(LIST, LIST, **in_list(*TWO), preview="1")
    assert preview.status_code == 200
    words = words_of(preview.text)
    assert "A colour A4 page: $0.25; any page: $0.05" in words
    assert (
        "12 A4 pages, 3 in colour, two-sided 9 grey A4 pages at $0.05; 3 colour A4 pages at $0.25 $0.60 $1.20" in words
    )
    with admin.app.app_context():
        assert rule_versions.version_of(reading(), kind="prices") == 0
    assert admin.send(LIST, LIST, **in_list(*TWO)).status_code == 303
    assert "A4 colour any $0.25" in admin.text(PRICES)
    assert admin.send(LIST, LIST, **in_list(("", "", "", "0.07"), after=1)).status_code == 303
    assert "$0.25" not in admin.text(LIST)
    old = f"{PRICES}/versions/1"
    assert "Bring version 1 back" in admin.text(old)
    assert admin.send(old, old, after="2").status_code == 303
    page = admin.text(PRICES)
    assert "A4 colour any $0.25" in page
    assert "Version 3, counts now" in page
    assert "Version 1 brought back" in page


@pytest.mark.long
def test_who_was_second_is_told_and_keeps_what_was_typed(admin: Browser) -> None:
    admin.send(LIST, LIST, **in_list(*TWO))
    late = admin.send(LIST, LIST, **in_list(("", "", "", "0.09")))
    assert late.status_code == 409
    assert "Somebody else has changed this meanwhile" in words_of(late.text)
    assert 'value="0.09"' in late.text
    assert admin.send(LIST, LIST, **in_list(("", "", "", "0.09"), after=1)).status_code == 303


WRONG = (
    (in_list(("A4", "", "", "1")), "Give a price for any other page"),
    (in_list(("", "", "", "1"), ("", "", "", "2")), "Two lines are about the same pages"),
    (in_list(("", "", "", "1,5")), "with a point and not a comma"),
    (in_list(("", "", "", "-1")), "A price is not below 0"),
    (in_list(("", "", "", "1"), base="1e9"), "Write the amount in figures"),
    (in_list(("", "", "", "9999999")), "The price is too high"),
    (in_list(("", "", "", "1"), per="x"), "Choose one of the list"),
)


@pytest.mark.long
def test_what_is_wrong_with_a_list_stands_beside_it(admin: Browser) -> None:
    for fields, words in WRONG:
        answer = admin.send(LIST, LIST, **fields)
        assert (answer.status_code, words in words_of(answer.text)) == (422, True), words_of(answer.text)


@pytest.mark.long
def test_more_rows_keep_what_was_typed(admin: Browser) -> None:
    answer = admin.send(LIST, LIST, **in_list(*TWO), more="1")
    assert (answer.status_code, "price-4" in answer.text, 'value="$0.25"' in answer.text) == (200, True, True)


@pytest.mark.long
def test_a_printer_gets_a_list_of_its_own_and_loses_it(admin: Browser) -> None:
    known_printer(admin.app, group_name="Library")
    for key in ("group:Library", "printer:cups1:Library 1"):
        path = f"{PRICES}/list?for={key}"
        assert admin.send(path, path, **in_list(("", "", "", "0"), after=0 if "group" in key else 1)).status_code == 303
    page = admin.text(PRICES)
    assert "Library 1 (cups1)" in page
    assert "Printers of Library" in page
    path = f"{PRICES}/list/remove?for=printer:cups1:Library 1"
    assert admin.send(path, LIST, after="2").status_code == 303
    assert "Library 1 (cups1)" not in admin.text(PRICES).split("Other prices for")[0]
    assert admin.get(f"{PRICES}/list?for=printer:x").status_code == 404


@pytest.mark.long
def test_groups_pay_another_share(admin: Browser) -> None:
    path = f"{PRICES}/groups"
    fields = {"after": "0", "group-0": "Staff", "percent-0": "50", "group-1": "Guests", "percent-1": "120 %"}
    assert admin.send(path, path, **fields).status_code == 303
    page = admin.text(PRICES)
    assert "Staff pays 50%" in page
    assert "Not known here: Guests" in page
    for wrong in ({"percent-1": "501"}, {"percent-1": ""}, {"group-1": "staff"}, {"group-1": ""}):
        assert admin.send(path, path, **fields | {"after": "1"} | wrong).status_code == 422


def test_limits_are_made_changed_removed_and_brought_back(admin: Browser) -> None:
    assert "No limits" in admin.text(LIMITS)
    new = f"{LIMITS}/new"
    fields = {"kind": "pages", "amount": "50", "who": "in", "groups": "Students, Guests", "scope": "all", "after": "0"}
    preview = admin.send(new, new, **fields, preview="1")
    assert "Students and Guests: at most 50 pages a job, on all printers." in words_of(preview.text)
    assert admin.send(new, new, **fields).status_code == 303
    assert "Students and Guests At most 50 pages a job, on all printers" in admin.text(LIMITS)
    one = f"{LIMITS}/0"
    assert admin.send(one, one, **fields | {"amount": "1,000", "after": "1"}).status_code == 303
    assert "At most 1,000 pages" in admin.text(LIMITS)
    assert admin.send(f"{one}/remove", one, after="2").status_code == 303
    assert "No limits" in admin.text(LIMITS)
    old = f"{LIMITS}/versions/1"
    assert admin.send(old, old, after="3").status_code == 303
    assert "At most 50 pages" in admin.text(LIMITS)
    assert admin.get(f"{LIMITS}/7").status_code == 404
    for wrong in ({"amount": "0"}, {"groups": " "}, {"kind": "x"}, {"scope": "x"}, {"who": "x"}, {"after": "1"}):
        assert admin.send(new, new, **fields | {"after": "4"} | wrong).status_code in (409, 422)


@pytest.mark.long
def test_printers_are_listed_with_what_holds_for_them(admin: Browser, users: dict[str, int]) -> None:
    assert "No printers yet" in admin.text(PRINTERS)
    number = known_printer(admin.app, title="By the door", group_name="Library", away="print")
    print_three(admin.app, users["alice"])
    page = admin.text(PRINTERS)
    assert (
        "By the door Library 1 on cups1 · group Library Any page: $0.05 Jobs are printed, and charged afterwards"
        in page
    )
    one = f"{PRINTERS}/{number}"
    words = admin.text(one)
    assert "Essay.pdf" in words
    assert "Before printing it counts the pages" in words
    fields = {"title": "Door", "group_name": "", "away": "refuse", "release": "1", "release_minutes": "90"}
    assert admin.send(one, one, **fields).status_code == 303
    assert "By the owner, within 90 min" in admin.text(PRINTERS)
    assert admin.send(one, one, **fields | {"release_minutes": "0"}).status_code == 422
    assert admin.get(f"{PRINTERS}/999").status_code == 404


@pytest.mark.long
def test_a_printer_is_added_before_it_is_heard_of(admin: Browser) -> None:
    new = f"{PRINTERS}/new"
    fields = {"server": "cups2", "name": "q1", "away": "hold", "release_minutes": "240"}
    assert admin.send(new, new, **fields).status_code == 303
    assert "Not seen yet" in admin.text(PRINTERS)
    twice = admin.send(new, new, **fields)
    assert (twice.status_code, "in the list already" in words_of(twice.text)) == (422, True)
    assert admin.send(new, new, **fields | {"server": "a:b"}).status_code == 422


def test_the_calculator_tells_anybodys_price_and_ones_own(admin: Browser, users: dict[str, int]) -> None:
    admin.send(
        LIST, LIST, **in_list(("", "", "", "0.05"), ("", "yes", "", "0.25"), ("", "no", "yes", "0.04"), base="0.10")
    )
    groups = f"{PRICES}/groups"
    admin.send(groups, groups, **{"after": "1", "group-0": "Students", "percent-0": "50"})
    asked = "pages=12&colour=3&copies=1&paper=a4&duplex=1"
    words = admin.text(f"/admin/print-cost?user=alice&{asked}")
    assert "It would cost Alice Andersson $ 0.605" in words
    assert "9 grey pages two-sided at $0.04; 3 colour pages two-sided at $0.25; base $0.10; Students −50" in words
    assert "The purse is too short" in words
    assert "Carol Clark $ 1.21" in admin.text(f"/admin/print-cost?user=carol&{asked}")
    assert "Nobody here has this name" in admin.text(f"/admin/print-cost?user=nobody&{asked}")
    alice = signed_in(admin.app, "alice")
    credit(admin.app, users["alice"])
    own = alice.text(f"/print-cost?{asked}&user=carol")
    assert "It would cost you $ 0.605" in own
    assert "$0.605 of the $10.00 that can be spent" in own
    for wrong in ("pages=0", "pages=x", "pages=2&colour=3", "pages=1&copies=0", "pages=99999999"):
        assert "correct" in alice.text(f"/print-cost?{wrong}")
    assert alice.get("/admin/print-cost").status_code == 403


@pytest.mark.long
def test_the_calculator_says_what_would_refuse_it(admin: Browser) -> None:
    number = known_printer(admin.app)
    new = f"{LIMITS}/new"
    scope = {"scope": "printer:cups1:Library 1", "after": "0"}
    admin.send(new, new, kind="use", who="except", groups="Staff", amount="", **scope)
    words = admin.text(f"/admin/print-cost?user=alice&pages=1&printer={number}")
    assert "You may not print on Library 1: it is for Staff." in words
    alice = signed_in(admin.app, "alice")
    assert "Library 1" not in alice.text("/print-cost")


@pytest.mark.long
def test_nobody_else_changes_prices(admin: Browser) -> None:
    alice = signed_in(admin.app, "alice")
    for path in (PRICES, LIST, LIMITS, PRINTERS, f"{PRINTERS}/new", f"{LIMITS}/new", f"{PRICES}/groups"):
        assert alice.get(path).status_code == 403
        assert alice.send(path, "/", after="0").status_code in (403, 405)


def test_the_story_of_a_line_says_how_its_price_came_about(admin: Browser, users: dict[str, int]) -> None:
    admin.send(LIST, LIST, **in_list(("", "", "", "0.05"), base="0.10"))
    credit(admin.app, users["alice"])
    print_three(admin.app, users["alice"])
    alice = signed_in(admin.app, "alice")
    page = alice.get("/statement").text
    opened = page.split("open=")[1].split('"')[0].split("&")[0].split("#")[0]
    words = alice.text(f"/statement?open={opened}")
    assert "3 pages at $0.05; base $0.10" in words
    assert "3 pages (estimated: the printer does not say)" in words


def credit(app: Flask, user_id: int) -> None:
    with app.app_context():
        account_id = accounts.get_account(reading(), user_id=user_id).id
        writing(
            lambda session: ledger.post(
                session,
                account_id=account_id,
                amount=10 * MICRO,
                source="adjustment",
                key="k",
                now=clock.now(),
                title="t",
            )
        )


def print_three(app: Flask, user_id: int) -> None:
    """Three pages, of a printer that does not say what it printed; they may cost nothing where there is nothing."""
    seen = JobSeen("cups1", "Library 1", "alice", 1, "urn:1", "Essay.pdf", 3)
    with app.app_context():
        settings, now = settings_of_app(), clock.now()
        asked = writing(lambda session: asking.ask(session, seen=seen, user_id=user_id, settings=settings, now=now))
        if asked.decision == "print":
            writing(
                lambda session: charging.capture(
                    session, job_id=asked.job, run=asked.run, pages=3, now=now, estimated=True
                )
            )
