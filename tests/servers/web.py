"""Serves a WSGI application to real browsers on a free loopback port, from a thread of the test's own process.

A thread, not a process: the test can then look into the same database and move the same clock as the pages.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from wsgiref.types import WSGIApplication

from werkzeug.serving import make_server

from tests.servers.process import LOOPBACK


class WebServer:
    """werkzeug's threaded server around one application; it listens from the start of `with` to its end."""

    def __init__(self, app: WSGIApplication) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server(LOOPBACK, 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="web", daemon=True)

    @property
    def url(self) -> str:
        """The address of the application, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def start(self) -> WebServer:
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, and give the port back."""
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def __enter__(self) -> WebServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
