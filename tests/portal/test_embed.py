"""The small card for an intranet's homepage: who may frame and read it, and what it says."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from directory.memory import MemoryDirectory
from portal.factory import create_app
from portal.settings import PortalSettingsError, Settings
from tests.portal.conftest import Clock, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub
from tests.servers.browser import Browser
from tests.servers.web import WebServer

INTRANET = "https://intranet.example.org"
MORE = """
[embed]
origins = ["{origin}"]
[[link]]
title = "Printing <rules>"
href = "https://intranet.example.org/rules"
[[notice]]
title = "Closed on Friday"
text = "The print room is closed."
level = "warn"
"""

Make = Callable[..., FlaskClient]


@pytest.fixture
def make(tmp_path: Path, directory: MemoryDirectory, clock: Clock) -> Make:
    """A function that makes a portal before some fakes, with more in its portal.toml."""

    def at(*stubs: InstanceStub, origin: str = INTRANET, public_url: str = "http://127.0.0.1:8000") -> FlaskClient:
        folder = write_folder(tmp_path / "embedding", list(stubs), public_url)
        path = folder / "portal.toml"
        path.write_text(path.read_text() + MORE.format(origin=origin))
        return create_app(folder, directory=directory, clock=clock).test_client()

    return at


def test_only_origins_on_the_list_may_frame_it_and_only_there(
    make: Make, print_stub: InstanceStub, net_stub: InstanceStub
) -> None:
    client = make(print_stub, net_stub)
    assert f"frame-ancestors {INTRANET}" in client.get("/embed").headers["Content-Security-Policy"]
    for path in ("/", "/sign-in", "/embed.json", "/embed.html", "/nowhere"):
        assert "frame-ancestors 'none'" in client.get(path).headers["Content-Security-Policy"]


def test_nobody_may_frame_it_unless_told(client: FlaskClient) -> None:
    assert "frame-ancestors 'none'" in client.get("/embed").headers["Content-Security-Policy"]
    assert client.get("/embed.json", headers={"Origin": INTRANET}).status_code == 403


@pytest.mark.parametrize("path", ["/embed.json", "/embed.html"])
def test_only_origins_on_the_list_may_read_it(make: Make, print_stub: InstanceStub, path: str) -> None:
    client = make(print_stub)
    good = client.get(path, headers={"Origin": INTRANET})
    assert good.headers["Access-Control-Allow-Origin"] == INTRANET
    assert good.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in good.headers["Vary"]
    for origin in ("https://evil.example", "https://intranet.example.org.evil.example", "null", INTRANET + ":444"):
        bad = client.get(path, headers={"Origin": origin})
        assert bad.status_code == 403
        assert "Access-Control-Allow-Origin" not in bad.headers
    assert "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": INTRANET}).headers


def test_who_is_not_signed_in_gets_a_link_and_nobodys_balance(make: Make, print_stub: InstanceStub) -> None:
    client = make(print_stub)
    assert client.get("/embed.json").get_json() == {"signed_in": False, "portal": "http://127.0.0.1:8000/"}
    page = client.get("/embed")
    assert 'href="http://127.0.0.1:8000/sign-in" target="_top"' in page.text
    assert print_stub.seen == []


def test_each_purse_is_told_and_what_fails_is_not_zero(
    make: Make, print_stub: InstanceStub, net_stub: InstanceStub
) -> None:
    client = make(print_stub, net_stub)
    sign_in(client)
    net_stub.mood = "error"
    said = client.get("/embed.json").get_json()
    assert said["signed_in"] is True
    good, bad = said["purses"]
    assert (good["instance"], good["is_fresh"], good["url"]) == ("print", True, "http://127.0.0.1:8000/go/print")
    assert good["balance_text"].startswith("$")
    assert (bad["is_fresh"], bad["balance_text"], bad["state"]) == (False, None, None)
    words = text_of(client.get("/embed"))
    assert good["balance_text"] in html.unescape(words)
    assert "not known" in words


def test_links_and_notices_of_the_administrators_are_shown_as_text(
    make: Make, print_stub: InstanceStub, net_stub: InstanceStub
) -> None:
    client = make(print_stub, net_stub)
    sign_in(client)
    page = client.get("/").text
    assert "Printing &lt;rules&gt;" in page
    assert "Closed on Friday" in page


@pytest.mark.parametrize(
    "origin", ["https://intranet.example.org/path", "intranet.example.org", "javascript:alert(1)", "*"]
)
def test_what_is_no_origin_stops_the_start(make: Make, print_stub: InstanceStub, tmp_path: Path, origin: str) -> None:
    with pytest.raises(PortalSettingsError, match="embed"):
        make(print_stub, origin=origin)


def test_an_origin_is_kept_as_browsers_send_it(make: Make, print_stub: InstanceStub, tmp_path: Path) -> None:
    make(print_stub, origin="https://Intranet.example.org:443/")
    assert Settings.load(tmp_path / "embedding").embed.origins == ["https://intranet.example.org"]


class _Intranet(BaseHTTPRequestHandler):
    """A homepage that frames the card and reads its JSON."""

    portal = ""

    def do_GET(self) -> None:
        """Give the page."""
        body = (
            f'<!doctype html><title>Home</title><iframe src="{self.portal}/embed"></iframe><pre id=said></pre>'
            f'<script>fetch("{self.portal}/embed.json", {{credentials: "include"}}).then(r => r.text())'
            ".then(t => document.getElementById('said').textContent = t)"
            ".catch(e => document.getElementById('said').textContent = 'refused')</script>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.long
@pytest.mark.parametrize("allowed", [True, False])
def test_a_real_browser_shows_it_on_the_intranets_page_only_where_allowed(
    make: Make, print_stub: InstanceStub, allowed: bool
) -> None:
    """Two ports of one address are one site and two origins, as an intranet and a portal under one domain are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Intranet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    intranet = f"http://127.0.0.1:{server.server_port}"
    client = make(print_stub, origin=intranet if allowed else INTRANET)
    try:
        with WebServer(client.application) as web, Browser(strict=allowed) as browser:
            _Intranet.portal = web.url
            page = browser.page()
            page.goto(f"{web.url}/sign-in")
            page.fill("#username", "mara")
            page.fill("#password", "demo-mara")
            page.press("#password", "Enter")
            page.wait_for_url(f"{web.url}/")
            page.goto(intranet)
            page.wait_for_function("document.getElementById('said').textContent")
            said = page.text_content("#said") or ""
            framed = page.frames[1]
            if allowed:
                assert '"signed_in":true' in said.replace(" ", "")
                assert framed.locator(".twinpurse-balance").inner_text().startswith("$")
            else:
                assert said == "refused"
                assert framed.locator(".twinpurse-balance").count() == 0
    finally:
        server.shutdown()
        server.server_close()
