"""A stand-in for an instance's client API, for what a real one cannot be told to do.

It hangs, drips, answers nonsense, redirects, shows another's certificate, or is gone and comes back on the same port.
It records what it was asked. What a balance looks like is `CARD`, which tests compare with a real instance's answer.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.authority import Certificate
from tests.servers.process import LOOPBACK, free_port

TOKEN = "tpd_of-the-stub"
CARD: dict[str, Any] = {
    "instance": "print",
    "name": "Print",
    "look": "print",
    "charges": ["print"],
    "mode": "enforce",
    "as_of": "2026-11-23T10:31:00+01:00",
    "user": {"username": "alice", "display_name": "Alice Andersson"},
    "balance_micro": 3_400_000,
    "balance_text": "$3.40",
    "amount_symbol": "$",
    "amount_figure": "3.40",
    "available_micro": 3_400_000,
    "held_micro": 0,
    "held_text": "$0.00",
    "state": "ok",
    "state_text": "Fine",
    "means": "Enough for about 68 pages",
    "next_credit": {
        "at": "2026-11-30T07:00:00+01:00",
        "when_text": "Monday 07:00",
        "amount_text": "+$2.00",
        "schedule": "Weekly",
    },
    "lasts_text": "about 5 days",
    "details_url": "https://print.example.org/",
    "news": "7-0",
    "poll_seconds": 60,
    "low_micro": 1_000_000,
}


@dataclass
class Orders:
    """What the stub does next. `way`: "well", "hang", "drip", "garbage", "redirect", "fault", "busy" or "refuse"."""

    way: str = "well"
    card: dict[str, Any] = field(default_factory=lambda: dict(CARD))
    tag: str = '"1"'
    messages: list[dict[str, str]] = field(default_factory=list)
    refusal: tuple[int, dict[str, str]] = (401, {"error": "not_signed_in", "message": "Sign in.", "reason": "revoked"})
    retry_after: str = ""
    believes: bool = False


class InstanceStub:
    """One instance at `url`; up() and down() open and close its port. With a certificate it speaks TLS."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://{LOOPBACK}:{self.port}"
        self.orders = Orders()
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self._certificate = certificate
        self._server: ThreadingHTTPServer | None = None
        self.released = threading.Event()

    def up(self) -> InstanceStub:
        """Listen."""
        server = _Server((LOOPBACK, self.port), _Handler)
        server.stub = self
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate.certificate, self._certificate.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self._server = server
        return self

    def down(self) -> None:
        """Close the port: connections are refused."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of the requests for a path below /api/v1/client."""
        return [headers for _, found, headers, _ in list(self.requests) if found.split("?")[0].endswith(path)]

    def __enter__(self) -> InstanceStub:
        return self.up()

    def __exit__(self, *_problem: object) -> None:
        self.down()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    stub: InstanceStub

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep the tests quiet."""

    def do_GET(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        assert isinstance(self.server, _Server)
        stub = self.server.stub
        orders = stub.orders
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        stub.requests.append((self.command, self.path, dict(self.headers.items()), body))
        path = self.path.split("?")[0].removeprefix("/api/v1/client")
        if orders.way == "hang":
            stub.released.wait(60)
            self.close_connection = True
        elif orders.way == "drip":
            self._drip()
        elif orders.way == "garbage":
            self._send(200, b"<html>welcome to the hotel</html>", "text/html")
        elif orders.way == "redirect":
            self._send(302, b"", "text/html", Location="https://elsewhere.example/")
        elif orders.way == "fault":
            self._send(500, b"{}", "application/json")
        elif orders.way == "busy":
            self._json(503, {"error": "unavailable", "message": "Busy."}, **{"Retry-After": orders.retry_after})
        elif orders.way == "refuse" and path != "/devices":
            self._json(*orders.refusal)
        else:
            self._answer(path, orders)

    def _answer(self, path: str, orders: Orders) -> None:
        if path == "/devices":
            self._json(201, {"token": TOKEN, "device": 1, "name": "x", "user": CARD["user"]})
        elif path == "/devices/by-login-name" and not orders.believes:
            self._json(403, {"error": "not_allowed", "message": "Not enough here."})
        elif path == "/devices/by-login-name":
            self._json(201, {"token": TOKEN, "device": 1, "name": "x", "user": CARD["user"]})
        elif path == "/messages":
            self._json(200, {"messages": orders.messages, "next": orders.card["news"]})
        elif path == "/device":
            self._json(200, {})
        elif self.headers.get("If-None-Match") == orders.tag:
            self._send(304, b"", "", ETag=orders.tag)
        else:
            self._json(200, orders.card, ETag=orders.tag)

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n")
        while not self.server.stub.released.is_set():  # type: ignore[attr-defined]
            try:
                self.wfile.write(b" ")
            except OSError:
                break
            time.sleep(0.1)
        self.close_connection = True

    def _json(self, status: int, body: dict[str, Any], **headers: str) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", **headers)

    def _send(self, status: int, content: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
