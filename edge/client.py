"""The edge's HTTP client: JSON to one instance and a token; no redirects, no proxies, bounded in time and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from edge.settings import InstanceSettings
from edge.wire import Peer, WireError, exchange

API_PREFIX: Final = "/api/v1"
MAX_ANSWER_BYTES: Final = 16_000_000  # the list of everybody's standing is the largest answer
MAX_MESSAGE_CHARACTERS: Final = 500
HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
HTTP_TIMEOUT: Final = 408
HTTP_TOO_MANY: Final = 429
HTTP_NOT_MODIFIED: Final = 304


class InstanceAwayError(Exception):
    """The instance gave no usable answer (refused, timed out, 5xx, 429, nonsense): the same request may be repeated."""


class InstanceUnableError(InstanceAwayError):
    """The instance is there and said itself (5xx, in JSON) that it cannot answer this now; it may answer others."""


class InstanceRefusedError(Exception):
    """The instance answered no (4xx): repeating the request changes nothing. `code` is the instance's word for it.

    `fields` says which parts of the request it does not take, and why; "" where it says none.
    """

    def __init__(self, status: int, code: str, message: str, fields: str = "") -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{status} {code}: {message}" + (f" ({fields})" if fields else ""))

    @property
    def about_token(self) -> bool:
        """True when the token is unknown or of the wrong scope: the request itself may be right."""
        return self.status in (401, 403)


class Answer(NamedTuple):
    """What an instance said: 200 with a JSON object, or 304 with an empty one. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class InstanceClient:
    """Requests to one instance. Every request has its own connection: after an outage there is nothing stale."""

    def __init__(self, settings: InstanceSettings) -> None:
        self._settings = settings
        parts = urlsplit(settings.instance_url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._secure = parts.scheme == "https"
        self._tls: Any = None
        self._prefix = parts.path.rstrip("/") + API_PREFIX

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET `path` (below /api/v1, already quoted). Raises InstanceAwayError, InstanceRefusedError."""
        return self._request("GET", path, None, headers or {})

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object to `path`, return the answer's object. Raises InstanceAwayError, InstanceRefusedError."""
        return self._request("POST", path, json.dumps(body, separators=(",", ":")).encode("ascii"), {}).body

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        sent = {
            "Authorization": f"Bearer {self._settings.token}",
            "Accept": "application/json",
            "User-Agent": "twinpurse-edge",
            **headers,
        }
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            answer = exchange(self._peer(), method, self._prefix + path, sent, body, MAX_ANSWER_BYTES)
        except WireError as error:
            raise InstanceAwayError(str(error)) from None
        return _judge(answer.status, answer.headers, answer.content)

    def _peer(self) -> Peer:
        settings = self._settings
        if not self._secure:
            return Peer(self._host, self._port or HTTP_PORT, settings.connect_timeout_s, settings.answer_timeout_s)
        if self._tls is None:
            import ssl  # only where it is used: reading the system's certificates takes longer than all the rest

            self._tls = ssl.create_default_context(cafile=settings.ca_file or None)
        port = self._port or HTTPS_PORT
        return Peer(self._host, port, settings.connect_timeout_s, settings.answer_timeout_s, self._tls)


def _judge(status: int, names: Mapping[str, str], content: bytes) -> Answer:
    """Turn an HTTP answer into ours.

    A redirect, a page, or a proxy's own 404 is not the instance speaking, so it counts as away: nothing is given up
    because of what somebody else said.
    """
    if status == HTTP_NOT_MODIFIED:
        return Answer(status, names, {})
    found: Any = None
    if names.get("content-type", "").split(";")[0].strip() == "application/json":
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):  # also what is not UTF-8, or nested without end
            found = None
    if status >= 500 and isinstance(found, dict) and isinstance(found.get("error"), str):
        raise InstanceUnableError(f"the instance answered {status} {found['error'][:MAX_MESSAGE_CHARACTERS]}")
    if status in (HTTP_TIMEOUT, HTTP_TOO_MANY) or status >= 500:
        raise InstanceAwayError(f"the instance answered {status}")
    if 400 <= status < 500 and isinstance(found, dict) and isinstance(found.get("error"), str):
        parts = found.get("fields")
        fields = "; ".join(f"{place}: {why}" for place, why in parts.items()) if isinstance(parts, dict) else ""
        texts = (text[:MAX_MESSAGE_CHARACTERS] for text in (found["error"], str(found.get("message", "")), fields))
        raise InstanceRefusedError(status, *texts)
    if status != 200 or not isinstance(found, dict):
        raise InstanceAwayError(f"something else than an instance answered ({status})")
    return Answer(status, names, found)
