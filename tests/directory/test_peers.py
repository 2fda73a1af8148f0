"""Whose address counts: the peer's, or what a trusted proxy says; nobody else's word."""

from __future__ import annotations

import pytest

from directory.peers import Peers, client_address, peer_address

PROXIES = ("127.0.0.1", "10.0.0.0/28", "2001:db8:ffff::/48", "unix")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),  # nobody trusted
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("::ffff:127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("", "198.51.100.9", "198.51.100.9"),  # a Unix socket
        ("127.0.0.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),  # the first was written by the sender
        ("127.0.0.1", "203.0.113.5, 198.51.100.9, 10.0.0.3", "198.51.100.9"),  # a chain of our own
        ("127.0.0.1", "10.0.0.4, 10.0.0.3", "10.0.0.4"),  # nobody but ourselves
        ("127.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "2001:DB8:0:0::7", "2001:db8::7"),
        ("127.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        ("127.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.9, unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.9, , 10.0.0.3", "10.0.0.3"),
        ("127.0.0.1", "unix", "127.0.0.1"),
        ("127.0.0.1", "1.2.3", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.9," * 100_000 + "198.51.100.8", "198.51.100.8"),
        ("nonsense", "198.51.100.9", "?"),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded_for: str, address: str) -> None:
    assert client_address(peer, forwarded_for, Peers.named(PROXIES)) == address


def test_by_default_nobody_is_trusted() -> None:
    for peer in ("127.0.0.1", "", "192.0.2.1", "::1"):
        assert client_address(peer, "198.51.100.9", Peers.named([])) == peer_address(peer)


@pytest.mark.parametrize("peer", ["", "local", "<local>", "localhost", "unix:", "/run/purse.sock", "@abstract"])
def test_a_unix_socket_is_one_whatever_the_server_calls_it(peer: str) -> None:
    assert peer_address(peer) == "unix"
    assert Peers.named(["unix"]).include(peer)
    assert not Peers.named(["127.0.0.1", "0.0.0.0/0"]).include(peer)


def test_a_network_has_its_own_addresses_only() -> None:
    peers = Peers.named(["10.0.0.0/28"])
    assert [peers.include(peer) for peer in ("10.0.0.15", "10.0.0.16", "::1", "", "x")] == [
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("name", ["proxy.example.org", "127.0.0.1/8", "10.0.0.0/33", "", "*", "Unix"])
def test_what_is_no_address_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="write"):
        Peers.named([name])
