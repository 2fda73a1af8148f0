"""A fake instance on a loopback port, for answers that a real instance cannot be made to give.

It speaks HTTP by hand, so that it can be slow, drip, lie and redirect. It checks no token; it keeps what it was sent.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from tests.portal.bad_answers import SILENT, UNUSABLE


def card(instance: str, /, **changes: Any) -> dict[str, Any]:
    """A good answer to GET /api/v1/purse."""
    internet = instance != "print"
    days = [8.1, 7.4, 7.1, 6.7, 5.9, 5.1, 4.4, 3.6, 2.9, 2.5, 2.1, 0.9, 0.4, 0.85]
    if not internet:
        days = [1, 1, 2, 2, 4, 2.2, 2.2, 2, 1.65, 1.65, 1.65, 3.65, 3.45, 3.4]
    today = date(2026, 11, 19)
    return {
        "instance": instance,
        "name": "Internet" if internet else "Print",
        "look": "net" if internet else "print",
        "charges": ["internet"] if internet else ["print"],
        "mode": "enforce",
        "as_of": datetime.now(UTC).isoformat(timespec="seconds"),
        "user": {"display_name": "Mara Lindqvist"},
        "balance_micro": 850_000 if internet else 3_400_000,
        "balance_text": "$0.85" if internet else "$3.40",
        "amount_symbol": "$",
        "amount_figure": "0.85" if internet else "3.40",
        "available_micro": 850_000 if internet else 3_400_000,
        "held_text": "$0.00",
        "state": "low" if internet else "ok",
        "state_text": "Low" if internet else "Fine",
        "means": "Enough for about 85 MB" if internet else "Enough for about 68 pages",
        "next_credit": {
            "at": "2026-12-01T00:05:00+01:00" if internet else "2026-11-23T07:00:00+01:00",
            "when_text": "1 December 00:05" if internet else "Monday 07:00",
            "amount_text": "+$10.00" if internet else "+$2.00",
            "schedule": "Monthly Internet money" if internet else "Weekly print money",
        },
        "lasts_text": "about 2 days" if internet else "about 2 weeks",
        "trend": [
            {"on": (today - timedelta(days=len(days) - 1 - at)).isoformat(), "balance_micro": round(value * 1_000_000)}
            for at, value in enumerate(days)
        ],
        "details_url": "http://127.0.0.1/",
    } | changes


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class InstanceStub:
    """The fake server. `mood` is what it does to every request; `changes` are made to its card."""

    id: str
    mood: str = "good"
    changes: dict[str, Any] = field(default_factory=dict)
    code_url: str = ""
    port: int = 0
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen, on `port` or on a free one."""
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening; requests under way end by themselves."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(65536)
                if not part:
                    return
                head += part
            lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in lines)}
            self.seen.append(Seen(method, path, headers))
            for part in self._answer(path):
                if self._stop.is_set():
                    return
                connection.sendall(part)

    def _answer(self, path: str) -> Iterator[bytes]:
        good = json.dumps(card(self.id, **self.changes)).encode()
        if path.endswith("/enter-codes"):
            url = self.code_url or f"{self.url}/enter?code=one-time"
            good = json.dumps({"code": "one-time", "url": url}).encode()
        match self.mood:
            case "good":
                yield _response(200, good)
            case "slow":
                time.sleep(5)
                yield _response(200, good)
            case "error":
                yield _response(500, b'{"error":"http","message":"no"}')
            case "html":
                yield _response(200, b"<h1>$99.00</h1>", kind="text/html")
            case "json-as-html":
                yield _response(200, good, kind="text/html")
            case "bad json":
                yield _response(200, good[:-1])
            case "huge":
                yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n"
                for _ in range(500):
                    yield b" " * 100_000
            case "redirect":
                yield _response(302, good, more=f"Location: {self.url}/elsewhere\r\n")
            case "drip":
                yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
                for _ in range(100):
                    time.sleep(0.2)
                    yield b" "
            case "drip headers":
                yield b"HTTP/1.1 200 OK\r\n"
                for _ in range(100):
                    time.sleep(0.2)
                    yield b"X-Drip: 1\r\n"
            case "gzip":
                yield _response(200, good, more="Content-Encoding: gzip\r\n")
            case "not http":
                yield b"SSH-2.0-OpenSSH_9.2\r\n"
            case "unknown person":
                yield _response(404, b'{"error":"not_found","message":"nobody of this name"}')
            case "silent":
                time.sleep(5)
            case _:
                yield from (SILENT | UNUSABLE)[self.mood](good)


def _response(status: int, body: bytes, *, kind: str = "application/json", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + body
