"""The answers to one search, read straight from the socket: many entries at a small part of what ldap3 takes."""

from __future__ import annotations

import socket
import time

RawEntry = tuple[bytes, dict[str, list[bytes]]]
"""An entry as the server sent it: its DN, and its raw values by the attribute's name in lower case."""

MESSAGE_BYTES_MAX = 256 * 1024 * 1024
"""Larger is no message: a group of a million members has about 100 MB."""

_RECEIVE_BYTES = 256 * 1024

# Tags of BER (X.690) as LDAP uses them (RFC 4511 section 4 and appendix B).
_INTEGER, _OCTETS, _SEQUENCE, _SET = 0x02, 0x04, 0x30, 0x31
_ENTRY, _DONE, _REFERENCE, _INTERMEDIATE = 0x64, 0x65, 0x73, 0x79


class NotLdapError(Exception):
    """What came is no answer to our search."""


class Answers:
    """The answers on one connection. Entries are taken apart here; of all others only the last is kept, whole."""

    def __init__(self, stream: socket.socket, *, limit_s: float) -> None:
        """The socket's own timeout ends a silence; `limit_s` ends a whole answer, also one that drips."""
        self._stream = stream
        self._limit_s = limit_s
        self._names: dict[bytes, str] = {}

    def read(self, message_id: int) -> tuple[list[RawEntry], bytes]:
        """Return the entries that answer a search, and the message with its result, undecoded.

        Raises NotLdapError, TimeoutError, or what the socket raises; ConnectionError when the server ends it.
        """
        give_up = time.monotonic() + self._limit_s
        entries: list[RawEntry] = []
        data, at = b"", 0
        while True:
            end = at + _message_size(data, at)
            if end == at or end > len(data):
                data, at = data[at:] + self._receive(end - len(data), give_up), 0
                continue
            start, stop = _content(data, _content(data, at, _SEQUENCE)[0], _INTEGER)
            number = int.from_bytes(data[start:stop], "big")
            if number != message_id:
                raise _ended_by_server() if number == 0 else NotLdapError("an answer to something else")
            tag = data[stop]
            if tag == _ENTRY:
                entries.append(self._entry(data, *_content(data, stop, _ENTRY)))
            elif tag == _DONE:
                if end != len(data):
                    raise NotLdapError("something follows the end")
                return entries, data[at:end]
            elif tag not in (_REFERENCE, _INTERMEDIATE):
                raise NotLdapError(f"an answer of another kind ({tag})")
            at = end

    def _receive(self, missing: int, give_up: float) -> bytes:
        """Return at least one byte, and at least `missing`: a large message is put together once."""
        parts = []
        while True:
            if time.monotonic() > give_up:
                raise TimeoutError("the answer takes too long")
            part = self._stream.recv(_RECEIVE_BYTES)
            if not part:
                raise _ended_by_server()
            parts.append(part)
            missing -= len(part)
            if missing <= 0:
                return b"".join(parts)

    def _entry(self, data: bytes, at: int, end: int) -> RawEntry:
        """SearchResultEntry, RFC 4511 section 4.5.2. The inner loop: the usual heads, of two bytes, are read here."""
        start, at = _content(data, at, _OCTETS)
        dn = data[start:at]
        at = _content(data, at, _SEQUENCE)[0]
        names = self._names
        values: dict[str, list[bytes]] = {}
        while at < end:
            if data[at] == _SEQUENCE and data[at + 1] < 0x80 and data[at + 2] == _OCTETS and data[at + 3] < 0x80:
                last = at + 2 + data[at + 1]
                start = at + 4
                at = start + data[at + 3]
            else:
                at, last = _content(data, at, _SEQUENCE)
                start, at = _content(data, at, _OCTETS)
            raw_name = data[start:at]
            if data[at] == _SET and data[at + 1] < 0x80:
                at += 2
                stop = at + data[at - 1]
            else:
                at, stop = _content(data, at, _SET)
            found = []
            while at < stop:
                length = data[at + 1]
                if length < 0x80 and data[at] == _OCTETS:
                    at += 2 + length
                    found.append(data[at - length : at])
                else:
                    start, at = _content(data, at, _OCTETS)
                    found.append(data[start:at])
            if at != last:
                raise NotLdapError("an attribute has another length than it says")
            values[names.get(raw_name) or self._name(raw_name)] = found
        if at != end:
            raise NotLdapError("an entry has another length than it says")
        return dn, values

    def _name(self, raw: bytes) -> str:
        name = self._names[raw] = raw.decode("ascii").lower()
        return name


def _content(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """Return where the content of the element at `at` starts and ends; it must have this tag and a definite length."""
    if data[at] != tag:
        raise NotLdapError(f"tag {data[at]} instead of {tag}")
    length = data[at + 1]
    if length < 0x80:
        return at + 2, at + 2 + length
    start = at + 2 + (length & 0x7F)
    return start, start + int.from_bytes(data[at + 2 : start], "big")


def _message_size(data: bytes, at: int) -> int:
    """Return the bytes of the message that begins at `at`, its head included; 0 when too few are there to tell."""
    if len(data) < at + 2:
        return 0
    head = 2 + (data[at + 1] & 0x7F if data[at + 1] >= 0x80 else 0)
    if data[at] != _SEQUENCE or data[at + 1] == 0x80 or head > 6:
        raise NotLdapError("what came is not LDAP")
    if len(data) < at + head:
        return 0
    end = _content(data, at, _SEQUENCE)[1]
    if end - at > MESSAGE_BYTES_MAX:
        raise NotLdapError("a message is too large")
    return end - at


def _ended_by_server() -> ConnectionError:
    return ConnectionResetError("the server ended the connection")
