"""A Squid log in its native format, the same for the same numbers: a month of a school, with odd names and refusals."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

START_S = 1_760_000_000
DAYS = 30
HOSTS = 2_000
AT_ONCE = 100_000
ENDINGS = ("org", "com", "net", "edu.eg")
MIMES = (
    "text/html",
    "image/jpeg",
    "image/png",
    "application/javascript",
    "text/css",
    "application/json",
    "video/mp4",
    "application/octet-stream",
)


class Kind(NamedTuple):
    """One kind of line: its share in per mille, and the logarithm of its size (mean, deviation)."""

    tag: str
    method: str
    share: int
    size: tuple[float, float]
    direct: bool = True


KINDS = (
    Kind("TCP_MISS/200", "GET", 430, (9.0, 1.7)),
    Kind("TCP_MISS/304", "GET", 40, (5.7, 0.2)),
    Kind("TCP_MISS/404", "GET", 20, (6.5, 0.5)),
    Kind("TCP_MISS/200", "POST", 30, (7.0, 1.0)),
    Kind("TCP_TUNNEL/200", "CONNECT", 300, (10.6, 2.1)),
    Kind("TCP_HIT/200", "GET", 30, (9.2, 1.4), direct=False),
    Kind("TCP_MEM_HIT/200", "GET", 50, (8.4, 1.2), direct=False),
    Kind("TCP_REFRESH_UNMODIFIED/200", "GET", 20, (9.0, 1.3)),
    Kind("TCP_REFRESH_MODIFIED/200", "GET", 10, (9.0, 1.3)),
    Kind("TCP_DENIED/407", "GET", 20, (8.3, 0.05), direct=False),
    Kind("TCP_DENIED/407", "CONNECT", 20, (8.3, 0.05), direct=False),
    Kind("TCP_DENIED/403", "GET", 20, (8.3, 0.05), direct=False),
    Kind("TCP_MISS_ABORTED/000", "GET", 4, (7.0, 3.0)),
    Kind("TCP_MISS_ABORTED/200", "GET", 3, (11.0, 2.0)),
    Kind("NONE_NONE/000", "-", 3, (0.0, 0.0), direct=False),
)


def user_names(count: int) -> list[str]:
    r"""Names as Squid 5.7 writes them with %[un: one backslash doubled, "%" as %25, bytes from 0x80 as %c3."""
    odd = {11: "example\\\\user{:05d}", 23: "pct%25{:05d}", 31: "user{:05d}@example.org", 47: "jos%c3%a9{:05d}"}
    return [odd.get(number % 50, "user{:05d}").format(number) for number in range(count)]


def plain_names(count: int) -> list[str]:
    """The same names as people have them."""
    written = user_names(count)
    return [name.replace("\\\\", "\\").replace("%c3%a9", "é").replace("%25", "%") for name in written]


def hosts() -> list[str]:
    """The sites of the log, the most visited first."""
    return [f"www{number}.example.{ENDINGS[number % 4]}" for number in range(HOSTS)]


def write(path: Path, *, lines: int, users: int, seed: int = 20240607) -> None:
    """Write the log: users by Zipf's law, a day's rhythm, sizes that are mostly small and sometimes very large."""
    with path.open("w", encoding="ascii", newline="") as file:
        left = lines
        for block in _blocks(lines, users, random.Random(seed)):  # noqa: S311 - the same file each time
            file.write(block)
            left -= block.count("\n")
    if left:
        raise RuntimeError(f"{left} lines are missing")


def _blocks(lines: int, users: int, dice: random.Random) -> Iterator[str]:
    names, ranks = user_names(users), dice.sample(range(users), users)
    who_weights = list(itertools.accumulate((rank + 1) ** -1.15 for rank in range(users)))
    addresses = [
        f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" if n % 40 else f"2001:db8:{n >> 8:x}::1" for n in range(users)
    ]
    kind_weights = list(itertools.accumulate(kind.share for kind in KINDS))
    sites = hosts()
    site_weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(HOSTS)))
    times = _times(lines, dice)
    for first in range(0, lines, AT_ONCE):
        count = min(AT_ONCE, lines - first)
        who = dice.choices(ranks, cum_weights=who_weights, k=count)
        kinds = dice.choices(KINDS, cum_weights=kind_weights, k=count)
        site = dice.choices(range(HOSTS), cum_weights=site_weights, k=count)
        rows = []
        for user, kind, host in zip(who, kinds, site, strict=True):
            at, page = next(times), dice.randrange(1_000_000)
            name = "-" if kind.tag in ("TCP_DENIED/407", "NONE_NONE/000") or dice.random() < 0.03 else names[user]
            size = int(math.exp(dice.gauss(*kind.size))) + 39 if kind.size[0] else 0
            url, mime = f"http://{sites[host]}/i/{page:06d}.bin", MIMES[page % 8]
            if page & 1:
                url = f"http://{sites[host]}/p/{page}?q={page % 97}"
            if kind.method == "CONNECT":
                url, mime = f"{sites[host]}:443", "-"
            elif kind.method == "-":
                url, mime = "error:transaction-end-before-headers", "-"
            server = f"HIER_DIRECT/203.0.{113 + host // 250}.{1 + host % 250}" if kind.direct else "HIER_NONE/-"
            took = int(math.exp(dice.gauss(4.5, 1.6)))
            rows.append(
                f"{at // 1000}.{at % 1000:03d} {took:6d} {addresses[user]} {kind.tag} {size} {kind.method} {url} {name}"
                f" {server} {mime}\n"
            )
        yield "".join(rows)


def _times(lines: int, dice: random.Random) -> Iterator[int]:
    """Milliseconds since 1970, growing: by quarter of an hour as many as the hour of the day has."""
    quarters = range(DAYS * 96)
    busy = [0.15 + max(0.0, math.sin((quarter % 96 / 96 - 0.25) * 2 * math.pi)) for quarter in quarters]
    shares = [lines * part / sum(busy) for part in itertools.accumulate(busy)]
    written = 0
    for quarter, until in zip(quarters, shares, strict=True):
        count = round(until) - written
        written += count
        begin = (START_S + quarter * 900) * 1000
        yield from sorted(begin + dice.randrange(900_000) for _ in range(count))
