"""Whole journeys in Chromium: with the keyboard alone, without scripts, and past titles that look like scripts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers.demo import Demo
from tests.web import journeys, keys
from tests.web.auditing import Chromium
from tests.web.walking import sign_in, walk

pytestmark = pytest.mark.long

EVIL = "<img src=x onerror=alert(document.domain)>"
FORMULA = f'=HYPERLINK("http://127.0.0.1/",1){EVIL}'
WHAT_IT_MADE = "document.querySelectorAll('img[src=x], [onerror], main script:not([src])').length"


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Chromium() as browser:
        yield browser


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("site", ["portal", "print", "net"])
def test_every_stop_of_the_tab_key_can_be_seen(demo: Demo, browser: Browser, site: str, width: int) -> None:
    context = browser.new_context(locale="en-GB", viewport={"width": width, "height": 700})
    page = context.new_page()
    sign_in(page, demo.sites[site], "alice")
    for _ in walk(page, demo.sites[site]):
        keys.stops(page)
    context.close()


@pytest.mark.parametrize("site", ["print", "net"])
@pytest.mark.timeout(900)
def test_every_stop_on_an_administrators_pages(demo: Demo, browser: Browser, site: str) -> None:
    context = browser.new_context(locale="de-DE", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sign_in(page, demo.sites[site], "admin")
    for _ in walk(page, demo.sites[site]):
        keys.stops(page)
    context.close()


def test_a_day_with_the_keyboard_alone(demo: Demo, browser: Browser) -> None:
    page, address = browser.new_page(locale="en-GB"), demo.sites["print"]
    journeys.sign_in_by_keys(page, address)
    _press(page, "Redeem a card Put its amount into your purse", f"{address}/card")
    keys.tab_to(page, "Code")
    page.keyboard.type(demo.card("print"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    expect(page.locator(".flashes")).to_contain_text("$2.00")
    _press(page, "Statement", f"{address}/statement")
    keys.tab_to(page, "Kind")
    page.keyboard.type("Cred")
    keys.tab_to(page, "Show")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("kind=credits"))
    _press(page, "Weekly print money", re.compile("open="))
    expect(page.locator("tr.story")).to_be_visible()
    keys.tab_to(page, "Dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    journeys.open_and_close_the_menu(page)
    page.keyboard.press("Enter")
    keys.tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.locator("details.account")).to_have_count(0)


def test_the_folded_pages_of_a_phone_with_the_keyboard(demo: Demo, browser: Browser) -> None:
    page, address = browser.new_page(locale="en-GB", viewport={"width": 320, "height": 640}), demo.sites["print"]
    sign_in(page, address, "admin")
    menu = page.locator("nav.tabs details")
    expect(menu).not_to_have_attribute("open", "")
    keys.tab_to(page, "Pages: Balance")
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("open", "")
    keys.tab_to(page, "People")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/admin/people")


def test_users_without_scripts_in_german(demo: Demo, browser: Browser) -> None:
    page = journeys.without_scripts(browser, locale="de-DE")
    journeys.go_through_the_portal(page, demo)
    for site in ("print", "net"):
        journeys.read_the_statement(page, demo.sites[site])
        expect(page.locator("html")).to_have_attribute("lang", "de")
    journeys.sign_out(page)


def test_administrators_without_scripts(demo: Demo, browser: Browser) -> None:
    address = demo.sites["print"]
    pupil = journeys.without_scripts(browser)
    sign_in(pupil, address, "alice")
    job = journeys.ask_for_a_refund(pupil, address, "Two pages stuck together")
    page = journeys.without_scripts(browser)
    sign_in(page, address, "admin")
    page.goto(f"{address}/admin{job}")
    page.fill("form[action*='/refuse'] [name=words]", "They were charged once only")
    page.locator("form[action*='/refuse'] button[type=submit]").click()
    expect(page.locator("main")).to_contain_text("They were charged once only")
    pupil.goto(f"{address}{job}")
    expect(pupil.locator("main")).to_contain_text("They were charged once only")
    _make_a_schedule(page, address)


def _make_a_schedule(page: Page, address: str) -> None:
    """Make one that repeats monthly; a first try without an amount says what is missing and keeps what was typed."""
    page.goto(f"{address}/admin/schedules/new")
    page.fill("[name=name]", "Pocket money")
    page.check("[name=reach][value=everyone]")
    page.check("[name=period][value=monthly]")
    page.fill("[name=month_day]", "5")
    page.get_by_role("button", name="Save schedule").click()
    expect(page.locator(".field.wrong").first).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("Pocket money")
    page.fill("[name=amount]", "1.50")
    page.get_by_role("button", name="Save schedule").click()
    page.wait_for_url(re.compile(r"/admin/schedules(/\d+)?$"))
    page.goto(f"{address}/admin/schedules")
    expect(page.locator("main")).to_contain_text("Pocket money")


def test_titles_are_text_everywhere(demo: Demo, browser: Browser) -> None:
    waiting, printed = _print_evil(demo)
    dialogs: list[str] = []
    for person, own in (("alice", ""), ("admin", "/admin")):
        page = browser.new_page(locale="en-GB")
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: dialogs.append(str(error)))
        address = demo.sites["print"]
        sign_in(page, address, person)
        for path in (f"{own}/print-jobs", f"{own}/print-jobs/{waiting}", f"{own}/print-jobs/{printed}"):
            page.goto(address + path)
            expect(page.locator("main")).to_contain_text(EVIL)
        if person == "alice":
            journeys.ask_for_a_refund(page, address, EVIL)
            for path in ("/", "/statement", "/print-jobs/waiting"):
                page.goto(address + path)
                expect(page.locator("main")).to_contain_text(EVIL)
            _look_at_the_file(page.request.get(f"{address}/statement.csv").text())
        else:
            for path in ("/admin/refunds", "/admin/people/unknown"):
                page.goto(address + path)
                expect(page.locator("main")).to_contain_text(EVIL)
        for path in walk(page, address):
            assert page.evaluate(WHAT_IT_MADE) == 0, path
        if person == "alice":
            sign_in(page, demo.sites["portal"], person)
            for path in ("/", "/embed"):
                page.goto(demo.sites["portal"] + path)
                assert page.evaluate(WHAT_IT_MADE) == 0, path
    assert not dialogs


def _print_evil(demo: Demo) -> tuple[int, int]:
    """Have a job wait and another printed whose titles are markup, and one of somebody whose name is; as CUPS does."""
    ask = demo.machine("print", "print")

    def job(number: int, printer: str, title: str, user: str = "alice") -> dict[str, Any]:
        body = {"server": "printserver1", "printer": printer, "user": user, "job_id": number, "title": title}
        body |= {"job_uuid": f"urn:uuid:evil-{number}", "pages": 1, "host": EVIL}
        body["document"] = {"runs": [[1, False, "a4"]]}
        return ask("/api/v1/print/jobs", body)

    waits = job(1, "Studio-colour", EVIL)
    assert waits["waits_for"] == "release"
    for number, title in ((2, EVIL), (3, FORMULA)):
        printed = job(number, "Hall-2", title)
        ask(f"/api/v1/print/jobs/{printed['job']}/capture", {"run": printed["run"], "pages": 1})
    job(4, "Hall-2", EVIL, user=EVIL)
    return int(waits["job"]), int(printed["job"])


def _look_at_the_file(text: str) -> None:
    """No cell of the file is a formula to a spreadsheet."""
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any(EVIL in cell for cell in cells)
    assert not [
        cell for cell in cells if cell.startswith(("=", "@", "\t", "\r")) or re.match(r"[+-](?![\d.,]+$)", cell)
    ]


def _press(page: Page, name: str, address: str | re.Pattern[str]) -> None:
    keys.tab_to(page, name)
    page.keyboard.press("Enter")
    page.wait_for_url(address)
