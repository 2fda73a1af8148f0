"""twinpurse-squid-end: ends established connections to the proxy's own ports, for who may use its socket; no more.

The only program here that runs as root. It takes one line, "client-ip:port proxy-ip:port", and answers "ended" or
"refused: why". Everything else is refused and logged.
"""

from __future__ import annotations

import argparse
import grp
import ipaddress
import logging
import os
import pwd
import re
import signal
import socket
import struct
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from edge.socket_end import CannotEndError, Pair, end
from edge.squid_settings import log_to_stderr

LONGEST_LINE: Final = 200
ASKING_S: Final = 2.0  # how long one caller may take; one after the other is served
PLACE: Final = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):([1-9][0-9]{0,4})")

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """What was asked for is not this program's to do; says why."""


def read_pair(line: bytes, ports: Collection[int]) -> Pair:
    """Read "client-ip:port proxy-ip:port"; the second port must be one of `ports`. Raises RefusedError."""
    words = line.decode("ascii", "replace").strip("\n").split(" ")
    places = [PLACE.fullmatch(word) for word in words]
    if len(places) != 2 or places[0] is None or places[1] is None or not line.endswith(b"\n"):
        raise RefusedError("not two addresses with ports")
    try:
        client, local = (ipaddress.ip_address(place[1] or place[2]) for place in places if place is not None)
    except ValueError:
        raise RefusedError("not an address") from None
    client_port, local_port = int(places[0][3]), int(places[1][3])
    if client.version != local.version or max(client_port, local_port) > 65_535:
        raise RefusedError("these are not the two ends of a connection")
    if local_port not in ports:
        raise RefusedError(f"port {local_port} is not the proxy's")
    return Pair(client, client_port, local, local_port)


def answer(line: bytes, ports: Collection[int], asker: str, end: Callable[[Pair], None] = end) -> bytes:
    """Do what a line asks for, and say what came of it. Never raises."""
    try:
        pair = read_pair(line, ports)
        end(pair)
    except (RefusedError, CannotEndError) as problem:
        log.warning("refused to %s: %s: %r", asker, problem, line[:LONGEST_LINE])
        return f"refused: {problem}\n".encode("ascii", "replace")
    except Exception:
        log.exception("a connection was not ended")
        return b"refused: internal error\n"
    log.info("ended a connection to port %d for %s", pair.local_port, asker)
    return b"ended\n"


def listen(path: Path, *, owner: str, group: str, mode: int) -> socket.socket:
    """Return a socket that listens at `path`, for who may write to it by owner, group and mode."""
    if path.is_socket():
        path.unlink()  # of the run before
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
    path.chmod(mode)
    listener.listen(16)
    return listener


def serve(listener: socket.socket, ports: Collection[int]) -> None:
    """Answer one caller after the other, for ever."""
    while True:
        caller, _ = listener.accept()
        with caller:
            try:
                caller.settimeout(ASKING_S)
                asker = _asker(caller)
                with caller.makefile("rb") as lines:
                    line = lines.readline(LONGEST_LINE + 1)
                caller.sendall(answer(line, ports, asker))
            except OSError as error:
                log.warning("a caller went away: %s", error)


def _asker(caller: socket.socket) -> str:
    pid, uid, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return f"user {uid}, process {pid}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Listen until SIGTERM. 1: the socket cannot be made."""
    options = _parser().parse_args(arguments)
    log_to_stderr("twinpurse-squid-end")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        listener = listen(options.socket, owner=options.owner, group=options.group, mode=int(options.mode, 8))
    except (OSError, KeyError, ValueError) as problem:
        log.error("%s: %s", options.socket, problem)
        return 1
    serve(listener, frozenset(options.port))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-squid-end", description=__doc__)
    parser.add_argument("--socket", type=Path, default=Path("/run/twinpurse/end"), help="where to listen")
    parser.add_argument("--port", type=int, action="append", required=True, help="a port of the proxy; may be repeated")
    parser.add_argument("--owner", default="root", help="who owns the socket (default: root)")
    parser.add_argument("--group", default="proxy", help="whose members may use the socket (default: proxy)")
    parser.add_argument("--mode", default="0660", help="the socket's mode (default: 0660)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
