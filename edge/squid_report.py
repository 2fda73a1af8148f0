"""Tells the instance every second what runs, and has ended what the instance says shall end."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from edge.client import InstanceAwayError, InstanceRefusedError
from edge.squid_active import Active

MOST_TOLD: Final = 20_000  # connections; the largest count
NOTHING_RUNS_EVERY_S: Final = 10.0  # how often it is said that nothing runs
END_AGAIN_S: Final = 2.0
END_TIMEOUT_S: Final = 2.0
SAY_AGAIN_EVERY_S: Final = 300.0

log = logging.getLogger(__name__)


class Posting(Protocol):
    """The part of the HTTP client that is used here."""

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the instance. Raises InstanceAwayError, InstanceRefusedError."""


class Running(NamedTuple):
    """A connection that runs: bytes so far down and up, and those of them that are in no booked batch yet."""

    connection_id: str
    user: str
    active: Active
    download: int
    upload: int
    pending_download: int
    pending_upload: int


class Reporter(threading.Thread):
    """A thread that posts the newest list and acts on the answer. It may wait; nothing waits for it."""

    def __init__(self, instance: Posting, *, source: str, end_socket: str) -> None:
        """`end_socket`: where twinpurse-squid-end listens; without it nothing is ended."""
        super().__init__(name="report", daemon=True)
        self._instance = instance
        self._source = source
        self._end_socket = end_socket
        self._news = threading.Condition()
        self._newest: list[Running] | None = None
        self._ending: dict[str, float] = {}
        self._told_at = -NOTHING_RUNS_EVERY_S
        self._told_some = True
        self._said_at = -SAY_AGAIN_EVERY_S

    def take(self, running: list[Running]) -> None:
        """Have this list told, instead of one that was not told yet. Returns at once."""
        with self._news:
            self._newest = running
            self._news.notify()

    def run(self) -> None:
        """Tell list after list, for as long as the program runs."""
        while True:
            with self._news:
                while self._newest is None:
                    self._news.wait()
                running, self._newest = self._newest, None
            try:
                self._tell(running)
            except Exception:  # the outermost loop of a thread: nothing may end it
                log.exception("what runs was not told")

    def _tell(self, running: list[Running]) -> None:
        now = time.monotonic()
        if not running and not self._told_some and now - self._told_at < NOTHING_RUNS_EVERY_S:
            return
        told = (
            sorted(running, key=lambda each: -each.pending_download)[:MOST_TOLD]
            if len(running) > MOST_TOLD
            else running
        )
        try:
            answer = self._instance.post("/internet/running", self._body(told))
        except (InstanceAwayError, InstanceRefusedError) as problem:
            self._say(f"what runs could not be told: {problem}")
            return
        self._told_at, self._told_some = now, bool(running)
        wanted = answer.get("end")
        known = {each.connection_id: each.active for each in told}
        self._ending = {key: at for key, at in self._ending.items() if key in known}
        for key in wanted if isinstance(wanted, list) else ():
            if isinstance(key, str) and key in known and now - self._ending.get(key, -END_AGAIN_S) >= END_AGAIN_S:
                self._ending[key] = now
                self._end(known[key])

    def _body(self, running: list[Running]) -> dict[str, Any]:
        connections = [
            [
                each.connection_id,
                each.user,
                each.active.host,
                each.active.start_ms // 1000,
                each.download,
                each.upload,
                each.pending_download,
                each.pending_upload,
            ]
            for each in running
        ]
        return {"source": self._source, "connections": connections}

    def _end(self, active: Active) -> None:
        if not self._end_socket:
            self._say("connections should end, but [live] names no end_socket: they are left to end by themselves")
            return
        try:
            answer = ask_to_end(self._end_socket, active)
        except OSError as error:
            self._say(f"connections should end, but {self._end_socket} cannot be used: {error}")
            return
        # Neither name nor host: our log is no record of who looked at what.
        log.info("ended a connection from port %d: %s", active.client_port, answer)

    def _say(self, words: str) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY_AGAIN_EVERY_S:
            self._said_at = now
            log.warning("%s", words)


def ask_to_end(path: str, active: Active) -> str:
    """Ask the privileged helper at the socket `path` to end a connection; return its answer. Raises OSError."""
    line = f"{_place(active.client, active.client_port)} {_place(active.proxy, active.proxy_port)}\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(END_TIMEOUT_S)
        connection.connect(path)
        connection.sendall(line.encode("ascii"))
        return connection.makefile("rb").readline(200).decode("ascii", "replace").strip()


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
