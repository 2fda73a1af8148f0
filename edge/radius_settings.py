"""The config file of `twinpurse-radius-disconnect`: the instance, and the NAS that sessions are ended at."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.settings import INSTANCE_KEYS, TOP, InstanceSettings, Key, SettingsError, instance_settings, read_keys

ANY: Final = "*"
PORT: Final = 3799
"""Where a NAS listens (RFC 5176, 2.1)."""
SHORTEST_SECRET: Final = 6
RADIUS_KEYS: Final = (
    Key("nas", list, ()),
    Key("every_s", float, 2.0, least=0.2, most=60),
    Key("answer_s", float, 1.0, least=0.1, most=30),
    Key("tries", int, 3, least=1, most=10),
    Key("again_after_s", float, 5.0, least=0.1, most=600),
    Key("again_most_s", float, 60.0, least=0.1, most=3600),
)


class Nas(NamedTuple):
    """Where a NAS takes Disconnect-Requests. `host` "": at the address that its own packets name."""

    host: str
    port: int
    secret: bytes

    def __repr__(self) -> str:  # the secret must not reach a log
        return f"Nas({self.host}:{self.port})"


class RadiusSettings(NamedTuple):
    """All that the program needs; times in seconds. `nas`: identifier or address, or "*" -> where it is."""

    instance: InstanceSettings
    nas: dict[str, Nas]
    every_s: float
    answer_s: float
    tries: int
    again_after_s: float
    again_most_s: float


def load_radius(path: Path) -> RadiusSettings:
    """Read the config file. Raises SettingsError with every problem found."""
    values, problems = read_keys(path, {TOP: INSTANCE_KEYS, "radius": RADIUS_KEYS})
    instance = instance_settings(values[TOP], problems)
    own = values["radius"]
    known = read_nas(own["nas"] or (), problems)
    if not known and not problems:
        problems.append('radius.nas: names no NAS; write such as ["ap-1 10.0.0.1 /etc/twinpurse/ap-1.secret"]')
    if problems or instance is None:
        raise SettingsError(path, problems)
    times: Any = {key.name: own[key.name] for key in RADIUS_KEYS if key.name != "nas"}
    return RadiusSettings(instance=instance, nas=known, **times)


def read_nas(lines: Sequence[str], problems: list[str]) -> dict[str, Nas]:
    """Read "NAME HOST[:PORT] SECRET_FILE" each; HOST "-" is the address that the NAS' own packets name."""
    found: dict[str, Nas] = {}
    for line in lines:
        words = line.split()
        if len(words) != 3:
            problems.append(f'radius.nas: write "NAME HOST[:PORT] SECRET_FILE", not "{line}"')
            continue
        name, where, file = words
        host, port = _host_and_port(where)
        if port is None:
            problems.append(f"radius.nas: {where} has no port between 1 and 65535")
        elif name == ANY and host:
            problems.append(f'radius.nas: "*" is every other NAS, so its address must be "-", not {host}')
        secret = _read_secret(Path(file), problems)
        if port is not None and secret:
            found[name] = Nas(host, port, secret)
    return found


def _host_and_port(where: str) -> tuple[str, int | None]:
    try:
        ipaddress.IPv6Address(where)
    except ValueError:
        host, _, number = where.rpartition(":")
    else:
        return where, PORT
    if not host:
        host, number = where, str(PORT)
    good = number.isascii() and number.isdigit() and 0 < int(number) < 65_536
    host = "" if host == "-" else host.strip("[]")
    return host, int(number) if good else None


def _read_secret(path: Path, problems: list[str]) -> bytes:
    """Read a NAS' secret. A file that everybody may read is refused: whoever reads it can end anybody's session."""
    try:
        if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            problems.append(f"radius.nas: everybody may read {path}; chmod it to 0600 or 0640")
            return b""
        secret = path.read_bytes().strip()
    except OSError as error:
        problems.append(f"radius.nas: {path} cannot be read: {error.strerror}")
        return b""
    if len(secret) < SHORTEST_SECRET:
        problems.append(f"radius.nas: {path} must hold the secret, at least {SHORTEST_SECRET} characters")
        return b""
    return secret
