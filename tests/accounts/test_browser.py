"""Shared accounts and limits in a real browser: on a narrow phone, in both looks, and without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page

from tests.servers.browser import Browser
from tests.servers.web import WebServer


@pytest.fixture
def site(print_app: Flask, known: Callable[..., dict[str, int]]) -> Iterator[str]:
    """The address of the instance, served over HTTP."""
    with print_app.app_context():
        known()
    with WebServer(print_app) as server:
        yield server.url


@pytest.mark.long
def test_an_account_is_made_limited_and_closed_without_scripts_on_a_narrow_phone(site: str) -> None:
    with Browser(javascript=False) as browser:
        page = browser.page(width=320, height=640)
        page.goto(site + "/sign-in?next=/admin/accounts")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill("demo-admin")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        for look in ("dark", "light"):
            page.goto(f"{site}/theme?value={look}&next=/admin/accounts")
            assert sideways(page) == 0
        page.get_by_role("link", name="New shared account").click()
        far = page.get_by_label("How far below zero")
        assert not far.is_visible()
        page.get_by_label("Name").fill("Department without any space in it: " + "x" * 40)
        page.get_by_label("Overdraft").check()
        far.fill("12345678.90")
        assert sideways(page) == 0
        page.get_by_role("button", name="Make the account").click()
        assert "was made" in page.get_by_role("status").inner_text()
        assert sideways(page) == 0
        page.get_by_label("Amount").fill("2")
        page.get_by_label("Reason").fill("Budget")
        page.get_by_role("button", name="Adjust balance").click()
        page.get_by_label("Restricted: stops at zero").check()
        page.get_by_role("button", name="Save limit").click()
        assert "Limit saved: restricted" in page.get_by_role("status").inner_text()
        page.get_by_label("Balance on", exact=True).fill("2026-01-31")
        page.get_by_role("form", name="Balance on a day").get_by_role("button").click()
        assert "$0.00 at the end of" in page.get_by_role("status").inner_text()
        assert sideways(page) == 0
        page.get_by_role("button", name="Close account").click()
        assert page.get_by_role("button", name="Open it again").is_visible()
        page.goto(site + "/admin/accounts/limit")
        assert sideways(page) == 0


def sideways(page: Page) -> int:
    """How many CSS pixels the page is wider than its window."""
    page.wait_for_load_state()
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
