"""What people do, step by step in a browser: with plain links and forms, or with the keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.servers.demo import Demo
from tests.web.keys import focus, must_be_seen, tab_to
from tests.web.walking import sign_in

WAIT_MS = 15_000


def without_scripts(browser: Browser, *, locale: str = "en-GB") -> Page:
    """Return a page of its own in which no script runs."""
    context = browser.new_context(java_script_enabled=False, locale=locale, timezone_id="Europe/Berlin")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    return page


def go_through_the_portal(page: Page, demo: Demo) -> None:
    """Sign in at the portal, read both balances, and follow its links into each instance, signed in there already."""
    portal = demo.sites["portal"]
    sign_in(page, portal, "alice")
    amounts = page.locator("p.amount")
    expect(amounts).to_have_count(2)
    for instance in ("print", "net"):
        page.goto(f"{portal}/")
        shown = amounts.nth(("print", "net").index(instance)).inner_text()
        page.click(f"a[href='/go/{instance}']")
        page.wait_for_url(f"{demo.sites[instance]}/")
        assert amounts.first.inner_text().split() == shown.split()


def read_the_statement(page: Page, address: str) -> None:
    """Filter the statement, open a line, go to the next page."""
    page.goto(f"{address}/")
    page.locator("nav.tabs a[href='/statement']").click()
    lines = page.locator("table.statement td.what a")
    whole = lines.count()
    page.locator("a[rel=next]").click()
    expect(page).to_have_url(re.compile(r"/statement\?before="))
    assert lines.count() > 0
    page.goto(f"{address}/statement")
    page.select_option("#kind", "credits")
    page.locator("form.search button[type=submit]").click()
    expect(page).to_have_url(re.compile("kind=credits"))
    assert 0 < lines.count() < whole
    lines.first.click()
    expect(page.locator("tr.story")).to_be_visible()
    expect(page.locator("tr.story h2").first).to_be_visible()


def redeem(page: Page, address: str, code: str) -> None:
    """Find the way to cards from the first page, and put one into the purse."""
    page.goto(f"{address}/")
    page.locator("main a[href='/card']").click()
    page.fill("input[name=code]", code)
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(f"{address}/")
    expect(page.locator(".flashes")).to_contain_text("$2.00")


def ask_for_a_refund(page: Page, address: str, reason: str) -> str:
    """Ask to have back what a job cost, of which nobody has asked yet; return the job's address."""
    page.goto(f"{address}/print-jobs")
    links = page.locator("main table a[href^='/print-jobs/']")
    jobs = list(dict.fromkeys(link.get_attribute("href") for link in links.all()))
    for job in jobs:
        page.goto(f"{address}{job}")
        if page.locator("[name=reason]").count():
            break
    page.fill("[name=reason]", reason)
    page.locator("form:has([name=reason]) button[type=submit]").click()
    page.wait_for_url(f"{address}{job}")
    expect(page.locator("main")).to_contain_text(reason)
    assert page.locator("[name=reason]").count() == 0, "it was asked already"
    return str(job)


def sign_out(page: Page) -> None:
    """Open the account menu, and leave."""
    page.locator("details.account summary").click()
    page.locator("details.account form[action$='sign-out'] button").click()
    expect(page.locator("details.account")).to_have_count(0)


def sign_in_by_keys(page: Page, address: str) -> None:
    """Sign in without touching the mouse, and skip to the content."""
    page.goto(f"{address}/sign-in")
    if not page.locator("input[name=username]:focus").count():
        tab_to(page, "User name")
    page.keyboard.type("alice")
    tab_to(page, "Password")
    page.keyboard.type("demo-alice")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    page.keyboard.press("Tab")
    skip = focus(page)
    assert skip is not None
    assert skip.name == "Skip to content"
    must_be_seen(page, skip)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)"), "it skips to the content"


def open_and_close_the_menu(page: Page) -> None:
    """Go back to the account menu; Enter opens it and Esc closes it, and the focus is where it was."""
    tab_to(page, "AM Alice Moreau account menu", back=True)
    page.keyboard.press("Enter")
    menu = page.locator("details.account")
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    stop = focus(page)
    assert stop is not None
    assert stop.tag == "summary"
