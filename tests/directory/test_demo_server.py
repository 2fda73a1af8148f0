"""The demo's directory: only on loopback, quiet, quick to start, and impossible to change or to ask for passwords."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ldap3
import pytest

from demo.people import BASE_DN, PEOPLE, PEOPLE_DN, SERVICE_DN
from tests.directory.conftest import REPOSITORY
from tests.servers.process import LOOPBACK, Child, free_port, wait_port
from tests.servers.slapd import SERVICE_PASSWORD


@pytest.fixture
def connect(serve_ldaptor: Callable[..., str]) -> Iterator[Callable[[str, str], ldap3.Connection]]:
    """Opens raw LDAP connections to a demo directory; an empty name is an anonymous one."""
    port = urlsplit(serve_ldaptor("demo.ldap_server")).port
    opened: list[ldap3.Connection] = []

    def make(dn: str, password: str) -> ldap3.Connection:
        server = ldap3.Server(LOOPBACK, port=port, get_info=ldap3.NONE, connect_timeout=5)
        connection = ldap3.Connection(server, dn or None, password or None, check_names=False)
        opened.append(connection)
        connection.open(read_server_info=False)
        connection.bind(read_server_info=False)
        return connection

    yield make
    for connection in opened:
        connection.unbind()


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the server until it ends by itself."""
    argv = [sys.executable, "-m", "demo.ldap_server", *options]
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_in_a_second_and_ends_without_a_word(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "password").write_text("secret\n")
    port = free_port()
    began = time.monotonic()
    argv = [
        sys.executable,
        "-m",
        "demo.ldap_server",
        "--port",
        str(port),
        "--password-file",
        str(tmp_path / "password"),
    ]
    child = Child(argv, cwd=REPOSITORY, log=tmp_path / "log").start()
    wait_port(port, child)
    assert time.monotonic() - began < 60  # about a second on a machine with nothing else to do
    assert child.stop(number) == 0
    assert child.log.read_text() == ""


EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 (it must be refused)


@pytest.mark.parametrize("address", [EVERY_ADDRESS, "::", "192.0.2.1", "localhost.example.org", ""])
def test_no_other_machine_can_ever_reach_it(tmp_path: Path, address: str) -> None:
    (tmp_path / "password").write_text("secret")
    ended = run("--port", str(free_port()), "--address", address, "--password-file", str(tmp_path / "password"))
    assert ended.returncode == 2
    assert "address" in ended.stderr


def test_it_needs_a_password_file_and_a_free_port(tmp_path: Path) -> None:
    port = str(free_port())
    assert run("--port", port, "--password-file", str(tmp_path / "missing")).returncode == 2
    (tmp_path / "password").write_text("\n")
    assert run("--port", port, "--password-file", str(tmp_path / "password")).returncode == 2


def test_a_taken_port_is_named(tmp_path: Path, serve_ldaptor: Callable[..., str]) -> None:
    port = str(urlsplit(serve_ldaptor("demo.ldap_server")).port)
    (tmp_path / "password").write_text("secret")
    ended = run("--port", port, "--password-file", str(tmp_path / "password"))
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_is_told_before_signing_in(connect: Callable[[str, str], ldap3.Connection]) -> None:
    stranger = connect("", "")
    assert not stranger.search(BASE_DN, "(uid=*)", attributes=["uid"])
    assert stranger.result["description"] == "insufficientAccessRights"


def test_a_wrong_password_is_result_49_and_signs_out(connect: Callable[[str, str], ldap3.Connection]) -> None:
    connection = connect(PEOPLE[0].dn, "wrong")
    assert connection.result["result"] == 49
    assert not connection.search(BASE_DN, "(uid=*)", attributes=["uid"])


def test_no_search_finds_a_password(connect: Callable[[str, str], ldap3.Connection]) -> None:
    connection = connect(SERVICE_DN, SERVICE_PASSWORD)
    assert connection.search(BASE_DN, "(objectClass=*)", attributes=["*", "userPassword"])
    assert not any(entry["raw_attributes"]["userPassword"] for entry in connection.response)
    told = repr([entry["raw_attributes"] for entry in connection.response])
    assert "alice" in told
    assert "demo-" not in told
    connection.search(BASE_DN, "(userPassword=*)", attributes=["uid"])
    assert connection.response == []


def test_nothing_can_be_changed(connect: Callable[[str, str], ldap3.Connection]) -> None:
    connection = connect(PEOPLE[0].dn, PEOPLE[0].password)
    assert not connection.add(f"uid=eve,{PEOPLE_DN}", ["inetOrgPerson"], {"cn": "Eve", "sn": "Eve"})
    assert not connection.modify(PEOPLE[0].dn, {"mail": [(ldap3.MODIFY_REPLACE, ["x@example.org"])]})
    assert not connection.modify_dn(PEOPLE[0].dn, "uid=eve")
    assert not connection.delete(PEOPLE[1].dn)
    connection.extend.standard.modify_password(None, PEOPLE[0].password, "new")
    assert connection.result["result"] != 0
    assert connection.search(PEOPLE_DN, "(uid=*)", attributes=["mail"])
    assert {entry["raw_attributes"]["mail"][0].decode() for entry in connection.response} == {p.email for p in PEOPLE}
