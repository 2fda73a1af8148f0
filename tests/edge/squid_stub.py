"""A fake instance for the Squid programs: it keeps the contract of the API in memory and fails on demand.

It stands in for the real instance where that cannot show the case: an answer lost after booking, an absence at an
exact moment, a list that never comes. The end-to-end tests run the same programs with a real instance.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "tpm_test-token"
USAGE_FIELDS = {"source", "batch", "position", "version", "users", "newest", "slots"}
TABLE: dict[str, Any] = {"version": "1", "slot_s": 3600, "period_s": 0, "own": [], "domains": False, "sites": []}


class StubInstance:
    """Books usage by batch, says who may go on. Change its public fields at any time to make it misbehave."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.batch = 0
        self.position: dict[str, Any] | None = None
        self.bytes: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self.cached: Counter[str] = Counter()
        self.sites: Counter[tuple[str, int]] = Counter()
        self.requests: Counter[str] = Counter()
        self.last: dict[str, Any] = {}  # the last batch that was booked
        self.table = dict(TABLE)
        self.posts = 0  # how many times usage arrived, booked or not
        self.mode = "enforce"
        self.users: dict[str, bool | str] = {}
        self.open: list[str] = []
        self.closed: list[str] = []
        self.told: dict[str, dict[str, bool | str]] = {}  # by version: what was said then
        self.messages: dict[str, str] = {}
        self.german: dict[str, str] = {}
        self.away = False  # closes every connection without an answer
        self.turned_away = 0  # connections closed like that
        self.broken = False  # answers 500
        self.lose_answers = 0  # so many postings are booked and then not answered
        self.unable: set[str] = set()  # of these users it says 503, as while the directory is away
        self.look_up_pause_s = 0.0
        self.asked: Counter[str] = Counter()
        self.lists_sent = 0
        self.lists_unchanged = 0
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def write_config(self, folder: Path, *, server: str = "proxy-1", token: str = TOKEN) -> Path:
        """Write edge.toml and its token into `folder`, return the path of the first."""
        token_file = folder / "edge-token"
        token_file.write_text(token + "\n")
        token_file.chmod(0o600)
        config = folder / "edge.toml"
        config.write_text(f'instance_url = "{self.url}"\ntoken_file = "{token_file}"\nserver = "{server}"\n')
        return config

    def book(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What the real instance does with a batch, without prices."""
        with self.lock:
            self.posts += 1
            if not set(body) >= USAGE_FIELDS or not isinstance(body["position"], dict):
                return 422, {"error": "invalid", "message": "fields"}
            if body["batch"] > self.batch + 1:
                return 409, {"error": "conflict", "message": "a gap"}
            booked = 0
            if body["batch"] == self.batch + 1:
                self.batch, self.position = body["batch"], body["position"]
                self.last = body
                for slot in body["slots"]:
                    for place, user in enumerate(slot[1]):
                        name = body["users"][user]
                        down, up, cached = (column[place] if column else 0 for column in slot[3:6])
                        assert type(down) is int
                        assert down + up > 0
                        self.bytes[name] += down
                        self.uploads[name] += up
                        self.cached[name] += cached
                        self.requests[name] += slot[6][place]
                        self.sites[name, slot[2][place] if slot[2] else 0] += down
                        booked += 1
            return 200, {"batch": self.batch, "position": self.position, "booked": booked}

    def word_on(self, user: str) -> dict[str, Any]:
        """The answer about one user; unknown ones may not go on."""
        self.asked[user] += 1
        time.sleep(self.look_up_pause_s)
        word = self.mode == "monitor" or self.users.get(user, False)
        allowed, how = bool(word), word if isinstance(word, str) else ""
        message = "" if allowed else self.messages.get(user, f"{user} has an empty purse")
        found = {"user": user, "allowed": allowed, "how": how, "message": message, "details_url": self.url}
        german = self.german.get(user)
        return found | ({"messages": {"en": message, "de": german}} if german and not allowed else {})

    def __enter__(self) -> StubInstance:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that went away; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(stub: StubInstance) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _fails(self) -> bool:
            if stub.away:
                stub.turned_away += 1
                self.close_connection = True
                return True
            if stub.broken:
                self._answer(500, {"error": "broken"})
                return True
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._answer(401, {"error": "unauthorized", "message": "unknown token"})
                return True
            return False

        def do_GET(self) -> None:
            if self._fails():
                return
            parts = urlsplit(self.path)
            if parts.path == "/api/v1/internet/position":
                assert parse_qs(parts.query)["source"]
                self._answer(200, {"batch": stub.batch, "position": stub.position})
            elif parts.path == "/api/v1/internet/table":
                self._answer(200, stub.table)
            elif parts.path == "/api/v1/internet/standing":
                self._send_list(parse_qs(parts.query).get("since", [""])[0])
            elif parts.path.startswith("/api/v1/internet/standing/"):
                user = unquote(parts.path.rsplit("/", 1)[1])
                found = stub.word_on(user)
                unable = {"error": "unavailable", "message": "The directory does not answer."}
                self._answer(*((503, unable) if user in stub.unable else (200, found)))
            else:
                self._answer(404, {"error": "not_found", "message": self.path})

        def _send_list(self, since: str) -> None:
            header = {"mode": stub.mode, "domains": [], "open": list(stub.open), "closed": list(stub.closed)}
            users = dict(stub.users)
            version = hashlib.sha256(json.dumps([header, users]).encode()).hexdigest()[:16]
            before = stub.told.get(since)
            stub.told[version] = users
            etag = f'"{version}"'
            if since == version:
                stub.lists_unchanged += 1
                self.send_response(304)
                self.send_header("ETag", etag)
                self.end_headers()
                return
            stub.lists_sent += 1
            told: dict[str, Any] = dict(users)
            if before is not None:
                gone = dict.fromkeys(before.keys() - users.keys())
                told = {name: word for name, word in users.items() if before.get(name) != word} | gone
            body = {**header, "version": version, "full": before is None, "users": told}
            self._answer(200, body, etag=etag)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._fails():
                return
            status, answer = stub.book(body)
            if stub.lose_answers and status == 200:
                stub.lose_answers -= 1
                self.close_connection = True
                return
            self._answer(status, answer)

        def _answer(self, status: int, body: dict[str, Any], etag: str = "") -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if etag:
                self.send_header("ETag", etag)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    return Handler
