"""Whose request it is by address: the peer's own, or the one that a trusted proxy names; for portal and instances."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

UNIX: Final = "unix"
"""The address of whoever comes through a Unix socket. Servers write "", "local", "localhost" or the socket's path."""

_UNIX_PEERS: Final = ("", "local", "<local>", "localhost")
HEADER_CHARACTERS_MAX: Final = 2000

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Peers:
    """Machines that are trusted with something, by address."""

    unix: bool = False
    networks: tuple[_Network, ...] = ()

    @classmethod
    def named(cls, names: Sequence[str]) -> Peers:
        """Return the peers that `names` lists: addresses, networks such as 10.0.0.0/24, "unix". Raises ValueError."""
        try:
            networks = tuple(ipaddress.ip_network(name) for name in names if name != UNIX)
        except ValueError as error:
            raise ValueError(f'write "unix", an address or a network such as 10.0.0.0/24: {error}') from None
        return cls(UNIX in names, networks)

    def include(self, peer: str) -> bool:
        """Whether a request that came from `peer` (REMOTE_ADDR) came from one of these."""
        address = _parsed(peer)
        if address is None:
            return self.unix and peer_address(peer) == UNIX
        return any(address in network for network in self.networks)


def peer_address(peer: str) -> str:
    """Return who is at the other end (REMOTE_ADDR) in one spelling: an IP address, "unix", or "?" for anything else."""
    address = _parsed(peer)
    if address is not None:
        return str(address)
    return UNIX if peer in _UNIX_PEERS or peer.startswith((UNIX, "/", "@")) else "?"


def client_address(peer: str, forwarded_for: str, trusted: Peers) -> str:
    """Return the address that a request comes from, in one spelling.

    It is the peer's, unless the peer is trusted: then the last address of X-Forwarded-For (`forwarded_for`, its text)
    that is not a trusted proxy's itself. What stands before that one was written by whoever sent the request, and
    counts for nothing; nor does what is no address.
    """
    seen = peer_address(peer)
    if not trusted.include(peer):
        return seen
    for hop in reversed(forwarded_for[-HEADER_CHARACTERS_MAX:].split(",")):
        address = _parsed(_without_port(hop.strip()))
        if address is None:
            return seen
        seen = str(address)
        if not trusted.include(seen):
            return seen
    return seen


def _without_port(hop: str) -> str:
    """Some proxies write "192.0.2.1:4711" or "[2001:db8::1]:4711"."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
