"""A server that sends at a steady rate to whoever connects, and tunnels to it through a proxy."""

from __future__ import annotations

import base64
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

from tests.servers.process import LOOPBACK

ORIGIN_ADDRESS = "127.0.0.2"
PIECE = 65_536


class Faucet:
    """Sends `total` bytes at `rate` bytes a second over each connection, then keeps it open; what comes is counted."""

    def __init__(self, *, rate: float, total: int) -> None:
        self.rate, self.total = rate, total
        self.received = 0
        self._listener = socket.create_server((ORIGIN_ADDRESS, 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def place(self) -> str:
        """host:port."""
        return f"{ORIGIN_ADDRESS}:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                for work in (self._send, self._receive):
                    threading.Thread(target=work, args=(connection,), daemon=True).start()

    def _send(self, connection: socket.socket) -> None:
        begun, sent = time.monotonic(), 0
        with suppress(OSError):
            while sent < self.total:
                size = min(PIECE, self.total - sent)
                connection.sendall(b"x" * size)
                sent += size
                time.sleep(max(0.0, sent / self.rate - (time.monotonic() - begun)))

    def _receive(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while piece := connection.recv(PIECE):
                self.received += len(piece)
            connection.close()

    def __enter__(self) -> Faucet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


class Tunnel:
    """A CONNECT through a proxy whose bytes are read and counted; `ended` is set when it is over."""

    def __init__(self, proxy_port: int, place: str, user: str, password: str) -> None:
        self.received = 0
        self.ended = threading.Event()
        self.socket = socket.create_connection((LOOPBACK, proxy_port))
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        ask = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic {word}\r\n\r\n"
        self.socket.sendall(ask.encode())
        self.head = b""
        while b"\r\n\r\n" not in self.head and (one := self.socket.recv(1)):
            self.head += one
        self.status = int(self.head.split(b" ")[1])
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):
            while piece := self.socket.recv(PIECE):
                self.received += len(piece)
        self.ended.set()

    def close(self) -> None:
        """End it from the client's side."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
