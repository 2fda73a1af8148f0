"""The printer's word and the wire it comes over; with a fake, since no real printer answers so strangely."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.cups_word import ABORTED, AT_WORK, COMPLETED, FORGOTTEN, SILENT, Handed, Word, ask_printer, together
from edge.ipp import IppError, NoSuchJobError, get_job
from edge.wire import Peer, WireError, exchange
from tests.servers.process import LOOPBACK

OK_HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def saying(content: bytes) -> Iterator[int]:
    """A server that says just these bytes to everybody, whatever they ask, and closes; yields its port."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK_HEAD + b"Content-Length: 3\r\n\r\nabcdef", b"abc"),
        (OK_HEAD + b"\r\nall of it", b"all of it"),
        (OK_HEAD + b"Transfer-Encoding: Chunked\r\n\r\n3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK_HEAD + b"Content-Length: 1\r\n\r\na", b"a"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_answers_are_read_as_they_end(said: bytes, body: bytes) -> None:
    with saying(said) as port:
        assert exchange(Peer(LOOPBACK, port, 1, 2), "GET", "/", {}, None, 100).content == body


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200",
        OK_HEAD + b"no colon\r\n\r\n",
        OK_HEAD + b"Content-Length: 3\r\n\r\nab",
        OK_HEAD + b"Content-Length: 101\r\n\r\n",
        OK_HEAD + b"Content-Length: -1\r\n\r\n",
        OK_HEAD + b"\r\n" + b"x" * 101,
        OK_HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n",
        OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcX",
        OK_HEAD + b"X: " + b"y" * 200_000,
    ],
)
def test_what_is_no_whole_answer_is_an_error(said: bytes) -> None:
    with saying(said) as port, pytest.raises(WireError):
        exchange(Peer(LOOPBACK, port, 1, 2), "GET", "/", {}, None, 100)


def test_a_header_field_cannot_start_another() -> None:
    with pytest.raises(WireError, match="line break"):
        exchange(Peer(LOOPBACK, 1, 1, 1), "GET", "/", {"X": "a\r\nY: b"}, None, 100)


def attribute(tag: int, name: str, value: bytes) -> bytes:
    return struct.pack(">BH", tag, len(name)) + name.encode() + struct.pack(">H", len(value)) + value


def answer(*attributes: bytes, status: int = 0, end: bytes = b"\3") -> bytes:
    content = struct.pack(">BBHI", 2, 0, status, 1) + b"\2" + b"".join(attributes) + end
    return OK_HEAD + b"Content-Type: application/ipp\r\nContent-Length: %d\r\n\r\n" % len(content) + content


def integer(name: str, value: int, tag: int = 0x21) -> bytes:
    return attribute(tag, name, struct.pack(">i", value))


def word(said: bytes) -> Word | None:
    with saying(said) as port:
        return ask_printer([Handed(f"ipp://{LOOPBACK}:{port}/ipp/print", 7)], "anna", 0, lambda _: False)


COLLECTION = attribute(0x34, "media-col", b"") + attribute(0x4A, "", b"x") + integer("", 9) + attribute(0x37, "", b"")


def test_a_printers_word_is_read() -> None:
    reasons = attribute(0x44, "job-state-reasons", b"aborted-by-system") + attribute(0x44, "", b"job-\xff")
    said = word(answer(integer("job-state", 8, 0x23), COLLECTION, integer("job-impressions-completed", 2), reasons))
    assert said == Word(ABORTED, 2, "aborted-by-system, job-\ufffd")


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (answer(integer("job-state", 9, 0x23), integer("job-impressions-completed", 0)), COMPLETED),
        (answer(integer("job-state", 9, 0x23), attribute(0x12, "job-impressions-completed", b"")), COMPLETED),
        (answer(integer("job-state", 5, 0x23)), AT_WORK),
        (answer(status=0x0406), FORGOTTEN),
        (answer(status=0x0500), SILENT),
        (answer(), SILENT),
        (answer(integer("job-state", 9, 0x23), end=b""), SILENT),
        (answer(integer("job-state", 9, 0x23), end=b"\x21\0\xff"), SILENT),
        (answer(attribute(0x23, "job-state", b"\x09")), SILENT),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", SILENT),
    ],
)
def test_a_word_without_pages(said: bytes, state: str) -> None:
    found = word(said)
    assert found is not None
    assert (found.state, found.pages) == (state, None)


def test_several_jobs_are_one() -> None:
    assert together([Word(COMPLETED, 2), Word(ABORTED, 1, "jam")]) == Word(ABORTED, 3, "jam")
    assert together([Word(COMPLETED, 2), Word(AT_WORK)]).final is False


def test_no_printer_is_asked_at_a_strange_address() -> None:
    for uri in ("socket://h", "ipp://", "ipp://h:x/", "file:/x"):
        with pytest.raises(IppError):
            get_job(uri, 1, user="anna", wanted=["job-state"], seconds=1)
    assert issubclass(NoSuchJobError, IppError)
