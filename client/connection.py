"""HTTP to one instance: verified, to the address that was configured and nowhere else, bounded in time and size."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    import http.client
    import ssl

    from client.config import Server

API_PREFIX: Final = "/api/v1/client"
ANSWER_BYTES_MAX: Final = 200_000
MESSAGE_CHARACTERS_MAX: Final = 300
CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 10.0
HTTP_NOT_MODIFIED: Final = 304
CA_FILES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
REDIRECTS: Final = (301, 302, 303, 307, 308)


class AwayError(Exception):
    """No usable answer; the message is a sentence for people. `kind`: "away", "late", "certificate" or "garbage".

    `retry_s`: when the server wants to be asked again, 0 when it does not say.
    """

    def __init__(self, kind: str, words: str, retry_s: int = 0) -> None:
        self.kind, self.retry_s = kind, retry_s
        super().__init__(words)


class RefusedError(Exception):
    """The instance says no. `status` and `code` as in its API, `reason` where it gives one ("disabled", "revoked")."""

    def __init__(self, status: int, code: str, words: str, reason: str) -> None:
        self.status, self.code, self.reason = status, code, reason
        super().__init__(words)


@dataclass(frozen=True)
class Answer:
    """What the instance said: a JSON object, or nothing new since `etag` (`unchanged`)."""

    body: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""
    unchanged: bool = False


class Connection:
    """Questions to one instance. Each has a connection of its own: after a night's sleep there is nothing stale."""

    def __init__(self, server: Server, *, ca_file: str = "", timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """`timeout_s` bounds a whole answer, in seconds."""
        self._server, self._ca_file, self._timeout_s = server, ca_file, timeout_s
        self._context: ssl.SSLContext | None = None

    @property
    def place(self) -> str:
        """How the server is called in sentences."""
        return self._server.host

    def balance(self, token: str, etag: str) -> Answer:
        """Ask for the card; `unchanged` when it is still that of `etag`. Raises AwayError, RefusedError."""
        return self._ask("GET", "/balance", token=token, headers={"If-None-Match": etag} if etag else {})

    def messages(self, token: str, after: str) -> Answer:
        """Ask for messages that came `after` (what the last answer said; "" only asks where now is)."""
        return self._ask("GET", f"/messages?after={quote(after, safe='')}", token=token)

    def sign_in(self, *, name: str, username: str, password: str) -> Answer:
        """Exchange network credentials for a device's token. Raises AwayError, RefusedError."""
        return self._ask("POST", "/devices", body={"name": name, "username": username, "password": password})

    def sign_in_by_login_name(self, *, name: str, username: str) -> Answer:
        """Ask for a token in the name of who is signed in to this computer, where an administrator allows that."""
        return self._ask("POST", "/devices/by-login-name", body={"name": name, "username": username})

    def sign_out(self, token: str) -> Answer:
        """Make the token useless. Raises AwayError, RefusedError."""
        return self._ask("DELETE", "/device", token=token)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        import http.client  # here, so that the window need not wait for it

        sent = {
            "Accept": "application/json",
            "User-Agent": "twinpurse-client",
            "Connection": "close",
            **(headers or {}),
        }
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        deadline: _Deadline | None = None
        connection = http.client.HTTPConnection(self._server.host, self._server.port, timeout=CONNECT_TIMEOUT_S)
        content = None if body is None else json.dumps(body).encode("ascii")
        try:
            plain = socket.create_connection((self._server.connect_to, self._server.port), timeout=CONNECT_TIMEOUT_S)
            with _Deadline(plain, self._timeout_s) as deadline:
                connection.sock = self._secured(plain)
                connection.request(method, self._server.prefix + API_PREFIX + path, content, sent)
                response = connection.getresponse()
                received = response.read(ANSWER_BYTES_MAX + 1)
                if deadline.passed:  # what came before the end is not the whole
                    raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._in_words(error, late=deadline is not None and deadline.passed) from None
        finally:
            connection.close()
        return self._judge(response, received)

    def _secured(self, plain: socket.socket) -> socket.socket:
        plain.settimeout(self._timeout_s)
        if not self._server.secure:
            return plain
        try:
            return self._trusted().wrap_socket(plain, server_hostname=self._server.host)
        except BaseException:
            plain.close()
            raise

    def _trusted(self) -> ssl.SSLContext:
        if self._context is None:
            import ssl  # only where it is used: it takes its time and 6 MB

            self._context = ssl.create_default_context(cafile=self._ca_file or _system_ca_file(ssl) or None)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._context

    def _in_words(self, error: Exception, *, late: bool) -> AwayError:
        import http.client

        place = self.place
        if late or isinstance(error, TimeoutError):
            return AwayError("late", f"{place} does not answer in time.")
        reason = getattr(error, "verify_message", None)
        if reason is not None:
            return AwayError("certificate", f"{place} could not prove who it is ({reason}). Nothing was sent to it.")
        if self._ca_file and isinstance(error, FileNotFoundError):
            return AwayError("certificate", f"The file {self._ca_file} with the trusted certificates is not there.")
        if type(error).__name__ in ("SSLError", "SSLEOFError", "SSLZeroReturnError"):
            return AwayError("certificate", f"No secure connection to {place} came about. Nothing was sent to it.")
        if isinstance(error, socket.gaierror):
            return AwayError("away", f"{place} is not found in the network.")
        broken = isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected)
        if broken or type(error) is ValueError:
            return AwayError("garbage", f"What answers at {place} is not Twinpurse.")
        return AwayError("away", f"{place} cannot be reached.")

    def _judge(self, response: http.client.HTTPResponse, received: bytes) -> Answer:
        status, etag = response.status, clean_tag(response.getheader("ETag", ""))
        if status == HTTP_NOT_MODIFIED:
            return Answer(etag=etag, unchanged=True)
        found = _object(received) if (response.getheader("Content-Type") or "").startswith("application/json") else None
        wait = response.getheader("Retry-After", "")
        retry_s = min(int(wait), 3600) if wait.isdecimal() and len(wait) < 6 else 0
        words = str((found or {}).get("message", ""))[:MESSAGE_CHARACTERS_MAX]
        if status in (408, 502, 503, 504) or (status == 429 and found is None):
            raise AwayError("away", words or f"{self.place} is busy.", retry_s)
        if status >= 500:
            raise AwayError("away", f"{self.place} has a fault (it answered {status}).", retry_s)
        if 400 <= status < 500 and found is not None and isinstance(found.get("error"), str):
            raise RefusedError(status, found["error"], words, str(found.get("reason", "")))
        if found is None or status not in (200, 201):
            hint = " It sends us elsewhere, and we do not follow." if status in REDIRECTS else ""
            raise AwayError("garbage", f"What answers at {self.place} is not Twinpurse.{hint}")
        return Answer(found, etag)


def clean_tag(etag: str) -> str:
    """Return an entity tag that may stand in a header again, "" for one that may not."""
    return etag if len(etag) <= 200 and etag.isascii() and etag.isprintable() else ""


def _object(received: bytes) -> dict[str, Any] | None:
    if len(received) > ANSWER_BYTES_MAX:
        return None
    try:
        found = json.loads(received)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _system_ca_file(library: Any) -> str:
    """Return a file of trusted authorities where the library's own places have none, "" where they do.

    The one-file program has the library of the system that built it, and other systems keep them elsewhere.
    """
    places = library.get_default_verify_paths()
    if sys.platform != "linux" or places.cafile or places.capath:
        return ""
    return next((name for name in CA_FILES if Path(name).is_file()), "")


class _Deadline:
    """Ends a connection when the whole answer takes too long: a socket's own limit starts anew with every byte."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock.dup()  # TLS takes the socket itself away; this one is of the same connection
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self.passed = False

    def _end(self) -> None:
        self.passed = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already closed

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._sock.close()
