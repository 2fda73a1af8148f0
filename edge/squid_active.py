"""The requests that run through Squid now, as its cache manager lists them (active_requests, seen with Squid 5.7)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LONGEST_HOST: Final = 255
NUMBER: Final = rb"(\d{1,18})"
KNOWN: Final = {
    "fd": re.compile(rb"\tFD \d+, read " + NUMBER + rb", wrote \d+"),
    "remote": re.compile(rb"\tremote: (\S{1,60}):(\d{1,5})"),
    "local": re.compile(rb"\tlocal: (\S{1,60}):(\d{1,5})"),
    "nrequests": re.compile(rb"\tnrequests: " + NUMBER),
    "uri": re.compile(rb"uri (.*)"),
    "logType": re.compile(rb"logType ([A-Z_]+)\S*"),
    "out.offset": re.compile(rb"out\.offset \d+, out\.size " + NUMBER),
    "start": re.compile(rb"start (\d{10})\.(\d{6}) .*"),
    "username": re.compile(rb"username (.*)"),
}
WORD: Final = re.compile(rb"\t?([A-Za-z.]+)")
SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Active(NamedTuple):
    """One request that has not ended. Sizes in bytes.

    `out_size` is what its log line will call %<st: the reply as sent so far, headers included (measured: equal to the
    byte). `read` is what came from the client over this connection, whose `requests`th request this is; for the first
    it is the line's %>st. `start_ms` is the line's end less its duration (%tr), in milliseconds since 1970.
    """

    client: str
    client_port: int
    proxy: str
    proxy_port: int
    requests: int
    read: int
    host: str
    tag: str
    out_size: int
    start_ms: int
    user: bytes


def read_active(text: bytes) -> list[Active]:
    """Read the cache manager's answer. What is unknown is passed over; a request of which something is missing too.

    Several processes of one Squid (SMP) list theirs one after the other, between lines that name them.
    """
    found = []
    for block in re.split(rb"(?m)^Connection: 0x[0-9a-f]+$", text)[1:]:
        active = _read_block(block)
        if active is not None:
            found.append(active)
    return found


def _read_block(block: bytes) -> Active | None:
    fields: dict[str, tuple[bytes, ...]] = {}
    for line in block.split(b"\n"):
        word = WORD.match(line)
        name = word[1].decode().removesuffix(":") if word else ""
        pattern = KNOWN.get("fd" if name == "FD" else name)
        match = pattern.fullmatch(line) if pattern is not None else None
        if match is None:
            continue
        name = "fd" if name == "FD" else name
        if name in fields:
            return None  # two answers to one question: nobody can say which is right
        fields[name] = match.groups()
    if len(fields) != len(KNOWN):
        return None
    seconds, micros = fields["start"]
    return Active(
        client=_address(fields["remote"][0]),
        client_port=int(fields["remote"][1]),
        proxy=_address(fields["local"][0]),
        proxy_port=int(fields["local"][1]),
        requests=int(fields["nrequests"][0]),
        read=int(fields["fd"][0]),
        host=host_of(fields["uri"][0].decode("ascii", "replace")),
        tag=fields["logType"][0].decode(),
        out_size=int(fields["out.offset"][0]),
        start_ms=int(seconds) * 1000 + int(micros) // 1000,
        user=fields["username"][0],
    )


def _address(raw: bytes) -> str:
    return raw.decode("ascii", "replace").removeprefix("[").removesuffix("]")


def host_of(uri: str) -> str:
    """Return the host of an address ("http://host:80/path") or of a tunnel ("host:443"); "" where there is none."""
    scheme = SCHEME.match(uri)
    place = re.split(r"[/?#]", uri[scheme.end() :] if scheme else uri, maxsplit=1)[0].rpartition("@")[2]
    host = place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    return host.lower().rstrip(".")[:LONGEST_HOST]
