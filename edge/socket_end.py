"""Ends one established TCP connection of this machine through the kernel (sock_diag, Linux), or through nftables.

It needs CAP_NET_ADMIN. The kernel wants CONFIG_INET_DIAG_DESTROY for the first way; `ss -K` does the same.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import subprocess
from typing import Final, NamedTuple

NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
SOCK_DESTROY: Final = 21
NLM_F_REQUEST: Final = 1
NLM_F_ACK: Final = 4
NLMSG_ERROR: Final = 2
TCP_ESTABLISHED: Final = 1
NO_COOKIE: Final = b"\xff" * 8
HEADER: Final = struct.Struct("=IHHII")
REQUEST: Final = struct.Struct("=BBBxI")
SOCKET_ID: Final = struct.Struct("!HH16s16s4s8s")
NFT: Final = "/usr/sbin/nft"
NFT_RULES: Final = """\
table inet twinpurse_end {{
  set ended4 {{ type ipv4_addr . inet_service . ipv4_addr . inet_service; flags timeout; }}
  set ended6 {{ type ipv6_addr . inet_service . ipv6_addr . inet_service; flags timeout; }}
  chain from_clients {{
    type filter hook input priority -10; policy accept;
    ip saddr . tcp sport . ip daddr . tcp dport @ended4 tcp flags & rst != rst reject with tcp reset
    ip6 saddr . tcp sport . ip6 daddr . tcp dport @ended6 tcp flags & rst != rst reject with tcp reset
  }}
  chain to_clients {{
    type filter hook output priority -10; policy accept;
    ip daddr . tcp dport . ip saddr . tcp sport @ended4 tcp flags & rst != rst reject with tcp reset
    ip6 daddr . tcp dport . ip6 saddr . tcp sport @ended6 tcp flags & rst != rst reject with tcp reset
  }}
}}
"""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Pair(NamedTuple):
    """Both ends of a connection: the client's, and the one of this machine."""

    client: Address
    client_port: int
    local: Address
    local_port: int


class CannotEndError(Exception):
    """The connection was not ended; says why."""


def end(pair: Pair) -> None:
    """End an established connection at once, by a reset to its client. Raises CannotEndError."""
    try:
        _destroy(pair)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise CannotEndError(os.strerror(error.errno or 0)) from None
        end_by_nftables(pair)


def _destroy(pair: Pair) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(2)
        family = socket.AF_INET if pair.client.version == 4 else socket.AF_INET6
        # Looked up first: without an established connection the kernel would find the port's listening socket, and
        # end that. What is destroyed is named by the cookie of what was looked at.
        found = _exchange(kernel, SOCK_DIAG_BY_FAMILY, family, _socket_id(pair, NO_COOKIE))
        state, names = found[1], found[4 : 4 + SOCKET_ID.size]
        if state != TCP_ESTABLISHED or SOCKET_ID.unpack(names)[:2] != (pair.local_port, pair.client_port):
            raise CannotEndError("no such connection")
        _exchange(kernel, SOCK_DESTROY, family, _socket_id(pair, names[-8:]))


def _socket_id(pair: Pair, cookie: bytes) -> bytes:
    local, client = pair.local.packed.ljust(16, b"\0"), pair.client.packed.ljust(16, b"\0")
    return SOCKET_ID.pack(pair.local_port, pair.client_port, local, client, b"\0" * 4, cookie)


def _exchange(kernel: socket.socket, kind: int, family: int, socket_id: bytes) -> bytes:
    """One request about one socket; return the answer's body, b"" for a bare yes. Raises OSError, CannotEndError."""
    body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + socket_id
    flags = NLM_F_REQUEST | (NLM_F_ACK if kind == SOCK_DESTROY else 0)
    kernel.send(HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body)
    answer = kernel.recv(65_536)
    if HEADER.unpack_from(answer)[1] != NLMSG_ERROR:
        return answer[HEADER.size :]
    number = -struct.unpack_from("=i", answer, HEADER.size)[0]
    if number in (errno.ENOENT, errno.ESTALE):
        raise CannotEndError("no such connection")
    if number:
        raise OSError(number, os.strerror(number))
    return b""


def end_by_nftables(pair: Pair) -> None:
    """Refuse every packet of the connection with a reset, for ten minutes. Raises CannotEndError."""
    name = "ended4" if pair.client.version == 4 else "ended6"
    element = f"{pair.client} . {pair.client_port} . {pair.local} . {pair.local_port} timeout 10m"
    if _nft("list table inet twinpurse_end\n"):
        problem = _nft(NFT_RULES.format())
        if problem:
            raise CannotEndError(f"nftables: {problem}")
    problem = _nft(f"add element inet twinpurse_end {name} {{ {element} }}\n")
    if problem:
        raise CannotEndError(f"nftables: {problem}")


def _nft(script: str) -> str:
    """Run an nftables script; return what was wrong, "" when nothing was."""
    try:
        done = subprocess.run([NFT, "-f", "-"], input=script.encode(), capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.decode("utf-8", "replace").strip()[:300] or "failed")
