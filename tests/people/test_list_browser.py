"""In a real browser: the list of people answers while one types, and the sign-in page tells of Caps Lock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests.servers.browser import Browser
from tests.servers.web import WebServer


@pytest.mark.long
def test_caps_lock_is_told_and_the_list_answers_while_one_types(
    print_app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    with print_app.app_context():
        known()
    with WebServer(print_app) as server, Browser() as browser:
        page = browser.page()
        page.goto(server.url + "/sign-in?next=/admin/people")
        hint, password = page.get_by_text("Caps Lock is on."), page.get_by_label("Password")
        assert not hint.is_visible()
        # Chromium without a keyboard knows no Caps Lock; the event is what a keyboard's would be.
        on = {"modifierCapsLock": True, "key": "A", "bubbles": True}
        password.evaluate("(field, how) => field.dispatchEvent(new KeyboardEvent('keydown', how))", on)
        expect(hint).to_be_visible()
        password.press("a")
        expect(hint).to_be_hidden()
        page.get_by_label("User name").fill("admin")
        password.fill("demo-admin")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        rows, find = page.get_by_role("table").get_by_role("row"), page.get_by_label("Find", exact=True)
        expect(rows).to_have_count(5)
        find.press_sequentially("ali")
        expect(rows).to_have_count(2)
        expect(page.get_by_role("status")).to_contain_text("1 person matches “ali”.")
        assert page.url == server.url + "/admin/people?q=ali"
        page.get_by_label("Status").select_option("gone")
        expect(page.get_by_role("heading", name="Nobody matches")).to_be_visible()
        assert page.url == server.url + "/admin/people?q=ali&status=gone"
        page.get_by_label("Status").select_option("")
        expect(rows).to_have_count(2)
        find.fill("")
        expect(rows).to_have_count(5)
        assert page.url == server.url + "/admin/people"
        find.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/people/*")
        assert page.get_by_role("heading", level=1).inner_text() == "Alice Andersson"
