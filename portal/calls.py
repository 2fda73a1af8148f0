"""Calls to the instances: in parallel, each within its time and size; a bad instance harms only its own card."""

from __future__ import annotations

import json
import ssl
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import httpx2

from language import ENGLISH
from portal.lines import Line
from portal.settings import Instance

DEADLINE_S = 1.7
"""For what a page waits for: with all the rest of it, it is there in less than 2.5 seconds."""

PATIENT_S = 2.5
"""For what somebody asked an instance to do, and watches."""

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
    """One request to one instance. `language`: of the words that are asked for.

    `deadline` is a moment of time.monotonic(), set when it is sent off.
    """

    instance: Instance
    method: str
    path: str
    token: str
    body: bytes = b"{}"
    language: str = ENGLISH.code
    deadline: float = 0.0
    _line: Line | None = None

    def abandon(self) -> None:
        """Cut the connection, so that a thread that still reads from it is free at once."""
        if self._line is not None:
            self._line.cut(self)

    def run(self, line: Line) -> bytes:
        """Return the body of a good answer: status 200, JSON, small. Raises CallError."""
        if time.monotonic() >= self.deadline:
            raise LateError("too many calls are waiting for it")
        self._line = line
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # nothing that unpacks to a thousand times its size
            "Accept-Language": self.language,
            "User-Agent": USER_AGENT,
        }
        url, body = f"{self.instance.url}/api/v1{self.path}", self.body if self.method == "POST" else None
        try:
            with line.answer(self, self.method, url, headers=headers, body=body, deadline=self.deadline) as response:
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


def _refusal(status: int, body: bytes) -> CallError:
    """The instance's own words for a refusal; a proxy's page is none."""
    try:
        said = json.loads(body)
        return RefusedError(status, str(said["error"])[:80], str(said["message"])[:300])
    except (ValueError, KeyError, TypeError):
        return UnusableError(f"status {status}")


class Caller:
    """Makes calls side by side. Threads start when they are first needed, and each keeps its connection."""

    def __init__(self, instances: tuple[Instance, ...]) -> None:
        """Be ready to call `instances` and no other address."""
        self._tls = ssl.create_default_context()
        self._pools = {
            instance.id: ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix=f"to-{instance.id}")
            for instance in instances
        }
        self._of_thread = threading.local()
        self._skipped_until: dict[str, float] = {}

    def run(
        self, calls: list[Call], *, insist: bool = False, within_s: float = DEADLINE_S
    ) -> dict[str, bytes | CallError]:
        """Make at most one call for each instance, all at once; return its body or its error by instance id.

        It comes back after at most `within_s`, whatever the instances do. One that was late is not called again for
        3 seconds; `insist` calls it all the same, because a person asked for just that.
        """
        began = time.monotonic()
        answers: dict[str, bytes | CallError] = {}
        running: dict[str, tuple[Call, Future[bytes]]] = {}
        for call in calls:
            if not insist and began < self._skipped_until.get(call.instance.id, began):
                answers[call.instance.id] = SilentError("it was late a moment ago")
                continue
            call.deadline = began + within_s
            running[call.instance.id] = (call, self._pools[call.instance.id].submit(self._make, call))
        wait([future for _call, future in running.values()], timeout=within_s)
        for instance_id, (call, future) in running.items():
            answers[instance_id] = answer = _result(call, future)
            late = isinstance(answer, LateError)
            self._skipped_until[instance_id] = time.monotonic() + SKIPPED_S if late else began
        return answers

    def _make(self, call: Call) -> bytes:
        """Make a call in a thread of its instance's, over the connection that the thread keeps."""
        line: Line | None = getattr(self._of_thread, "line", None)
        if line is None:
            line = self._of_thread.line = Line(self._tls)
        return call.run(line)


def _result(call: Call, future: Future[bytes]) -> bytes | CallError:
    if not future.done():
        future.cancel()
        call.abandon()
        return LateError("no answer in time")
    try:
        return future.result()
    except CallError as error:
        return error
