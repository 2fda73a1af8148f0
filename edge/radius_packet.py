"""Disconnect packets of RADIUS (RFC 5176): made, and the answers checked. Signed with the secret of one NAS."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

DISCONNECT_REQUEST: Final = 40
DISCONNECT_ACK: Final = 41
DISCONNECT_NAK: Final = 42
USER_NAME: Final = 1
NAS_IP_ADDRESS: Final = 4
FRAMED_IP_ADDRESS: Final = 8
REPLY_MESSAGE: Final = 18
CALLING_STATION_ID: Final = 31
NAS_IDENTIFIER: Final = 32
ACCT_SESSION_ID: Final = 44
EVENT_TIMESTAMP: Final = 55
MESSAGE_AUTHENTICATOR: Final = 80
NAS_IPV6_ADDRESS: Final = 95
ERROR_CAUSE: Final = 101
NOT_FOUND: Final = 503
CAUSES: Final = {
    401: "Unsupported Attribute",
    402: "Missing Attribute",
    403: "NAS Identification Mismatch",
    404: "Invalid Request",
    405: "Unsupported Service",
    406: "Unsupported Extension",
    407: "Invalid Attribute Value",
    501: "Administratively Prohibited",
    502: "Request Not Routable",
    503: "Session Context Not Found",
    504: "Session Context Not Removable",
    505: "Other Proxy Processing Error",
    506: "Resources Unavailable",
    507: "Request Initiated",
    508: "Multiple Session Selection Unsupported",
}
"""Error-Cause (RFC 5176, 3.5)."""

HEADER: Final = struct.Struct("!BBH16s")
LONGEST_PACKET: Final = 4096
LONGEST_VALUE: Final = 253
EMPTY: Final = bytes(16)


class BadPacketError(Exception):
    """What came is no answer to our request, or was not signed by who knows the secret."""


class Reply(NamedTuple):
    """What a NAS answered. `cause`: its Error-Cause, 0 for none; `message`: its Reply-Message."""

    acknowledged: bool
    cause: int
    message: str

    @property
    def ended(self) -> bool:
        """Whether the session is over: ended now, or not known to the NAS any more."""
        return self.acknowledged or self.cause == NOT_FOUND

    @property
    def in_words(self) -> str:
        """Why the session goes on."""
        if not self.cause:
            return f"refused {self.message}".strip()
        return f"{self.cause} {CAUSES.get(self.cause, '')} {self.message}".strip()


class Request(NamedTuple):
    """A packet ready to be sent, with what its answer is checked by."""

    data: bytes
    number: int
    authenticator: bytes


def text(value: str) -> bytes:
    """A text as an attribute's value; cut to what one holds."""
    return value.encode()[:LONGEST_VALUE]


def address(value: str) -> tuple[int, bytes] | None:
    """An address of a NAS as (attribute, value); None for what is no address."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return None
    return (NAS_IP_ADDRESS if found.version == 4 else NAS_IPV6_ADDRESS), found.packed


def make_request(attributes: Sequence[tuple[int, bytes]], *, number: int, secret: bytes, now: int) -> Request:
    """Return a Disconnect-Request. `number` 0 to 255 tells the answer's request; `now` in seconds since 1970.

    Message-Authenticator comes first (RFC 5176, 3.4, and the advice against the forgeries of 2024) and is made with an
    empty Request Authenticator; Event-Timestamp keeps an old packet from being played again (RFC 5176, 6.3).
    """
    signed = [(MESSAGE_AUTHENTICATOR, EMPTY), (EVENT_TIMESTAMP, struct.pack("!I", now)), *attributes]
    body = b"".join(struct.pack("!BB", kind, len(value) + 2) + value for kind, value in signed)
    length = HEADER.size + len(body)
    if length > LONGEST_PACKET:
        raise BadPacketError(f"the packet would have {length} bytes")
    bare = HEADER.pack(DISCONNECT_REQUEST, number, length, EMPTY)
    code = hmac.digest(secret, bare + body, "md5")
    body = body[:2] + code + body[18:]
    authenticator = _md5(bare + body + secret)
    return Request(HEADER.pack(DISCONNECT_REQUEST, number, length, authenticator) + body, number, authenticator)


def read_reply(data: bytes, *, request: Request, secret: bytes) -> Reply:
    """Check a NAS' answer and return it. Raises BadPacketError.

    Its Response Authenticator must fit the request and the secret, and its Message-Authenticator where it has one.
    """
    if not HEADER.size <= len(data) <= LONGEST_PACKET:
        raise BadPacketError("not the length of a packet")
    code, number, length, authenticator = HEADER.unpack_from(data)
    if (
        code not in (DISCONNECT_ACK, DISCONNECT_NAK)
        or number != request.number
        or not HEADER.size <= length <= len(data)
    ):
        raise BadPacketError("no answer to this request")
    body = data[HEADER.size : length]
    bare = HEADER.pack(code, number, length, request.authenticator)
    if not hmac.compare_digest(_md5(bare + body + secret), authenticator):
        raise BadPacketError("signed with another secret")
    cause, messages = 0, []
    for kind, place, value in _attributes(body):
        if kind == MESSAGE_AUTHENTICATOR:
            empty = body[:place] + EMPTY + body[place + 16 :]
            if not hmac.compare_digest(hmac.digest(secret, bare + empty, "md5"), value):
                raise BadPacketError("its Message-Authenticator is wrong")
        elif kind == ERROR_CAUSE and len(value) == 4:
            cause = int.from_bytes(value, "big")
        elif kind == REPLY_MESSAGE:
            messages.append(value.decode("utf-8", "replace"))
    return Reply(code == DISCONNECT_ACK, cause, " ".join(messages))


def _attributes(body: bytes) -> list[tuple[int, int, bytes]]:
    """Return (kind, where the value begins, value) of each attribute. Raises BadPacketError."""
    found, place = [], 0
    while place < len(body):
        if place + 2 > len(body):
            raise BadPacketError("it breaks off")
        kind, length = body[place], body[place + 1]
        if length < 2 or place + length > len(body) or (kind == MESSAGE_AUTHENTICATOR and length != 18):
            raise BadPacketError("an attribute of impossible length")
        found.append((kind, place + 2, body[place + 2 : place + length]))
        place += length
    return found


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()  # what RADIUS is signed with (RFC 2865, 3)
