"""A browser for tests, without a screen: it keeps cookies, takes CSRF tokens out of pages, and signs in by the form."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class Browser:
    """One browser at one instance."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()

    def get(self, path: str, **more: Any) -> TestResponse:
        """Ask for a page."""
        return self.client.get(path, **more)

    def text(self, path: str) -> str:
        """Return the words of a page as a person reads them: no tags, spaces joined. The page must be there."""
        response = self.get(path)
        assert response.status_code == 200, response.text
        return words_of(response.text)

    def send(self, path: str, form_at: str, **fields: str) -> TestResponse:
        """Send a form to `path` with the CSRF token that stands in the page `form_at`."""
        return self.client.post(path, data={"csrf_token": self.token(form_at)} | fields)

    def token(self, form_at: str) -> str:
        """Return the CSRF token that stands in a page."""
        found = TOKEN.search(self.get(form_at).text)
        assert found, f"no form with a CSRF token at {form_at}"
        return found.group(1)

    def sign_in(self, username: str, password: str | None = None, **more: str) -> TestResponse:
        """Fill in the sign-in form and send it; the cast's passwords are known."""
        password = f"demo-{username}" if password is None else password
        return self.send("/sign-in", "/sign-in", username=username, password=password, **more)


def signed_in(app: Flask, username: str) -> Browser:
    """Return a browser in which `username` is signed in."""
    browser = Browser(app)
    response = browser.sign_in(username)
    assert response.status_code == 303, response.text
    return browser


def words_of(html: str) -> str:
    """Return what stands between the tags of the page's main part, unescaped, with single spaces."""
    main = re.search(r"<main.*?</main>", html, re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", main.group() if main else html)
    return re.sub(r"\s+", " ", unescape(text)).strip()
