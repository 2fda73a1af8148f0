"""What every answer has: headers, an explanation of what went wrong, and nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.api.access import public
from app.errors import UnavailableError
from app.web.frame import CSP
from tests.web.browsing import Browser, signed_in, words_of

ANSWERS = {
    "/": 302,
    "/sign-in": 200,
    "/no-such-page": 404,
    "/sign-out": 405,
    "/healthz": 200,
    "/broken": 500,
    "/away": 503,
    "/theme?value=dark": 302,
    "/enter?code=x": 302,
    "/static/css/tokens.css": 200,
    "/static/no-such-file": 404,
    "/api/v1/purse": 401,
    "/api/v1/nothing": 404,
}


@pytest.fixture
def app(make_instance: Callable[..., Flask]) -> Flask:
    """An instance with two addresses that fail, as errors outside tests do."""
    app = make_instance()
    app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)

    @app.get("/broken")
    @public
    def broken() -> str:
        raise ZeroDivisionError("a secret detail")

    @app.get("/away")
    @public
    def away() -> str:
        raise UnavailableError("The database is busy; nothing was changed. Try again.")

    return app


def test_every_answer_has_the_headers(app: Flask) -> None:
    for path, status in ANSWERS.items():
        response = Browser(app).get(path)
        assert response.status_code == status, path
        _check_headers(response, path)
    response = Browser(app).client.post("/sign-in")
    assert response.status_code == 400
    _check_headers(response, "POST without a token")


def test_pages_are_not_kept_by_caches(app: Flask) -> None:
    browser = signed_in(app, "alice")
    for path in ("/", "/statement", "/statement.csv", "/admin/people", "/no-such-page"):
        assert browser.get(path).headers["Cache-Control"] == "no-store", path
    assert "no-store" not in browser.get("/static/css/tokens.css").headers.get("Cache-Control", "")


def test_https_is_kept_only_where_it_is_served(make_instance: Callable[..., Flask]) -> None:
    plain, secure = make_instance(), make_instance(public_url="https://print.example.org")
    assert "Strict-Transport-Security" not in Browser(plain).get("/sign-in").headers
    assert Browser(secure).get("/sign-in").headers["Strict-Transport-Security"].startswith("max-age=")


def test_an_unknown_host_is_refused(app: Flask) -> None:
    assert Browser(app).get("/sign-in", headers={"Host": "evil.example"}).status_code == 400


def test_errors_say_what_happened_and_keep_details_to_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    response = Browser(app).get("/broken")
    number = re.search(r'id="error-id">([0-9A-F]{4}-[0-9A-F]{4})<', response.text)
    assert number
    assert f"error {number.group(1)} at GET /broken" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    for detail in ("secret detail", "ZeroDivisionError", "Traceback"):
        assert detail not in response.text
    assert "The database is busy; nothing was changed." in words_of(Browser(app).get("/away").text)
    assert Browser(app).get("/api/v1/nothing").get_json()["error"] == "http"


def test_an_address_is_not_repeated_as_markup(app: Flask) -> None:
    response = Browser(app).get("/<script>alert(1)</script>?next=%22><script>alert(2)</script>")
    assert response.status_code == 404
    assert "<script>alert" not in response.text


def test_a_form_from_another_site_is_refused(app: Flask) -> None:
    browser = Browser(app)
    form = {"username": "alice", "password": "demo-alice", "csrf_token": browser.token("/sign-in")}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:9"},
        {"Origin": "null"},
    ):
        response = browser.client.post("/sign-in", data=form, headers=headers)
        assert response.status_code == 403, headers
        assert "Nothing was changed." in words_of(response.text)
    assert browser.get("/").status_code == 302
    assert browser.client.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_the_look_is_kept_and_leads_back_on_this_site_only(app: Flask) -> None:
    browser = Browser(app)
    response = browser.get("/theme?value=dark&next=/sign-in")
    assert response.headers["Location"] == "/sign-in"
    assert 'data-theme="dark"' in browser.get("/sign-in").text
    browser.get("/theme?value=%22%3E%3Cscript%3E")
    assert "data-theme" not in browser.get("/sign-in").text
    for evil in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert browser.get("/theme", query_string={"value": "dark", "next": evil}).headers["Location"] == "/"


def test_pages_load_what_exists_and_only_from_here(make_instance: Callable[..., Flask]) -> None:
    for charges in (("print",), ("internet",), ("print", "internet")):
        app = make_instance(charges=charges)
        browser = signed_in(app, "admin")
        for path in ("/", "/statement", "/admin/people", "/admin/health"):
            page = browser.get(path).text
            assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=", page), path
            loaded = re.findall(r'<(?:link|script|img)[^>]*(?:href|src)="([^"]+)"', page)
            assert len(loaded) >= 5
            for address in loaded:
                assert address.startswith("/static/"), address
                assert browser.get(address).status_code == 200, address


def test_each_page_names_itself_and_the_purse(app: Flask) -> None:
    browser = signed_in(app, "admin")
    for path, title in (("/", "Balance"), ("/statement", "Statement"), ("/admin/people", "People")):
        page = browser.get(path).text
        assert re.search(rf"<title>{title} · Twinpurse · Print account", page), path
        assert page.count("<h1") == 1
        [tabs] = re.findall(r'<nav class="tabs".*?</nav>', page, re.DOTALL)
        assert tabs.count('aria-current="page"') == 1


def _check_headers(response: TestResponse, where: str) -> None:
    expected = {
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    assert {name: response.headers.get(name) for name in expected} == expected, where
