"""What a broken or hostile instance may send: for the fake instance, which sends the pieces as they come."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECONDS = 10.0
"""Longer than any page waits."""


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _endless(head: bytes, piece: bytes, pause_s: float = 0.02) -> Iterator[bytes]:
    yield head
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(pause_s)
        yield piece


def _then_silence(head: bytes) -> Iterator[bytes]:
    yield head
    time.sleep(SECONDS)


def _whole(body: bytes, status: str = "200 OK", more: bytes = b"") -> Iterator[bytes]:
    yield b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n" % status.encode()
    yield more + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _short(body: bytes) -> Iterator[bytes]:
    yield HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 100) + body


def _changed(good: bytes, **changes: object) -> Iterator[bytes]:
    return _whole(json.dumps(json.loads(good) | changes).encode())


def _number(good: bytes, text: bytes) -> Iterator[bytes]:
    return _whole(good.replace(b'"balance_micro": 850000', b'"balance_micro": ' + text))


BOMB = gzip.compress(b" " * 100_000_000)
SILENT: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "headers, then silence": lambda good: _then_silence(HEAD + b"Content-Length: %d\r\n\r\n" % len(good)),
    "half of the body, then silence": lambda good: _then_silence(
        HEAD + b"Content-Length: %d\r\n\r\n" % len(good) + good[: len(good) // 2]
    ),
    "one letter of the status line, then silence": lambda _good: _then_silence(b"H"),
    "headers without end": lambda _good: _endless(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
    "a header without end": lambda _good: _endless(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
    "go-aheads without end": lambda _good: _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks without end": lambda _good: _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", _chunk(b" ")),
    "a chunk's size without end": lambda _good: _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "a body without a length": lambda _good: _endless(HEAD + b"\r\n", b" "),
}
"""By name: what keeps a reader waiting until it looks at the clock. Each gets the good answer's body."""

UNUSABLE: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "a gzip bomb": lambda _good: _whole(BOMB, more=b"Content-Encoding: gzip\r\n"),
    "a gzip bomb as transfer": lambda _good: _whole(BOMB, more=b"Transfer-Encoding: gzip\r\n"),
    "chunks of 50 MB": lambda _good: _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", _chunk(b" " * 100_000), 0),
    "a megabyte of headers": lambda _good: iter([b"HTTP/1.1 200 OK\r\n", b"X-Long: 0123456789\r\n" * 50_000, b"\r\n"]),
    "a page": lambda _good: iter([b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<h1>$99</"]),
    "no content": lambda _good: iter([b"HTTP/1.1 204 No Content\r\n\r\n"]),
    "not modified": lambda _good: iter([b"HTTP/1.1 304 Not Modified\r\n\r\n"]),
    "a part": lambda good: _whole(good, "206 Partial Content"),
    "a fault": lambda _good: _whole(b'{"error": "http", "message": "$99.00"}', "500 Internal Server Error"),
    "too busy": lambda _good: _whole(b'{"error": "unavailable", "message": "no"}', "503 Service Unavailable"),
    "too many": lambda _good: _whole(b'{"error": "too_many", "message": "no"}', "429 Too Many Requests"),
    "not let in": lambda _good: _whole(b'{"error": "not_signed_in", "message": "no"}', "401 Unauthorized"),
    "a proxy's not found": lambda _good: _whole(b'{"title": "no such host"}', "404 Not Found"),
    "a strange status": lambda good: _whole(good, "299 Perhaps"),
    "no status": lambda good: _whole(good, "abc"),
    "cut off": _short,
    "two lengths": lambda good: _whole(good, more=b"Content-Length: 3\r\n"),
    "an empty body": lambda _good: _whole(b""),
    "null": lambda _good: _whole(b"null"),
    "a list": lambda good: _whole(b"[" + good + b"]"),
    "a text": lambda good: _whole(json.dumps(good.decode()).encode()),
    "deep": lambda _good: _whole(b"[" * 100_000),
    "not UTF-8": lambda good: _whole(good.replace(b"Fine", b"F\xff\xfe").replace(b"Low", b"L\xff\xfe")),
    "half a surrogate": lambda good: _whole(good.replace(b'"Low"', b'"\\ud800"').replace(b'"Fine"', b'"\\ud800"')),
    "NaN": lambda good: _number(good, b"NaN"),
    "Infinity": lambda good: _number(good, b"-Infinity"),
    "a number too large": lambda good: _number(good, b"1e400"),
    "a number of many figures": lambda good: _number(good, b"9" * 100_000),
    "true for a number": lambda good: _number(good, b"true"),
    "a figure that is none": lambda good: _changed(good, amount_figure="<b>1</b>", unit={"symbol": "$"}),
    "decimals without end": lambda good: _changed(good, unit={"kind": "currency", "symbol": "$", "decimals": 4000}),
    "the last moment": lambda good: _changed(good, as_of="9999-12-31T23:59:59-12:00"),
    "the first moment": lambda good: _changed(good, as_of="0001-01-01T00:00:00+12:00"),
    "a credit at the end of time": lambda good: _changed(
        good,
        next_credit={"at": "9999-12-31T23:59:59-12:00", "when_text": "x", "amount_text": "x", "schedule": "x"},
    ),
    "null for everything": lambda good: _whole(json.dumps(dict.fromkeys(json.loads(good))).encode()),
    "nothing in it": lambda _good: _whole(b"{}"),
}
"""By name: what is no good answer, and is there at once."""
