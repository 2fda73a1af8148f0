"""Connections to instances that stay open between calls: each is one thread's, and another thread can cut it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx2

KEPT_S: Final = 20.0
"""How long an idle connection is kept: servers close theirs after 30 seconds (granian) or more; Apache after 5."""

CONNECT_TIMEOUT_S: Final = 0.5
WRITE_TIMEOUT_S: Final = 1.0


class Line:
    """One connection to one instance. Only its thread calls `answer`; `cut` may come from any."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        """Be ready to connect; nothing is sent yet."""
        self._client = httpx2.Client(
            verify=tls,
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_S),
            # One person's answer must leave nothing behind for the next one's request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._user: object = None
        self._is_new = False

    @contextlib.contextmanager
    def answer(
        self, user: object, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Iterator[httpx2.Response]:
        """Send a request on behalf of `user` and lend its answer, whose body is still to be read.

        `deadline`: a moment of time.monotonic(). No single wait is longer than what was left until it at the start; a
        server that keeps sending something has to be cut. Raises httpx2's errors.
        """
        left = max(0.001, deadline - time.monotonic())
        timeout = httpx2.Timeout(WRITE_TIMEOUT_S, connect=min(CONNECT_TIMEOUT_S, left), read=left)
        extensions = {"trace": self._note, "timeout": timeout.as_dict()}
        request = self._client.build_request(method, url, headers=headers, content=body, extensions=extensions)
        with self._lock:
            self._user = user
        try:
            response = self._send(request, deadline)
            try:
                yield response
            finally:
                response.close()
        finally:
            with self._lock:
                self._user = None

    def cut(self, user: object) -> None:
        """Cut the connection if it works for `user` now, so that the thread that waits for it is free at once."""
        with self._lock:
            if self._user is user:
                for each in self._sockets:
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _send(self, request: httpx2.Request, deadline: float) -> httpx2.Response:
        self._is_new = False
        try:
            return self._client.send(request, stream=True)
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            # The instance may have closed an idle connection just when we used it. Every call may be told twice.
            if self._is_new or time.monotonic() >= deadline:
                raise
            return self._client.send(request, stream=True)

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        """The client's trace hook: remember each socket, the plain one and the one with TLS over it."""
        if event == "connection.connect_tcp.started":
            self._is_new = True
            with self._lock:
                self._sockets = []
        elif event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            found = facts["return_value"].get_extra_info("socket")
            if found is not None:
                with self._lock:
                    self._sockets.append(found)
