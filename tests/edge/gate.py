"""An instance whose server can be stopped and started again on the same port, as an outage is."""

from __future__ import annotations

import logging
import threading
from wsgiref.types import WSGIApplication

from werkzeug.serving import BaseWSGIServer, make_server

from tests.servers.process import LOOPBACK, free_port


class StoppableInstance:
    """Serves `app` at `url` while it is up."""

    def __init__(self, app: WSGIApplication) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = app
        self._port = free_port()
        self._server: BaseWSGIServer | None = None
        self.url = f"http://{LOOPBACK}:{self._port}"

    def up(self) -> StoppableInstance:
        """Listen."""
        self._server = make_server(LOOPBACK, self._port, self._app, threaded=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def down(self) -> None:
        """Let connections be refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
