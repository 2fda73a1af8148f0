"""The answer gets lost after the books have moved: whoever asks again hears the same, and is charged once."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from app.money import MICRO
from tests.api.conftest import INTERNET, PRINT, Instance, batch, item, job
from tests.servers.web import WebServer

PAGE = 50_000


def ask_and_hang_up(server: WebServer, path: str, body: object, token: str) -> None:
    """Send a request, and close the connection without reading a byte of the answer."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + content)


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "the request that nobody waits for was not done"
        time.sleep(0.02)


def test_a_print_job_whose_answers_are_lost_is_charged_once(
    make_api: Callable[..., Instance], database_url: str
) -> None:
    printing = make_api(database_url=database_url)
    printing.credit("alice", MICRO)
    token = printing.tokens["print"]
    with WebServer(printing.app) as server:
        ask_and_hang_up(server, PRINT, job(), token)
        wait_for(lambda: printing.figures("alice") == (MICRO, 3 * PAGE))
        asked = printing.ok("POST", PRINT, job())
        assert (asked["decision"], asked["run"]) == ("print", 1)
        assert printing.figures("alice") == (MICRO, 3 * PAGE)
        path, body = f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 2}
        ask_and_hang_up(server, path, body, token)
        wait_for(lambda: printing.figures("alice") == (MICRO - 2 * PAGE, 0))
    first = printing.ok("POST", path, body)
    assert first == {"charged_micro": 2 * PAGE, "charged_text": "$0.10", "pages": 2}
    assert printing.ok("POST", path, body) == first
    other = printing.call("POST", path, body | {"pages": 3})
    assert (other.status_code, other.get_json()["error"]) == (409, "key_reused")
    assert len(printing.entries("alice", "print")) == 1
    assert printing.figures("alice") == (MICRO - 2 * PAGE, 0)


def test_a_batch_of_usage_whose_answer_is_lost_is_booked_once(
    make_api: Callable[..., Instance], database_url: str
) -> None:
    internet = make_api(charges=("internet",), database_url=database_url)
    internet.credit("alice", MICRO)
    path, asked = f"{INTERNET}/usage", batch(1, item(size_bytes=5_000_000))
    with WebServer(internet.app) as server:
        ask_and_hang_up(server, path, asked, internet.tokens["internet"])
        wait_for(lambda: internet.figures("alice") == (MICRO - PAGE, 0))
    assert internet.ok("POST", path, asked) == {"batch": 1, "position": {"offset": 100}, "booked": 0}
    assert len(internet.entries("alice", "internet")) == 1
    assert internet.figures("alice") == (MICRO - PAGE, 0)
