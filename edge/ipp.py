"""Questions to a printer by IPP (RFC 8010, RFC 8011): only what tells how a job ended."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from edge.wire import Peer, WireError, exchange

SCHEMES: Final = frozenset({"ipp", "ipps", "http", "https"})
SECURE_SCHEMES: Final = frozenset({"ipps", "https"})
IPP_PORT: Final = 631
PORTS: Final = {"http": 80, "https": 443}
MAX_ANSWER_BYTES: Final = 4_000_000
CHARACTERS_MAX: Final = 255

GET_JOB_ATTRIBUTES: Final = 0x0009
GET_JOBS: Final = 0x000A
NOT_FOUND: Final = (0x0406, 0x0407)
SUCCESSFUL_BEFORE: Final = 0x0100

OPERATION_GROUP: Final = 0x01
JOB_GROUP: Final = 0x02
END: Final = 0x03
FIRST_VALUE_TAG: Final = 0x10
INTEGER: Final = 0x21
BOOLEAN: Final = 0x22
ENUM: Final = 0x23
BEGIN_COLLECTION: Final = 0x34
END_COLLECTION: Final = 0x37
NAME: Final = 0x42
KEYWORD: Final = 0x44
URI: Final = 0x45
CHARSET: Final = 0x47
LANGUAGE: Final = 0x48

Attributes = Mapping[str, list[Any]]
Job = dict[str, list[Any]]


class IppError(Exception):
    """The printer gave no usable answer: off, busy, no IPP, or it refuses."""


class NoSuchJobError(IppError):
    """The printer answers, and knows no such job (any more)."""


def get_job(uri: str, job: int, *, user: str, wanted: Sequence[str], seconds: float) -> Job:
    """What a printer says about one of its jobs, by attribute. Raises NoSuchJobError, IppError."""
    found = _ask(uri, GET_JOB_ATTRIBUTES, user, {"job-id": job, "requested-attributes": list(wanted)}, seconds)
    return found[0] if found else {}


def get_jobs(uri: str, *, which: str, user: str, wanted: Sequence[str], seconds: float) -> list[Job]:
    """A user's jobs that are "completed" or "not-completed", as the printer lists them. Raises IppError."""
    asked = {"which-jobs": which, "my-jobs": True, "limit": 50, "requested-attributes": list(wanted)}
    return _ask(uri, GET_JOBS, user, asked, seconds)


def _ask(uri: str, operation: int, user: str, more: Mapping[str, Any], seconds: float) -> list[Job]:
    try:
        parts = urlsplit(uri)
        port = parts.port or PORTS.get(parts.scheme, IPP_PORT)
        host = parts.hostname or ""
    except ValueError:
        raise IppError("its URI makes no sense") from None
    if parts.scheme not in SCHEMES or not host:
        raise IppError("its URI is none of IPP")
    printer = f"{parts.scheme}://{_bracketed(host)}{f':{parts.port}' if parts.port else ''}{parts.path or '/'}"
    peer = Peer(host, port, seconds, seconds, _context() if parts.scheme in SECURE_SCHEMES else None)
    body = _request(operation, printer, user, more)
    try:
        answer = exchange(peer, "POST", parts.path or "/", {"Content-Type": "application/ipp"}, body, MAX_ANSWER_BYTES)
    except WireError as error:
        raise IppError(str(error)) from None
    if answer.status != 200:
        raise IppError(f"it answered {answer.status}")
    return _jobs(answer.content)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _context() -> Any:
    """TLS as CUPS's own backend has it by default: printers sign their own certificates, and any is taken."""
    import ssl  # only where it is used: it takes longer to load than all the rest

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(operation: int, printer: str, user: str, more: Mapping[str, Any]) -> bytes:
    out = struct.pack(">BBHIB", 2, 0, operation, 1, OPERATION_GROUP)
    out += _attribute(CHARSET, "attributes-charset", "utf-8")
    out += _attribute(LANGUAGE, "attributes-natural-language", "en")
    out += _attribute(URI, "printer-uri", printer)
    if isinstance(more.get("job-id"), int):
        out += _attribute(INTEGER, "job-id", more["job-id"])
    out += _attribute(NAME, "requesting-user-name", user)
    for name, value in more.items():
        if name == "job-id":
            continue
        tag = {bool: BOOLEAN, int: INTEGER}.get(type(value), KEYWORD)
        out += _attribute(tag, name, *(value if isinstance(value, list) else [value]))
    return out + bytes([END])


def _attribute(tag: int, name: str, *values: Any) -> bytes:
    out, named = b"", name.encode("ascii")
    for value in values:
        if tag == INTEGER:
            content = struct.pack(">i", value)
        elif tag == BOOLEAN:
            content = bytes([value])
        else:
            content = str(value).encode("utf-8", "surrogateescape")[:CHARACTERS_MAX]
        out += struct.pack(">BH", tag, len(named)) + named + struct.pack(">H", len(content)) + content
        named = b""  # a further value of the same attribute has no name
    return out


def _jobs(content: bytes) -> list[Job]:
    """The job groups of an answer. Raises NoSuchJobError, IppError."""
    try:
        _major, _minor, status, _request_id = struct.unpack_from(">BBHI", content)
        if status in NOT_FOUND:
            raise NoSuchJobError("it knows no such job")
        if status >= SUCCESSFUL_BEFORE:
            raise IppError(f"it refused ({status:#06x})")
        return _groups(content)
    except (struct.error, IndexError):
        raise IppError("its answer makes no sense") from None


def _groups(content: bytes) -> list[Job]:
    jobs: list[Job] = []
    values: list[Any] = []
    at, group, depth = 8, 0, 0
    while (tag := content[at]) != END:
        at += 1
        if tag < FIRST_VALUE_TAG:
            group, depth, values = tag, 0, []
            if group == JOB_GROUP:
                jobs.append({})
            continue
        (length,) = struct.unpack_from(">H", content, at)
        name = content[at + 2 : at + 2 + length].decode("utf-8", "replace")
        at += 2 + length
        (length,) = struct.unpack_from(">H", content, at)
        value = content[at + 2 : at + 2 + length]
        at += 2 + length
        if at > len(content):
            raise IppError("its answer broke off")
        if tag in (BEGIN_COLLECTION, END_COLLECTION):  # what is inside of a collection is passed over
            depth += 1 if tag == BEGIN_COLLECTION else -1
        elif depth == 0 and group == JOB_GROUP:
            if name:
                values = jobs[-1].setdefault(name, [])
            values.append(_value(tag, value))
    return jobs


def _value(tag: int, value: bytes) -> Any:
    if tag in (INTEGER, ENUM):
        return struct.unpack(">i", value)[0]
    if tag == BOOLEAN:
        return value == b"\1"
    return value.decode("utf-8", "replace") if tag > 0x1F else None  # 0x10 to 0x1f: no value, unknown
