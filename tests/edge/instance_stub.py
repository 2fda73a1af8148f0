"""A stand-in for an instance's print API, for tests of the CUPS edge.

It is a fake, because a real instance cannot be told to lose one response, to hang, or to be gone exactly between a
print and its capture. It answers what it was told to answer, records each request, and has no rule of its own but
the API's: a job whose run is not captured is answered with the same run again, a captured one with a new run, and
settling twice changes nothing. A released run is not captured unless it was asked for anew; a captured one is not
released. What was printed unasked counts once for each key.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.process import LOOPBACK, free_port

TOKEN = "tpm_test-of-the-edge"
SETTLE_PATH = re.compile(r"/api/v1/print/jobs/(\d+)/(capture|release)")


@dataclass
class Request:
    """One request as it arrived; `answered` is False when its response was lost on purpose."""

    method: str
    path: str
    body: dict[str, Any]
    token: str
    answered: bool = True


@dataclass
class Orders:
    """What the stub does: the decision, and how many of the coming requests fail, and how."""

    decision: str = "print"
    reason: str = ""
    lose: dict[str, int] = field(default_factory=dict)
    fail: deque[tuple[int, str]] = field(default_factory=deque)
    hang_s: float = 0
    raw: bytes | None = None
    plan: dict[str, Any] = field(default_factory=lambda: {"count": "pages", "away": "hold", "fresh_s": 0})


class WrongStateError(Exception):
    """A settlement that contradicts how the run stands: the API's 409."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    stub: InstanceStub

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what some tests are about."""


class InstanceStub:
    """One instance at `url`. up() and down() open and close its port; `requests` is what it was asked."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.requests: list[Request] = []
        self.orders = Orders()
        self.runs: dict[str, tuple[int, int]] = {}
        self.settled: dict[tuple[int, int], dict[str, Any]] = {}
        self.printed: dict[str, dict[str, Any]] = {}
        self.jobs = 0
        self._server: _Server | None = None
        self.lock = threading.Lock()
        self.released = threading.Event()

    def up(self) -> InstanceStub:
        """Listen on the same port as before."""
        self._server = _Server((LOOPBACK, self.port), _Handler)
        self._server.stub = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def down(self) -> None:
        """Close the port: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def behave(self) -> None:
        """Take back every order, forget every request, be up."""
        self.released.set()
        self.orders = Orders()
        self.requests.clear()
        self.runs.clear()
        self.settled.clear()
        self.printed.clear()
        self.jobs = 0
        self.released = threading.Event()
        if self._server is None:
            self.up()

    def asked(self, ending: str) -> list[Request]:
        """The requests whose path ends so: "/print/jobs", "/capture", "/release"."""
        return [request for request in list(self.requests) if request.path.endswith(ending)]

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the API says to a POST. Raises KeyError for a path that it has not."""
        found = SETTLE_PATH.fullmatch(path)
        with self.lock:
            if found:
                return self._settle((int(found.group(1)), int(body["run"])), found.group(2), body)
            if path == "/api/v1/print/printed":
                return self.printed.setdefault(body["print_key"], body)
            if path != "/api/v1/print/jobs":
                raise KeyError(path)
            uuid = body["job_uuid"]
            job, run = self.runs.get(uuid, (0, 0))
            if not job or self.settled.get((job, run), {}).get("how") == "capture":
                self.jobs += 1
                job, run = self.jobs, run + 1
            self.runs[uuid] = (job, run)
            self.settled.pop((job, run), None)  # a released run is held again
            orders = self.orders
            return {"decision": orders.decision, "reason": orders.reason, "job": job, "run": run, "price_micro": 150000}

    def _settle(self, key: tuple[int, int], how: str, body: dict[str, Any]) -> dict[str, Any]:
        kept = self.settled.setdefault(key, {"how": how, **body})
        if kept["how"] != how or kept.get("pages") != body.get("pages"):
            raise WrongStateError(f"job {key[0]} run {key[1]} was settled by {kept['how']}")
        return {"charged_micro": 0, "charged_text": "$0.00", "pages": kept.get("pages")}

    def charged(self) -> list[int]:
        """The pages of each captured run in the order of the captures, then those that were printed unasked."""
        captured = [kept["pages"] for kept in self.settled.values() if kept["how"] == "capture"]
        return captured + [kept["printed"] for kept in self.printed.values()]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep the tests quiet."""

    def do_GET(self) -> None:
        self._handle("GET", {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._handle("POST", json.loads(self.rfile.read(length)))

    def _handle(self, method: str, body: dict[str, Any]) -> None:
        assert isinstance(self.server, _Server)
        stub = self.server.stub
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        request = Request(method, self.path, body, token)
        stub.requests.append(request)
        orders, released = stub.orders, stub.released
        if orders.hang_s:
            request.answered = False
            released.wait(orders.hang_s)
            self.close_connection = True
            return None
        if orders.raw is not None:
            for byte in orders.raw:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
            self.close_connection = True
            return None
        if orders.fail:
            status, code = orders.fail.popleft()
            return self._send(status, {"error": code, "message": f"told to answer {status}"})
        if token != TOKEN:
            return self._send(401, {"error": "unauthorized", "message": "unknown token"})
        try:
            answer = stub.orders.plan if method == "GET" else stub.answer(self.path, body)
        except WrongStateError as error:
            return self._send(409, {"error": "wrong_state", "message": str(error)})
        ending = self.path.rsplit("/", 1)[-1]
        if orders.lose.get(ending, 0) > 0:
            orders.lose[ending] -= 1
            request.answered = False
            self.close_connection = True  # the work is done, the answer never arrives
            return None
        return self._send(200, answer)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
