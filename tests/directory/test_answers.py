"""Answers read straight from the socket: whole ones in whatever pieces they come, and everything that is none."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from directory import answers
from directory.answers import Answers, NotLdapError

# Bytes of ours instead of a server's: real servers answer too well to show most of this.
NUMBER = 7


def ber(tag: int, content: bytes, *, wide: bool = False) -> bytes:
    """One element; `wide` writes its length in four bytes, as Active Directory does."""
    length = len(content)
    if wide:
        head = b"\x84" + length.to_bytes(4, "big")
    elif length < 0x80:
        head = bytes([length])
    else:
        size = (length.bit_length() + 7) // 8
        head = bytes([0x80 | size]) + length.to_bytes(size, "big")
    return bytes([tag]) + head + content


def message(operation: bytes, *, number: int = NUMBER, wide: bool = False) -> bytes:
    return ber(0x30, ber(0x02, bytes([number])) + operation, wide=wide)


def entry(dn: str, *, wide: bool = False, **values: list[bytes]) -> bytes:
    attributes = b"".join(
        ber(
            0x30,
            ber(0x04, name.encode(), wide=wide)
            + ber(0x31, b"".join(ber(0x04, one, wide=wide) for one in found), wide=wide),
            wide=wide,
        )
        for name, found in values.items()
    )
    return message(
        ber(0x64, ber(0x04, dn.encode(), wide=wide) + ber(0x30, attributes, wide=wide), wide=wide), wide=wide
    )


DONE = message(ber(0x65, b"\x0a\x01\x00\x04\x00\x04\x00"))
REFERENCE = message(ber(0x73, ber(0x04, b"ldap://elsewhere/")))


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, Answers]]:
    """The server's end of a connection, and what reads at ours."""
    theirs, ours = socket.socketpair()
    ours.settimeout(0.2)
    with theirs, ours:
        yield theirs, Answers(ours, limit_s=1.0)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_entries_in_pieces_of_any_size(wire: tuple[socket.socket, Answers], wide: bool, piece: int) -> None:
    theirs, reader = wire
    many = [b"m" * (number % 300) for number in range(40)]
    sent = (
        entry("cn=a", wide=wide, Mail=[b"x", b""], none=[]) + REFERENCE + entry("cn=b", wide=wide, member=many) + DONE
    )
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    for start in range(0, len(sent), piece):
        theirs.sendall(sent[start : start + piece])
    found, last = reader.read(NUMBER)
    assert found == [(b"cn=a", {"mail": [b"x", b""], "none": []}), (b"cn=b", {"member": many})]
    assert last == DONE


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x80\x02\x01\x07",
        b"\x30\x89\x01\x01\x01\x01\x01\x01\x01\x01\x01",
        b"\x30\x84\xff\xff\xff\xff",
        DONE + DONE,
        message(ber(0x61, b"\x0a\x01\x00\x04\x00\x04\x00")),
        message(ber(0x65, b""), number=8),
        message(ber(0x64, ber(0x04, b"cn=a") + ber(0x30, b"\x30\x05\x04\x01a\x31\x09"))),
        message(ber(0x64, ber(0x04, b"cn=a") + ber(0x30, b"\x30\x20\x04\x01a\x31\x03\x04\x01b"))),
        message(ber(0x64, ber(0x04, b"cn=a") + ber(0x30, b"\x30\x08\x04\x01a\x31\x03\x04\x09b"))),
        message(ber(0x64, ber(0x02, b"cn=a") + ber(0x30, b""))),
    ],
)
def test_what_is_no_answer_is_refused(wire: tuple[socket.socket, Answers], sent: bytes) -> None:
    theirs, reader = wire
    theirs.sendall(sent)
    with pytest.raises((NotLdapError, IndexError)):
        reader.read(NUMBER)


def test_the_servers_goodbye_and_a_closed_connection(wire: tuple[socket.socket, Answers]) -> None:
    theirs, reader = wire
    goodbye = ber(0x78, b"\x0a\x01\x34\x04\x00\x04\x00" + ber(0x8A, b"1.3.6.1.4.1.1466.20036"))
    theirs.sendall(entry("cn=a") + message(goodbye, number=0))
    with pytest.raises(ConnectionError):
        reader.read(NUMBER)
    theirs.sendall(entry("cn=a"))
    theirs.close()
    with pytest.raises(ConnectionError):
        reader.read(NUMBER)


def test_silence_and_dripping_end(wire: tuple[socket.socket, Answers], monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, reader = wire
    theirs.sendall(entry("cn=a") + DONE[:-1])
    with pytest.raises(TimeoutError):
        reader.read(NUMBER)
    moments = iter([0.0, *(0.3 * number for number in range(9))])
    monkeypatch.setattr(answers.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(answers, "_RECEIVE_BYTES", 1)
    theirs.sendall(entry("cn=a") + DONE)
    with pytest.raises(TimeoutError):
        reader.read(NUMBER)


def test_damaged_answers_are_never_taken_for_others(wire: tuple[socket.socket, Answers]) -> None:
    """One byte of an answer is changed: it is refused, or read as it now is; it is never cut short in silence."""
    chance = random.Random(4)  # noqa: S311 (it only chooses what to damage)
    whole = entry("cn=somebody", uid=[b"somebody"], mail=[b"a@b.c", b"d@e.f"]) + DONE
    for _ in range(400):
        theirs, ours = socket.socketpair()
        with theirs, ours:
            ours.settimeout(0.001)
            position = chance.randrange(len(whole))
            damaged = whole[:position] + bytes([chance.randrange(256)]) + whole[position + 1 :]
            theirs.sendall(damaged)
            try:
                found, last = Answers(ours, limit_s=1.0).read(NUMBER)
            except (NotLdapError, IndexError, OSError, UnicodeDecodeError):
                continue
            assert len(found) == 1
            assert damaged.endswith(last)
            assert len(found[0][0]) == len("cn=somebody")
            assert [len(one) for one in found[0][1].values()] in ([1, 2], [2])
