"""Calls to the instances: in parallel, each within its time and size; a bad instance harms only its own card."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import httpx2

from portal.settings import Instance

CONNECT_TIMEOUT_S = 0.5
READ_TIMEOUT_S = 2.0
DEADLINE_S = 2.5
BODY_BYTES_MAX = 256_000
CALLS_AT_ONCE = 16
"""Per instance: one that hangs keeps no more threads than these, and none of another instance's."""

SKIPPED_S = 3.0
"""One that kept a page waiting is taken for silent for this long, so that it does not hold up the next pages too."""

USER_AGENT = "twinpurse-portal"


class CallError(Exception):
    """An instance gave no answer that can be used. The message is for the log."""


class SilentError(CallError):
    """It does not answer, or not in time."""


class LateError(SilentError):
    """It kept us waiting until our time was up."""


class UnusableError(CallError):
    """It answered something else than agreed."""


class RefusedError(UnusableError):
    """It understood, and says no (4xx): asking the same again changes nothing. `code` is its word for why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"status {status}: {code}")
        self.code = code
        self.message = message


class UnknownPersonError(CallError):
    """It says that it does not know the person."""


@dataclass
class Call:
    """One request to one instance. `deadline` is a moment of time.monotonic(), set when it is sent off."""

    instance: Instance
    method: str
    path: str
    token: str
    body: bytes = b"{}"
    deadline: float = 0.0
    _sockets: list[socket.socket] = field(default_factory=list)

    def abandon(self) -> None:
        """Cut the connection, so that a thread that still reads from it is free at once."""
        for open_socket in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    def run(self, tls: ssl.SSLContext) -> bytes:
        """Return the body of a good answer: status 200, JSON, small. Raises CallError."""
        if time.monotonic() >= self.deadline:
            raise LateError("too many calls are waiting for it")
        timeout = httpx2.Timeout(1.0, connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # nothing that unpacks to a thousand times its size
            "User-Agent": USER_AGENT,
        }
        try:
            with (
                httpx2.Client(verify=tls, trust_env=False, follow_redirects=False, timeout=timeout) as client,
                client.stream(
                    self.method,
                    f"{self.instance.url}/api/v1{self.path}",
                    headers=headers,
                    content=self.body if self.method == "POST" else None,
                    extensions={"trace": self._note_socket},
                ) as response,
            ):
                return self._read(response)
        except (httpx2.DecodingError, httpx2.LocalProtocolError, httpx2.UnsupportedProtocol) as error:
            raise UnusableError(type(error).__name__) from error
        except httpx2.RemoteProtocolError as error:
            late = time.monotonic() >= self.deadline
            raise (LateError if late else UnusableError)(type(error).__name__) from error
        except (httpx2.HTTPError, OSError) as error:
            late = isinstance(error, httpx2.TimeoutException) or time.monotonic() >= self.deadline
            raise (LateError if late else SilentError)(type(error).__name__) from error

    def _read(self, response: httpx2.Response) -> bytes:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if kind != "application/json" or encoding not in ("", "identity"):
            raise UnusableError(f"status {response.status_code}, {kind or 'no content type'}, {encoding}")
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise UnusableError("the answer is too large")
            if time.monotonic() >= self.deadline:
                raise LateError("the answer takes too long")
        if response.status_code == 404 and b'"not_found"' in body:
            raise UnknownPersonError("it does not know the person")
        if 400 <= response.status_code < 500 and response.status_code not in (401, 408, 429):
            raise _refusal(response.status_code, bytes(body))
        if response.status_code != 200:
            raise UnusableError(f"status {response.status_code}")
        return bytes(body)

    def _note_socket(self, event: str, facts: Mapping[str, Any]) -> None:
        """The client's trace hook: remember each socket, the plain one and the one with TLS over it."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            open_socket = facts["return_value"].get_extra_info("socket")
            if open_socket is not None:
                self._sockets.append(open_socket)


def _refusal(status: int, body: bytes) -> CallError:
    """The instance's own words for a refusal; a proxy's page is none."""
    try:
        said = json.loads(body)
        return RefusedError(status, str(said["error"])[:80], str(said["message"])[:300])
    except (ValueError, KeyError, TypeError):
        return UnusableError(f"status {status}")


class Caller:
    """Makes calls side by side. Threads start when they are first needed."""

    def __init__(self, instances: tuple[Instance, ...]) -> None:
        """Be ready to call `instances` and no other address."""
        self._tls = ssl.create_default_context()
        self._pools = {
            instance.id: ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix=f"to-{instance.id}")
            for instance in instances
        }
        self._skipped_until: dict[str, float] = {}

    def run(self, calls: list[Call], *, insist: bool = False) -> dict[str, bytes | CallError]:
        """Make at most one call for each instance, all at once; return its body or its error by instance id.

        It comes back after at most 2.5 seconds, whatever the instances do. One that was late is not called again for
        3 seconds; `insist` calls it all the same, because a person asked for just that.
        """
        began = time.monotonic()
        deadline = began + DEADLINE_S
        answers: dict[str, bytes | CallError] = {}
        running: dict[str, tuple[Call, Future[bytes]]] = {}
        for call in calls:
            if not insist and began < self._skipped_until.get(call.instance.id, began):
                answers[call.instance.id] = SilentError("it was late a moment ago")
                continue
            call.deadline = deadline
            running[call.instance.id] = (call, self._pools[call.instance.id].submit(call.run, self._tls))
        wait([future for _, future in running.values()], timeout=DEADLINE_S)
        for instance_id, (call, future) in running.items():
            answers[instance_id] = answer = _result(call, future)
            late = isinstance(answer, LateError)
            self._skipped_until[instance_id] = time.monotonic() + SKIPPED_S if late else began
        return answers


def _result(call: Call, future: Future[bytes]) -> bytes | CallError:
    if not future.done():
        future.cancel()
        call.abandon()
        return LateError(f"no answer within {DEADLINE_S} seconds")
    try:
        return future.result()
    except CallError as error:
        return error
