"""One instance misbehaves, in every way we could think of: the page is there in time, and the other card is right."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from directory.memory import MemoryDirectory
from portal import calls
from portal.factory import create_app
from tests.portal.bad_answers import SILENT, UNUSABLE
from tests.portal.conftest import Clock, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub
from tests.servers.authority import Authority

PAGE_S = 2.5
LONG = pytest.mark.long
TELLING = {"headers, then silence", "a gzip bomb", "chunks of 50 MB", "the last moment", "decimals without end", "NaN"}
SILENCE = "The Internet server does not answer."
NONSENSE = "The Internet server gave no answer that this page can use."


def look(client: FlaskClient, path: str = "/") -> str:
    """The page's words; it must be there in time, whole, with the print card as its instance says it."""
    began = time.monotonic()
    page = client.get(path)
    took = time.monotonic() - began
    text = text_of(page)
    assert took < PAGE_S, f"the page took {took:.2f} s"
    assert page.status_code == 200
    for said in ("$3.40", "Enough for about 68 pages", "as of", "Open Print account"):
        assert said in text
    assert "$0.00" not in text
    assert "$99" not in text
    return text


def params(names: dict[str, Callable[[bytes], Iterator[bytes]]]) -> list[object]:
    """Most of them are for the long run."""
    return [pytest.param(name, marks=() if name in TELLING else LONG) for name in names]


@pytest.mark.parametrize("mood", params(SILENT))
def test_one_that_keeps_us_waiting(
    tmp_path: Path,
    directory: MemoryDirectory,
    clock: Clock,
    print_stub: InstanceStub,
    net_stub: InstanceStub,
    monkeypatch: pytest.MonkeyPatch,
    mood: str,
) -> None:
    monkeypatch.setattr(calls, "CALLS_AT_ONCE", 1)
    folder = write_folder(tmp_path / "portal", [print_stub, net_stub])
    client = create_app(folder, directory=directory, clock=clock).test_client()
    sign_in(client)
    look(client)
    clock.forward(minutes=7)
    net_stub.mood = mood
    text = look(client)
    assert SILENCE in text
    assert "This was your balance 7 minutes ago. It may have changed." in text
    net_stub.mood = "good"
    assert "Low" in look(client, "/?retry=now"), "the only thread still waits for a call whose time is over"


@pytest.mark.parametrize("mood", params(UNUSABLE))
def test_one_that_answers_nonsense(mara: FlaskClient, net_stub: InstanceStub, clock: Clock, mood: str) -> None:
    look(mara)
    clock.forward(minutes=7)
    net_stub.mood = mood
    text = look(mara)
    assert NONSENSE in text
    assert "$0.85" in text
    assert "This was your balance 7 minutes ago. It may have changed." in text
    assert "Open Internet account" not in text


def test_a_connection_that_is_reset_in_the_middle(mara: FlaskClient, net_stub: InstanceStub) -> None:
    """The fake instance ends with a reset (RST), as a crashed one does, where others end politely."""
    look(mara)
    with serving(reset) as port:
        retarget(mara, port)
        assert SILENCE in look(mara)


@pytest.mark.parametrize("speak", ["expired", "other name", "unknown authority", "slow handshake", "no tls"])
@pytest.mark.long
def test_a_broken_tls_server(mara: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speak: str) -> None:
    look(mara)
    good, other = Authority(tmp_path / "good"), Authority(tmp_path / "other", "Another authority")
    expired = Authority(tmp_path / "expired", days=-1)
    certificates = {
        "expired": expired.sign("net"),
        "other name": good.sign("net", ("DNS:elsewhere.example",)),
        "unknown authority": other.sign("net"),
    }
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(good.ca_file.read_text() + expired.ca_file.read_text())
    caller = caller_of(mara)
    caller._tls = ssl.create_default_context(cafile=str(trusted))
    caller._of_thread = threading.local()
    if speak in certificates:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates[speak].certificate, certificates[speak].key)
        work: Callable[[socket.socket], None] = lambda connection: handshake(connection, tls)  # noqa: E731 - one of two, chosen here
    else:
        work = drip_handshake if speak == "slow handshake" else greet
    with serving(work) as port:
        retarget(mara, port, scheme="https")
        assert SILENCE in look(mara)


@pytest.mark.long
def test_a_name_that_no_name_server_answers(mara: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own call for names is replaced: for a real name server that is away, /etc/resolv.conf must change."""
    look(mara)
    real = socket.getaddrinfo

    def slow(host: str, *more: object, **options: object) -> object:
        if host == "net.example":
            time.sleep(6)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    retarget(mara, 80, host="net.example")
    for _time in range(3):
        assert SILENCE in look(mara)


@pytest.mark.long
@pytest.mark.parametrize("host", ["[2001:db8::7]", "[::1]", "no-such-name.invalid"])
def test_an_address_that_leads_nowhere(mara: FlaskClient, host: str) -> None:
    look(mara)
    retarget(mara, 9, host=host)
    assert SILENCE in look(mara)


@pytest.mark.long
def test_a_port_that_drops_connections(mara: FlaskClient) -> None:
    """As a firewall does: the queue of a listener that accepts nobody is full, so the kernel drops what comes."""
    look(mara)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _one in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        retarget(mara, listener.getsockname()[1])
        assert SILENCE in look(mara)
        for each in waiting:
            each.close()


@pytest.mark.long
def test_an_instance_on_ipv6_alone(mara: FlaskClient, net_stub: InstanceStub) -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    net_stub._listener.shutdown(socket.SHUT_RDWR)
    net_stub._thread.join()
    net_stub._listener = listener
    threading.Thread(target=net_stub._serve, daemon=True).start()
    retarget(mara, listener.getsockname()[1], host="[::1]")
    assert "Enough for about 85 MB" in look(mara)


def test_an_idle_connection_that_the_instance_has_closed_is_no_fault(mara: FlaskClient) -> None:
    asked: list[bytes] = []
    with InstanceStub("net") as stub, serving(lambda connection: once(connection, stub, asked)) as port:
        retarget(mara, port)
        for _page in range(3):
            assert "Enough for about 85 MB" in look(mara)
    assert all(b"cookie" not in each.lower() for each in asked), "what an answer set must not come back"
    assert len(asked) == 3


def once(connection: socket.socket, stub: InstanceStub, asked: list[bytes]) -> None:
    """Answer one request as if the connection were kept, set a cookie, and close it as soon as the next one comes."""
    asked.append(connection.recv(65536))
    good = next(iter(stub._answer("/api/v1/purse")))
    head, _blank, body = good.partition(b"\r\n\r\n")
    head = head.replace(b"Connection: close\r\n", b"").replace(b"\r\nConnection: close", b"")
    connection.sendall(head + b"\r\nSet-Cookie: session=mara; Path=/\r\n\r\n" + body)
    connection.recv(1)


def reset(connection: socket.socket) -> None:
    """Send half an answer, then a reset."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
    time.sleep(0.1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def handshake(connection: socket.socket, tls: ssl.SSLContext) -> None:
    """Answer over TLS, if the other side takes the certificate."""
    with tls.wrap_socket(connection, server_side=True) as secured:
        secured.recv(65536)
        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n")


def drip_handshake(connection: socket.socket) -> None:
    """Send the beginning of a TLS record, one byte at a time."""
    for each in b"\x16\x03\x03\x40\x00" + b"\x02" * 500:
        connection.sendall(bytes([each]))
        time.sleep(0.1)


def greet(connection: socket.socket) -> None:
    """Speak plain HTTP where TLS was asked for."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@contextmanager
def serving(work: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on a port of its own that does `work` with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            work(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def caller_of(client: FlaskClient) -> calls.Caller:
    """What makes the portal's calls."""
    caller: calls.Caller = client.application.extensions["portal"].purses._caller
    return caller


def retarget(client: FlaskClient, port: int, *, scheme: str = "http", host: str = "127.0.0.1") -> None:
    """Have the portal ask for the Internet purse elsewhere."""
    purses = client.application.extensions["portal"].purses
    first, second = purses.instances
    purses.instances = (first, replace(second, url=f"{scheme}://{host}:{port}"))
