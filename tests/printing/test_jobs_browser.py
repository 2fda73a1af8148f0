"""Pages of jobs in a real browser, without scripts: nothing is wider than a phone, whatever a document is called."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page

from tests.printing.queues import Queues
from tests.refunds.test_refunds import ask
from tests.servers.browser import Browser
from tests.servers.web import WebServer

NASTY = (
    "<img src=x onerror=\"document.title='broken'\">",
    "a\nb\tc\u202egnp.exe",
    "unbroken" * 500,
    "\U0001f5a8\ufe0f\U0001f469\u200d\U0001f4bb Größe '; rm -rf /",
)
OWN = ("/print-jobs", "/print-jobs/1", "/print-jobs/2", "/print-jobs/7", "/print-jobs/waiting", "/statement", "/")
OTHERS = ("/admin/print-jobs", "/admin/print-jobs/1", "/admin/print-jobs/5", "/admin/refunds", "/admin/print-privacy")


def furnish(queues: Queues) -> None:
    """Jobs in every state, with the worst titles."""
    with queues.app.app_context():
        queues.printer()
        for number, title in enumerate(NASTY):
            queues.print(title=title, pages=3 + number, ago=timedelta(days=number, hours=1))
        ask(queues, queues.print(title="Essay on the water cycle.pdf", pages=12, ago=timedelta(hours=2)))
        queues.print("bob", title="Timetable.odt", pages=1)
        for title in NASTY:
            queues.send(title=title[:1000])
        queues.send(title="Plan.dwg", pages=None, printer="Plotter")
        queues.send(title="Thesis.pdf", pages=900, printer="Hall")


def sign_in(page: Page, url: str, name: str) -> None:
    """Sign in by the form."""
    page.goto(f"{url}/sign-in")
    page.fill("#username", name)
    page.fill("#password", f"demo-{name}")
    page.click("main button[type=submit]")


def is_too_wide(page: Page) -> bool:
    """Whether something reaches over the edge of the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.long
def test_nothing_is_wider_than_a_phone_and_nothing_needs_scripts(quick_queues: Queues) -> None:
    furnish(quick_queues)
    with WebServer(quick_queues.app) as server, Browser(javascript=False) as browser:
        for name, paths in (("alice", OWN), ("admin", OTHERS)):
            page = browser.page(width=320, height=700)
            page.context.clear_cookies()
            sign_in(page, server.url, name)
            for path in paths:
                page.goto(server.url + path)
                assert not is_too_wide(page), path
                assert "broken" not in page.title()


@pytest.mark.long
def test_a_touch_at_the_printer_lets_a_job_print(quick_queues: Queues) -> None:
    furnish(quick_queues)
    with WebServer(quick_queues.app) as server, Browser(javascript=False) as browser:
        page = browser.page(width=800, height=600)
        page.goto(f"{server.url}/release/Library")
        page.fill("#username", "alice")
        page.fill("#password", "demo-alice")
        page.click("main button[type=submit]")
        before = page.locator(".station li").count()
        button = page.get_by_role("button", name="Print", exact=False).nth(1)
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 60, "a finger is not a mouse"
        button.click()
        assert (before, page.locator(".station li").count()) == (4, 3)
        page.get_by_role("button", name="I am done").click()
        assert page.locator("#password").count() == 1
