"""Headers, forms from elsewhere, hosts, marks of endpoints, looks, and the page for a fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from directory.memory import MemoryDirectory
from portal import access
from portal.factory import create_app
from tests.portal.conftest import PASSWORD, csrf_of, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub

PAGES = ("/", "/sign-in", "/nothing-here", "/healthz", "/theme?value=dark", "/go/net", "/static/css/tokens.css")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("signed_in", [False, True])
def test_every_answer_has_the_headers(client: FlaskClient, path: str, signed_in: bool) -> None:
    if signed_in:
        sign_in(client)
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert path.startswith("/static/") or headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing-here"])
def test_no_page_has_inline_style_or_script(mara: FlaskClient, net_stub: InstanceStub, path: str) -> None:
    net_stub.mood = "error"
    html = mara.get(path, follow_redirects=True).get_data(as_text=True)
    assert "<style" not in html
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", html)
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html)


def test_everything_a_page_loads_is_there(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.mood = "error"
    loaded = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', mara.get("/").get_data(as_text=True)))
    assert len(loaded) >= 8
    for address in loaded:
        assert mara.get(address).status_code == 200, address


def test_a_form_without_its_token_changes_nothing(mara: FlaskClient, app: Flask) -> None:
    assert mara.post("/sign-out").status_code == 400
    assert mara.post("/sign-out", data={"csrf_token": "x"}).status_code == 400
    assert mara.get("/").status_code == 200
    stranger = app.test_client()
    answer = stranger.post("/sign-in", data={"username": "mara", "password": PASSWORD})
    assert answer.status_code == 400
    assert "Nothing was changed" in text_of(answer)
    assert stranger.get("/").location == "/sign-in"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_or_port_is_refused_also_with_a_token(
    mara: FlaskClient, headers: dict[str, str]
) -> None:
    token = csrf_of(mara.get("/"))
    assert mara.post("/sign-out", data={"csrf_token": token}, headers=headers).status_code == 403
    assert mara.get("/").status_code == 200
    good = {"Sec-Fetch-Site": "same-origin"}
    assert mara.post("/sign-out", data={"csrf_token": token}, headers=good).status_code == 303


def test_a_foreign_host_is_refused(client: FlaskClient) -> None:
    answer = client.get("/sign-in", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert client.get("/healthz", headers={"Host": "127.0.0.1:8000"}).json == {"status": "ok"}


def test_every_endpoint_carries_its_mark(app: Flask) -> None:
    marks = {name: access.access_of(view) for name, view in app.view_functions.items() if name != "static"}
    assert set(marks.values()) == {"public", "signed_in"}
    assert sorted(name for name, mark in marks.items() if mark == "public") == [
        "embed.show_card",
        "embed.show_piece",
        "embed.tell",
        "pages.choose_language",
        "pages.choose_theme",
        "pages.show_sign_in",
        "pages.sign_in",
        "pages.tell_health",
    ]


def test_an_endpoint_without_a_mark_is_refused(app: Flask) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    client = app.test_client()
    assert client.get("/forgotten").status_code == 403
    sign_in(client)
    assert client.get("/forgotten").status_code == 403


def test_the_cookie_is_its_own_and_closed(client: FlaskClient) -> None:
    cookies = client.get("/sign-in").headers.getlist("Set-Cookie")
    assert len(cookies) == 1
    assert cookies[0].startswith("portal_session=")
    assert "HttpOnly" in cookies[0]
    assert "SameSite=Lax" in cookies[0]
    assert "Domain" not in cookies[0]


def test_over_https_the_cookie_is_bound_to_the_host(
    tmp_path: Path, directory: MemoryDirectory, print_stub: InstanceStub
) -> None:
    folder = write_folder(tmp_path / "portal", [print_stub], public_url="https://localhost")
    client = create_app(folder, directory=directory).test_client()
    answer = client.get("/sign-in", base_url="https://localhost")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-portal_session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
    theme = client.get("/theme?value=dark", base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in theme


def test_the_chosen_look_is_kept(client: FlaskClient) -> None:
    assert "data-theme" not in client.get("/sign-in").get_data(as_text=True)
    answer = client.get("/theme?value=dark&next=/sign-in")
    assert answer.location == "/sign-in"
    assert 'data-theme="dark"' in client.get("/sign-in").get_data(as_text=True)
    client.get("/theme?value=system")
    assert "data-theme" not in client.get("/sign-in").get_data(as_text=True)
    client.set_cookie("theme", '"><script>')
    assert "data-theme" not in client.get("/sign-in").get_data(as_text=True)


def test_an_address_that_is_not_there_says_so(client: FlaskClient) -> None:
    answer = client.get("/nothing-here")
    assert answer.status_code == 404
    assert "There is no such page" in text_of(answer)


def test_a_fault_of_our_own_has_a_number_to_quote(
    mara: FlaskClient, app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    for leftover in (tmp_path / "portal").glob("portal.db*"):
        leftover.unlink()
    (tmp_path / "portal" / "portal.db").mkdir()
    answer = mara.get("/")
    assert answer.status_code == 500
    text = text_of(answer)
    number = re.search(r"[0-9A-F]{4}-[0-9A-F]{4}", text)
    assert number
    assert "Something went wrong" in text
    assert number.group() in caplog.text
    assert "sqlite3" not in text


def test_a_large_form_is_refused(client: FlaskClient) -> None:
    token = csrf_of(client.get("/sign-in"))
    answer = client.post("/sign-in", data={"csrf_token": token, "username": "m", "password": "x" * 200_000})
    assert answer.status_code == 413
