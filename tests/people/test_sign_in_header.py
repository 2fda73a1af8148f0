"""Signing in by a proxy's header: from who is named, for who is active; from anybody else it is refused."""

from __future__ import annotations

import socket
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from flask import Flask
from pydantic import ValidationError

from app import clock
from app.db import writing
from app.people import service
from app.settings_tables import SignInSection
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory, MemoryPerson
from tests.conftest import person
from tests.people.conftest import Hand, make_local, with_sign_in
from tests.servers.process import Child
from tests.web.browsing import Browser, words_of

HEADER = "HTTP_REMOTEUSER"
PROJECT = Path(__file__).resolve().parents[2]
TWINPURSE = [sys.executable, "-c", "from app.cli import main; main()"]


@pytest.fixture
def app(print_app: Flask) -> Flask:
    """An instance that believes the proxy on this machine."""
    return with_sign_in(print_app, header="RemoteUser", header_from=["unix", "127.0.0.1/32"])


def coming(app: Flask, name: str, peer: str = "127.0.0.1") -> Browser:
    """A browser whose requests come from `peer` with `name` in the header."""
    browser = Browser(app)
    browser.client.environ_base.update({HEADER: name, "REMOTE_ADDR": peer})
    return browser


def test_who_the_proxy_names_is_signed_in_and_gets_where_they_wanted(app: Flask) -> None:
    for peer in ("127.0.0.1", "::ffff:127.0.0.1", "", "local"):
        response = coming(app, "alice", peer).get("/statement", follow_redirects=True)
        assert response.status_code == 200, peer
        assert response.request.path == "/statement"
        assert "Alice Andersson" in response.text


def test_the_header_of_anybody_else_is_refused_and_the_log_says_so(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    for peer, seen in (("192.0.2.9", "192.0.2.9"), ("127.0.0.2", "127.0.0.2"), ("::1", "::1"), ("nonsense", "?")):
        caplog.clear()
        browser = coming(app, "admin", peer)
        assert browser.get("/").headers["Location"] == "/sign-in"
        page = browser.get("/sign-in")
        assert (page.status_code, "Ada Min" in page.text) == (200, False)
        assert browser.get("/admin/people").status_code == 302
        assert f"refused the header RemoteUser from {seen}, which header_from does not name" in caplog.text
        assert browser.sign_in("alice").status_code == 303
        assert "Alice Andersson" in browser.get("/").text


def test_a_forwarded_address_is_no_peer(print_app: Flask) -> None:
    app = with_sign_in(print_app, header="RemoteUser", header_from=["192.0.2.1"], trusted_proxies=["127.0.0.1"])
    browser = coming(app, "admin")
    browser.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.1"
    assert browser.get("/sign-in").status_code == 200


def test_without_the_setting_the_header_means_nothing(print_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    assert coming(print_app, "admin").get("/").headers["Location"] == "/sign-in"
    assert coming(print_app, "admin").get("/sign-in").status_code == 200
    assert "header" not in caplog.text


def test_who_may_not_come_in_is_told_so_without_a_loop(app: Flask, cast: MemoryDirectory) -> None:
    cast.put(MemoryPerson(replace(person("dora", "Dora Disabled", ()), disabled=True), "demo-dora"))
    make_local(app, "guest1")
    make_local(app, "rescue", administrator=True)
    for name in ("nobody", "dora", "guest1", "rescue", "alice,bob", "*", "OTHER\\alice"):
        browser = coming(app, name)
        assert browser.get("/").headers["Location"] == "/sign-in", name
        page = browser.get("/sign-in")
        assert page.status_code == (200 if "," in name else 401), name
        assert browser.get("/").status_code == 302, name
    assert "nobody of this name may sign in here" in words_of(coming(app, "nobody").get("/sign-in").text)


def test_signing_out_is_not_undone_by_the_header(app: Flask) -> None:
    browser = coming(app, "alice")
    browser.get("/sign-in")
    response = browser.send("/sign-out", "/")
    assert response.headers["Location"] == "/sign-in?by=hand"
    page = browser.get(response.headers["Location"])
    assert page.status_code == 200
    assert "You are signed out here. Your network still knows you" in words_of(page.text)
    assert browser.send("/sign-in", "/sign-in?by=hand", username="bob", password="demo-bob").status_code == 303
    assert "Bob Brown" in browser.get("/").text


def test_a_session_lasts_while_the_header_names_its_person(app: Flask) -> None:
    browser = coming(app, "alice")
    browser.get("/sign-in")
    assert "Alice Andersson" in browser.get("/").text
    browser.client.environ_base[HEADER] = " ALICE "
    assert browser.get("/").status_code == 200
    browser.client.environ_base[HEADER] = "bob"
    assert browser.get("/").status_code == 302
    browser.get("/sign-in")
    assert "Bob Brown" in browser.get("/").text
    del browser.client.environ_base[HEADER]
    assert browser.get("/").status_code == 302
    browser.client.environ_base.update({HEADER: "bob", "REMOTE_ADDR": "192.0.2.9"})
    assert browser.get("/").status_code == 302


def test_a_directory_that_is_away_is_said(app: Flask, cast: MemoryDirectory, hand: Hand) -> None:
    cast.failure = DirectoryUnavailableError("refused")
    page = coming(app, "alice").get("/sign-in")
    assert page.status_code == 503
    assert "directory does not answer" in words_of(page.text)
    cast.failure = None
    coming(app, "alice").get("/sign-in")
    cast.failure = DirectoryUnavailableError("refused")
    assert coming(app, "alice").get("/sign-in").status_code == 302, "who is known comes in"


@pytest.mark.parametrize(
    "section",
    [
        {"header": "RemoteUser"},
        {"header_from": ["unix"]},
        {"header": "X-Remote-User", "header_from": ["unix"]},
        {"header": "X_User", "header_from": ["unix"]},
        {"header": "RemoteUser", "header_from": ["everywhere"]},
        {"header": "RemoteUser", "header_from": ["127.0.0.1/8"]},
        {"trusted_proxies": ["proxy.example.org"]},
    ],
)
def test_a_setting_that_would_believe_too_much_or_nobody_is_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SignInSection(**section)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_served_socket_is_believed(make_instance: Callable[..., Flask], tmp_path: Path) -> None:
    """By the real server: it must be known what it calls whoever comes through a Unix socket."""
    app = make_instance()
    folder, alice = app.extensions["twinpurse.settings"].folder, person("alice", "Alice Andersson", ())
    config, path = folder / "config.toml", tmp_path / "purse.sock"
    config.write_text(config.read_text() + '\n[sign_in]\nheader = "RemoteUser"\nheader_from = ["unix"]\n')
    with app.app_context():
        writing(lambda session: service.remember(session, person=alice, admin_groups=[], now=clock.now()))
    command = [*TWINPURSE, "serve", str(folder), "--socket", str(path)]
    with Child(command, cwd=PROJECT, log=tmp_path / "serve.log") as server:
        until = time.monotonic() + 60
        while not answers(path):
            assert server.running, server.log_tail()
            assert time.monotonic() < until, server.log_tail()
            time.sleep(0.05)
        answer = ask(path, "/sign-in", RemoteUser="alice")
        assert (answer.status, answer.headers["Location"]) == (302, "/")
        assert ask(path, "/sign-in").status == 200
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


def answers(path: Path) -> bool:
    """Whether somebody listens on a Unix socket."""
    try:
        return ask(path, "/healthz").status == 200
    except OSError:
        return False


def ask(path: Path, address: str, **headers: str) -> HTTPResponse:
    """Ask a server on a Unix socket for a page."""
    connection = HTTPConnection("127.0.0.1")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(str(path))
    connection.request("GET", address, headers=headers)
    return connection.getresponse()
