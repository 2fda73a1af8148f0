"""One HTTP/1.1 request on a connection of its own, bounded in time and size: what the edge needs of HTTP, and no more.

Python's own http.client loads the mail parser and TLS, which takes longer than all else that a backend does to start.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import ssl

STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
MAX_HEAD_BYTES: Final = 65_536
MAX_CHUNK_LINE: Final = 1024
READ_BYTES: Final = 65_536
NO_BODY: Final = (204, 304)


class WireError(Exception):
    """There was no whole answer: nobody there, out of time, or it broke off or was none of HTTP. Says which."""


class WireAnswer(NamedTuple):
    """Status, header fields (names in lower case, the last of each name) and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Peer(NamedTuple):
    """Where to connect; with `tls` the name of the certificate is `host`, as the context says. Times in seconds."""

    host: str
    port: int
    connect_s: float
    answer_s: float
    tls: ssl.SSLContext | None = None


def exchange(
    peer: Peer, method: str, target: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int
) -> WireAnswer:
    """Send one request and read the whole answer, at most `most_bytes` of body. Raises WireError."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {_host_field(peer)}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in head):
        raise WireError("a header field has a line break")
    sent = "\r\n".join([*head, "", ""]).encode("ascii", "replace") + (body or b"")
    try:
        with _connect(peer) as connection:
            stream = _Stream(connection, time.monotonic() + peer.answer_s)
            connection.sendall(sent)
            if hasattr(socket, "TCP_QUICKACK"):  # else who writes in two pieces waits 40 ms for an ACK
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return _read_answer(stream, method, most_bytes)
    except TimeoutError:
        raise WireError("no answer in time") from None
    except (OSError, UnicodeError) as error:  # a host name that is none cannot be encoded
        raise WireError(getattr(error, "strerror", "") or "the connection broke off") from None


def _host_field(peer: Peer) -> str:
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    return f"{host}:{peer.port}"


def _connect(peer: Peer) -> socket.socket:
    connection = socket.create_connection((peer.host, peer.port), timeout=peer.connect_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if peer.tls is None:
            connection.settimeout(peer.answer_s)
            return connection
        secured = peer.tls.wrap_socket(connection, server_hostname=peer.host)
        secured.settimeout(peer.answer_s)
        return secured
    except BaseException:
        connection.close()
        raise


class _Stream:
    """Reads from a connection until a deadline for everything: a socket's own limit begins anew with each byte."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._held = b""

    def more(self) -> bytes:
        """Some bytes; none when the other side has ended. Raises TimeoutError, OSError."""
        if self._held:
            held, self._held = self._held, b""
            return held
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv(READ_BYTES)

    def until(self, mark: bytes, most: int) -> bytes:
        """Everything before `mark`, which is passed over. Raises WireError."""
        found = b""
        while mark not in found:
            piece = self.more()
            if not piece or len(found) > most:
                raise WireError("the answer broke off")
            found += piece
        before, _, self._held = found.partition(mark)
        return before

    def exactly(self, length: int) -> bytes:
        """So many bytes. Raises WireError."""
        pieces, left = [], length
        while left:
            piece = self.more()
            if not piece:
                raise WireError("the answer broke off")
            pieces.append(piece[:left])
            self._held = piece[left:]
            left -= len(pieces[-1])
        return b"".join(pieces)


def _read_answer(stream: _Stream, method: str, most: int) -> WireAnswer:
    status, headers = _head(stream)
    while 100 <= status < 200:
        status, headers = _head(stream)
    if method == "HEAD" or status in NO_BODY:
        return WireAnswer(status, headers, b"")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].strip().lower() != "chunked":
            raise WireError("the answer is coded in a way that was not asked for")
        return WireAnswer(status, headers, _chunks(stream, most))
    if "content-length" in headers:
        length = headers["content-length"].strip()
        if not (length.isascii() and length.isdigit()) or int(length) > most:
            raise WireError("the answer is too large")
        return WireAnswer(status, headers, stream.exactly(int(length)))
    pieces: list[bytes] = []
    got = 0
    while piece := stream.more():
        pieces.append(piece)
        got += len(piece)
        if got > most:
            raise WireError("the answer is too large")
    return WireAnswer(status, headers, b"".join(pieces))


def _head(stream: _Stream) -> tuple[int, dict[str, str]]:
    lines = stream.until(b"\r\n\r\n", MAX_HEAD_BYTES).split(b"\r\n")
    found = STATUS_LINE.fullmatch(lines[0])
    if found is None:
        raise WireError("the answer is no HTTP")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise WireError("the answer is no HTTP")
        headers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
    return int(found.group(1)), headers


def _chunks(stream: _Stream, most: int) -> bytes:
    """The body of an answer that comes in chunks (RFC 9112, 7.1); fields after the last one are read and dropped."""
    pieces: list[bytes] = []
    got = 0
    while True:
        line = stream.until(b"\r\n", MAX_CHUNK_LINE).split(b";")[0].strip()
        try:
            length = int(line, 16) if line.isalnum() else -1
        except ValueError:
            length = -1
        if length < 0 or got + length > most:
            raise WireError("the answer is too large" if length > 0 else "the answer is no HTTP")
        if length == 0:
            while stream.until(b"\r\n", MAX_HEAD_BYTES):
                continue
            return b"".join(pieces)
        pieces.append(stream.exactly(length))
        got += length
        if stream.exactly(2) != b"\r\n":
            raise WireError("the answer is no HTTP")
