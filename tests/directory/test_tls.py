"""TLS to the directory: the right authority and the right name, or no question is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from directory.interface import DirectoryUnavailableError
from directory.ldap import LdapDirectory
from tests.servers.authority import Authority
from tests.servers.slapd import Slapd

Ask = Callable[..., LdapDirectory]


def reach(server: Slapd, way: str, host: str) -> dict[str, Any]:
    """Settings that reach the server as `host`, over LDAPS or StartTLS."""
    if way == "ldaps":
        return {"servers": [f"ldaps://{host}:{server.tls_port}"]}
    return {"servers": [f"ldap://{host}:{server.port}"], "start_tls": True}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for the servers of this module."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def only_by_name(authority: Authority) -> Iterator[Slapd]:
    """A server whose certificate is for localhost and nothing else."""
    with Slapd(authority=authority, names=("DNS:localhost",)) as server:
        yield server


@pytest.fixture(scope="module")
def only_by_address(authority: Authority) -> Iterator[Slapd]:
    """A server whose certificate is for the address 127.0.0.1, written as an address."""
    with Slapd(authority=authority, names=("IP:127.0.0.1",)) as server:
        yield server


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """A server whose certificate was good until yesterday."""
    with Slapd(authority=Authority(tmp_path_factory.mktemp("expired"), days=-1)) as server:
        yield server


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_an_authority_that_is_not_ours_is_refused(slapd: Slapd, ask: Ask, tmp_path: Path, way: str) -> None:
    other = Authority(tmp_path / "other", name="Somebody else")
    directory = ask(slapd, ca_file=str(other.ca_file), **reach(slapd, way, "localhost"))
    before = slapd.requests().count("BIND")
    with pytest.raises(DirectoryUnavailableError, match=r"certificate is not accepted: .*certificate") as failure:
        directory.authenticate("alice", "demo-alice")
    assert failure.value.retryable
    assert slapd.requests().count("BIND") == before
    assert "certificate is not accepted" in directory.check()[0]


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_the_authorities_of_the_system_do_not_know_ours(slapd: Slapd, ask: Ask, way: str) -> None:
    with pytest.raises(DirectoryUnavailableError, match="certificate is not accepted"):
        ask(slapd, ca_file="", **reach(slapd, way, "localhost")).authenticate("alice", "demo-alice")


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_a_certificate_for_another_host_is_refused(only_by_name: Slapd, ask: Ask, way: str) -> None:
    assert ask(only_by_name, **reach(only_by_name, way, "localhost")).authenticate("alice", "demo-alice")
    with pytest.raises(DirectoryUnavailableError, match="certificate is not accepted: IP address mismatch"):
        ask(only_by_name, **reach(only_by_name, way, "127.0.0.1")).authenticate("alice", "demo-alice")


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_an_address_in_the_certificate_counts_for_that_address_only(only_by_address: Slapd, ask: Ask, way: str) -> None:
    assert ask(only_by_address, **reach(only_by_address, way, "127.0.0.1")).authenticate("alice", "demo-alice")
    with pytest.raises(DirectoryUnavailableError, match="certificate is not accepted: Hostname mismatch"):
        ask(only_by_address, **reach(only_by_address, way, "localhost")).authenticate("alice", "demo-alice")


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_an_expired_certificate_is_refused(expired: Slapd, ask: Ask, way: str) -> None:
    directory = ask(expired, **reach(expired, way, "localhost"))
    with pytest.raises(DirectoryUnavailableError, match="certificate is not accepted: certificate has expired"):
        directory.authenticate("alice", "demo-alice")
    assert "certificate has expired" in directory.check()[0]


def test_tls_to_a_port_without_it_fails_and_says_so(slapd: Slapd, ask: Ask) -> None:
    directory = ask(slapd, servers=[f"ldaps://localhost:{slapd.port}"])
    with pytest.raises(DirectoryUnavailableError, match="TLS: the handshake failed"):
        directory.authenticate("alice", "demo-alice")


def test_a_server_that_will_not_start_tls_gets_no_password(
    ask: Ask, slapd: Slapd, serve_ldaptor: Callable[..., str]
) -> None:
    url = serve_ldaptor("demo.ldap_server")
    directory = ask(slapd, servers=[url], start_tls=True)
    with pytest.raises(DirectoryUnavailableError):
        directory.authenticate("alice", "demo-alice")


def test_a_directory_that_demands_encryption_is_understood(caplog: pytest.LogCaptureFixture, ask: Ask) -> None:
    caplog.set_level(logging.DEBUG)
    with Slapd(more_settings="security simple_bind=128") as server:
        problems = ask(server, servers=[f"ldap://127.0.0.1:{server.port}"], plaintext_on_loopback=True).check()
        assert "demands an encrypted connection" in problems[0]
        assert ask(server).authenticate("alice", "demo-alice")
