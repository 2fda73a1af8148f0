"""The program that ends connections: established ones to the proxy's ports, and nothing else. It needs root."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import socket_end
from edge.socket_end import Pair
from edge.squid_end import RefusedError, read_pair
from tests.servers.process import Child, make_dir

PROJECT = Path(__file__).resolve().parents[2]
OWN_NETWORK = """
import ipaddress, socket, sys
sys.path.insert(0, {project!r})
from edge.socket_end import Pair, end_by_nftables
listener = socket.create_server(("127.0.0.1", 0))
pairs = [(socket.create_connection(listener.getsockname()), listener.accept()[0]) for _ in range(2)]
here, port = ipaddress.ip_address("127.0.0.1"), listener.getsockname()[1]
end_by_nftables(Pair(here, pairs[0][0].getsockname()[1], here, port))
for client, served in pairs:
    client.settimeout(3)
    try:
        client.send(b"x")
        print(client.recv(1) if client is pairs[0][0] else served.recv(1))
    except OSError as error:
        print(type(error).__name__)
"""


class Proxy:
    """A listening port with connections to it, and the program that may end them."""

    def __init__(self, folder: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.path = folder / "end.sock"
        argv = [sys.executable, "-m", "edge.squid_end", "--socket", str(self.path), "--port", str(self.port)]
        self.child = Child([*argv, "--group", "proxy"], cwd=PROJECT, log=folder / "log").start()
        deadline = time.monotonic() + 10
        while not self.path.exists():
            assert time.monotonic() < deadline, self.child.log_tail()
            time.sleep(0.02)

    def connect(self) -> tuple[socket.socket, socket.socket]:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        return client, self.listener.accept()[0]

    def ask(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(self.path))
            caller.sendall(line)
            caller.shutdown(socket.SHUT_WR)
            return caller.makefile("rb").readline()


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    started = Proxy(make_dir("twinpurse-end-"))
    yield started
    started.child.stop()
    started.listener.close()


def test_one_connection_ends_and_its_neighbours_do_not(proxy: Proxy) -> None:
    (first, at_first), (second, at_second) = proxy.connect(), proxy.connect()
    place = f"127.0.0.1:{first.getsockname()[1]} 127.0.0.1:{proxy.port}\n".encode()
    assert proxy.ask(place) == b"ended\n"
    with pytest.raises(ConnectionResetError):
        first.recv(1)
    with pytest.raises(ConnectionAbortedError):
        at_first.recv(1)
    assert proxy.ask(place) == b"refused: no such connection\n"
    second.sendall(b"x")
    assert at_second.recv(1) == b"x"
    proxy.connect()  # the port still listens


def test_nothing_else_is_ended_and_every_refusal_is_logged(proxy: Proxy) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
        client = socket.create_connection(other.getsockname())
        served = other.accept()[0]
        there = f"127.0.0.1:{client.getsockname()[1]} 127.0.0.1:{other.getsockname()[1]}\n".encode()
        before = proxy.child.log_tail().count("refused to user 0")
        assert proxy.ask(there).startswith(b"refused: port ")
        lines = [
            b"",
            b"\n",
            b"127.0.0.1:1\n",
            there.replace(b"\n", b" x\n"),
            f"127.0.0.1:1 0.0.0.0:{proxy.port}\n".encode(),  # the listening socket itself
            f"127.0.0.1:0 127.0.0.1:{proxy.port}\n".encode(),
            f"[::1]:5 127.0.0.1:{proxy.port}\n".encode(),
            f"127.0.0.1:70000 127.0.0.1:{proxy.port}\n".encode(),
            f"localhost:80 127.0.0.1:{proxy.port}\n".encode(),
            f"1:$(reboot) 127.0.0.1:{proxy.port}\n".encode(),
            b"x" * 100_000 + b"\n",
        ]
        for line in lines:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                assert proxy.ask(line).startswith(b"refused: "), line
        served.sendall(b"still here")
        assert client.recv(10) == b"still here"
        proxy.connect()
        assert proxy.child.log_tail().count("refused to user 0") >= min(len(lines), 8) + before


def test_the_socket_is_for_root_and_the_group(proxy: Proxy) -> None:
    found = proxy.path.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o660)
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(proxy.path)!r})"
    python = ["/usr/bin/python3", "-c", code]
    nobody = subprocess.run(
        python, user="nobody", group="nogroup", extra_groups=[], check=False, capture_output=True, text=True
    )
    assert "PermissionError" in nobody.stderr
    assert subprocess.run(python, user="proxy", group="proxy", check=False).returncode == 0


def test_ports_and_addresses_are_read_strictly() -> None:
    assert read_pair(b"[2001:db8::1]:5 [::1]:3128\n", {3128}).client == ipaddress.ip_address("2001:db8::1")
    dice = random.Random(3)  # noqa: S311 (the same dice each time)
    whole = b"127.0.0.1:50123 127.0.0.1:3128\n"
    for _ in range(3000):
        line = bytearray(whole)
        line[dice.randrange(len(line))] = dice.randrange(256)
        try:
            pair = read_pair(bytes(line), {3128})
        except RefusedError:
            continue
        assert pair.local_port == 3128


def test_ipv6_and_a_port_that_serves_both() -> None:
    for host, family, dual in (("::1", socket.AF_INET6, False), ("127.0.0.1", socket.AF_INET6, True)):
        bound = "::" if dual else host
        listener = socket.create_server((bound, 0), family=family, dualstack_ipv6=dual)
        client = socket.create_connection((host, listener.getsockname()[1]), timeout=5)
        served = listener.accept()[0]
        address = ipaddress.ip_address(host)
        socket_end.end(Pair(address, client.getsockname()[1], address, listener.getsockname()[1]))
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        served.close()
        listener.close()


def test_nftables_ends_one_connection_where_the_kernel_cannot() -> None:
    assert os.geteuid() == 0, "a network of its own wants root, as the program does"
    code = OWN_NETWORK.format(project=str(PROJECT))
    inside = f'ip link set lo up && exec {sys.executable} -c "$CODE"'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", inside],
        env=os.environ | {"CODE": code},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == ["ConnectionResetError", "b'x'"], done.stderr
