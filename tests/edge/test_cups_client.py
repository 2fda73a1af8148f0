"""The edge's HTTP client against answers that are late, endless, strange or not the instance's."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.settings import InstanceSettings
from tests.edge.instance_stub import TOKEN, InstanceStub
from tests.servers.process import LOOPBACK


def client_for(url: str, timeout_s: float = 1, token: str = TOKEN) -> InstanceClient:
    return InstanceClient(InstanceSettings(url, token, "print-1", "", 0.5, timeout_s))


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    instance = InstanceStub().up()
    yield instance
    instance.released.set()
    instance.down()


QUESTION = {"job_uuid": "u", "pages": 3}


def test_an_answer_is_an_object(stub: InstanceStub) -> None:
    answer = client_for(stub.url).post("/print/jobs", QUESTION)
    assert answer["decision"] == "print"
    assert stub.requests[0].token == TOKEN


def test_nobody_there_is_away(stub: InstanceStub) -> None:
    stub.down()
    with pytest.raises(InstanceAwayError):
        client_for(stub.url).post("/print/jobs", QUESTION)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_trouble_on_the_other_side_is_away(stub: InstanceStub, status: int) -> None:
    stub.orders.fail.append((status, "trouble"))
    with pytest.raises(InstanceAwayError):
        client_for(stub.url).post("/print/jobs", QUESTION)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_no_is_a_no(stub: InstanceStub, status: int) -> None:
    stub.orders.fail.append((status, "never"))
    with pytest.raises(InstanceRefusedError) as raised:
        client_for(stub.url).post("/print/jobs", QUESTION)
    assert (raised.value.status, raised.value.code) == (status, "never")
    assert raised.value.about_token == (status in (401, 403))


def test_silence_ends_in_time(stub: InstanceStub) -> None:
    stub.orders.hang_s = 5
    begun = time.monotonic()
    with pytest.raises(InstanceAwayError, match="no answer in time"):
        client_for(stub.url, 0.4).post("/print/jobs", QUESTION)
    assert time.monotonic() - begun < 6


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"])
def test_drops_do_not_keep_it_waiting(stub: InstanceStub, start: bytes) -> None:
    """Each byte comes well within a socket's time limit; all of them together would take minutes."""
    stub.orders.raw = start + b" " * 4000
    begun = time.monotonic()
    with pytest.raises(InstanceAwayError):
        client_for(stub.url, 0.8).post("/print/jobs", QUESTION)
    assert time.monotonic() - begun < 6


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that gives everybody the same answer; yields its URL and the list of paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests quiet."""

    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}", asked
        finally:
            server.shutdown()


JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"Content-Type": "text/html"}, b"<title>Sign in to the guest network</title>"),
        (200, JSON, b"[1]"),
        (200, JSON, b'{"a": '),
        (200, JSON, b"\xff"),
        (404, {"Content-Type": "text/html"}, b"nginx"),
        (404, JSON, b'{"detail": "not ours"}'),
        (201, JSON, b"{}"),
    ],
)
def test_what_no_instance_says_is_away(status: int, headers: dict[str, str], body: bytes) -> None:
    with answering(status, headers, body) as (url, _), pytest.raises(InstanceAwayError):
        client_for(url).get("/x")


def test_a_redirect_is_not_followed() -> None:
    with answering(200, JSON, b'{"stolen": true}') as (elsewhere, asked_there):
        for status in (301, 302, 307, 308):
            with (
                answering(status, {"Location": elsewhere + "/x"}, b"") as (url, _),
                pytest.raises(InstanceAwayError),
            ):
                client_for(url).get("/x")
        assert asked_there == []


def test_a_huge_answer_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.client.MAX_ANSWER_BYTES", 1000)
    body = json.dumps({"a": "x" * 2000}).encode()
    with answering(200, JSON, body) as (url, _), pytest.raises(InstanceAwayError):
        client_for(url).get("/x")


def test_a_proxy_in_the_environment_is_not_used(stub: InstanceStub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert client_for(stub.url).post("/print/jobs", QUESTION)


def test_unchanged_is_an_answer() -> None:
    with answering(304, {"ETag": '"7"'}, b"") as (url, asked):
        answer = client_for(url).get("/internet/standing", {"If-None-Match": '"7"'})
    assert (answer.status, answer.headers["etag"], answer.body) == (304, '"7"', {})
    assert asked == ["/api/v1/internet/standing"]
