"""What visitors choose about all pages: single keys, a longer session; and the page that shows the parts."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from app.people.rules import IDLE
from app.people.sessions import SEEN_EVERY
from tests.web.browsing import Browser, signed_in


def test_keys_are_listed_and_can_be_switched_off_and_a_session_stretched(make_instance: Callable[..., Flask]) -> None:
    app = make_instance()
    browser = signed_in(app, "admin")
    page = browser.get("/").text
    assert 'data-go="b / s /statement ' in page
    assert f'data-left="{int((IDLE - SEEN_EVERY).total_seconds())}"' in page
    assert "g s Go to the statement" in browser.text("/keys")
    assert browser.get("/keys/choose?value=off&next=/statement").headers["Location"] == "/statement"
    assert "keys.js" not in browser.get("/").text
    assert "The keys are off in this browser." in browser.text("/keys")
    assert browser.get("/stay").status_code == 204
    assert browser.get("/admin/style-guide").status_code == 200
    visitor = Browser(app)
    assert visitor.get("/stay").status_code == 302
    assert "keys.js" not in visitor.get("/sign-in").text
    assert "stay.js" not in visitor.get("/sign-in").text
