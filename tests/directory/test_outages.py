"""Servers that are away, hang, trickle or talk nonsense: an answer within six seconds, from another if there is one."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from directory.interface import BadCredentialsError, DirectoryUnavailableError
from directory.ldap import LdapDirectory
from tests.directory.conftest import Listener
from tests.servers.process import LOOPBACK, free_port
from tests.servers.slapd import Slapd

ANSWER_WITHIN_S = 6.0

Ask = Callable[..., LdapDirectory]


@contextmanager
def answered_in_time() -> Iterator[None]:
    """The block must end within the time that a person at the sign-in page is promised."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began <= ANSWER_WITHIN_S


@pytest.fixture(scope="module")
def frail() -> Iterator[Slapd]:
    """A server for this module to freeze."""
    with Slapd() as server:
        yield server


@pytest.mark.parametrize("way", [pytest.param("ldaps", marks=pytest.mark.long), "starttls"])
def test_a_hung_server_and_its_recovery(frail: Slapd, ask: Ask, way: str) -> None:
    changes = {} if way == "ldaps" else {"servers": [frail.starttls_url], "start_tls": True}
    directory = ask(frail, **changes)
    assert directory.authenticate("alice", "demo-alice")
    frail.child.pause()
    try:
        with answered_in_time(), pytest.raises(DirectoryUnavailableError, match="no answer in time"):
            directory.authenticate("alice", "demo-alice")
    finally:
        frail.child.resume()
    assert directory.authenticate("alice", "demo-alice")


@pytest.mark.long
def test_two_hung_servers_take_no_longer_than_one(ask: Ask, slapd: Slapd, listener: Callable[..., Listener]) -> None:
    silent = [listener(), listener()]
    directory = ask(slapd, servers=[one.url for one in silent], plaintext_on_loopback=True)
    with answered_in_time(), pytest.raises(DirectoryUnavailableError) as failure:
        directory.find("alice")
    assert all(one.url in str(failure.value) and one.connections == 1 for one in silent)


@pytest.mark.long
def test_a_trickling_answer_is_cut_off(ask: Ask, slapd: Slapd, listener: Callable[..., Listener]) -> None:
    """A fake, because no real server can be made to send one byte of a long answer every half second."""
    slow = listener(b"\x30\x84\x00\x00\x10\x00" + b"\x00" * 100, 0.5)
    directory = ask(slapd, servers=[slow.url], plaintext_on_loopback=True)
    with answered_in_time(), pytest.raises(DirectoryUnavailableError, match="no answer in time"):
        directory.authenticate("alice", "demo-alice")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00", b"\x30\x03\x02\x01\x01", b"\xff" * 64]
)
def test_an_answer_that_is_not_ldap(ask: Ask, slapd: Slapd, listener: Callable[..., Listener], answer: bytes) -> None:
    """A fake, because a directory server always speaks LDAP."""
    directory = ask(slapd, servers=[listener(answer).url], plaintext_on_loopback=True)
    with answered_in_time(), pytest.raises(DirectoryUnavailableError):
        directory.authenticate("alice", "demo-alice")


class Cutter:
    """Stands before a real server and closes the connection after so many bytes of its answers."""

    def __init__(self, port: int, limit: int) -> None:
        self._server_port, self._left = port, limit
        self.sent = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.url = f"ldap://{LOOPBACK}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._listener:
            client, _ = self._listener.accept()
        with client, socket.create_connection((LOOPBACK, self._server_port)) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(4096)
                    if ready is client:
                        server.sendall(data)
                    else:
                        client.sendall(data[: self._left])
                        self.sent += len(data)
                        self._left -= len(data)
                    if not data or self._left <= 0:
                        return


def test_a_connection_that_is_closed_in_the_middle_of_any_answer(ask: Ask, slapd: Slapd) -> None:
    whole = Cutter(slapd.port, 100_000)
    assert ask(slapd, servers=[whole.url], plaintext_on_loopback=True).authenticate("alice", "demo-alice")
    assert whole.sent > 300
    for limit in range(1, whole.sent, 13):
        directory = ask(slapd, servers=[Cutter(slapd.port, limit).url], plaintext_on_loopback=True)
        with answered_in_time(), pytest.raises(DirectoryUnavailableError):
            directory.authenticate("alice", "demo-alice")


def test_nobody_listens(ask: Ask, slapd: Slapd) -> None:
    directory = ask(slapd, servers=[f"ldaps://localhost:{free_port()}"])
    with answered_in_time(), pytest.raises(DirectoryUnavailableError) as failure:
        directory.authenticate("alice", "demo-alice")
    assert failure.value.retryable
    assert len(directory.check()) == 1


def test_an_unknown_host(ask: Ask, slapd: Slapd) -> None:
    directory = ask(slapd, servers=["ldaps://directory.invalid"])
    with answered_in_time(), pytest.raises(DirectoryUnavailableError):
        directory.authenticate("alice", "demo-alice")


def test_the_next_server_answers_when_one_is_gone(ask: Ask, slapd: Slapd) -> None:
    directory = ask(slapd, servers=[f"ldaps://localhost:{free_port()}", slapd.ldaps_url])
    with answered_in_time():
        assert directory.authenticate("alice", "demo-alice").username == "alice"
    with pytest.raises(BadCredentialsError):
        directory.authenticate("alice", "wrong")
    assert len(directory.check()) == 1


def test_the_next_server_answers_when_one_hangs_and_the_hung_one_is_asked_last(
    ask: Ask, slapd: Slapd, listener: Callable[..., Listener]
) -> None:
    hung = listener()
    directory = ask(slapd, servers=[f"ldaps://localhost:{hung.port}", slapd.ldaps_url])
    with answered_in_time():
        assert directory.authenticate("alice", "demo-alice")
    began = time.monotonic()
    assert directory.authenticate("alice", "demo-alice")
    assert time.monotonic() - began < 2.4
    assert hung.connections == 1


def test_a_refusal_is_not_asked_again_elsewhere(ask: Ask, slapd: Slapd, listener: Callable[..., Listener]) -> None:
    """Else each wrong password would count once per server towards the directory's lock-out."""
    second = listener()
    directory = ask(slapd, servers=[slapd.ldaps_url, f"ldaps://localhost:{second.port}"])
    with pytest.raises(BadCredentialsError):
        directory.authenticate("alice", "wrong")
    assert second.connections == 0
