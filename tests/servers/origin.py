"""A real web server for the proxy to fetch from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

ORIGIN_ADDRESS = "127.0.0.2"  # not 127.0.0.1, where portal and instances are: their host name may be free of charge
PIECE = 65_536


class Origin:
    """Serves `/bytes/N`, `/slow/N/SECONDS` (N bytes spread over the time) and `/cached/N`; counts what it served."""

    def __init__(self, address: str = ORIGIN_ADDRESS) -> None:
        self.address = address
        self.requests = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        assert self._server is not None, "the origin was not started"
        return f"http://{self.address}:{self._server.server_address[1]}"

    def start(self) -> Origin:
        """Start to listen on a free port."""
        server = ThreadingHTTPServer((self.address, 0), _handler(self._count))
        server.daemon_threads = True
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _count(self) -> None:
        self.requests += 1

    def __enter__(self) -> Origin:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _handler(count: Callable[[], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = PIECE  # unbuffered, each header would travel alone

        def do_GET(self) -> None:
            count()
            kind, number, seconds = [*self.path.split("?")[0].strip("/").split("/"), "", ""][:3]
            size = int(number) if number.isdigit() else 0
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size))
            self.send_header("Cache-Control", "public, max-age=3600" if kind == "cached" else "no-store")
            self.end_headers()
            steps = max(1, int(float(seconds or 0) * 10))
            piece = max(1, -(-size // steps)) if steps > 1 else PIECE
            while size > 0:
                self.wfile.write(b"x" * min(piece, size))
                size -= piece
                if steps > 1:
                    self.wfile.flush()
                    time.sleep(0.1)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    return Handler
