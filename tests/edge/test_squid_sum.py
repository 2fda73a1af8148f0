"""Sums of many lines at once: the same as line by line, whatever the lines are; by slot, site, period and domain."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edge.squid_bulk import sum_stretch
from edge.squid_columns import read_columns
from edge.squid_files import OpenLog, list_files
from edge.squid_lines import LATEST_S, LogFormat, Traffic, read_line
from edge.squid_sites import OWN, PLAIN, Sites, Table
from edge.squid_sum import Sums

START = 1_795_000_000
NAMES = ("alice", "Alice", "example\\\\bob", "jos%c3%a9", "-", "carol")
TAGS = (
    "TCP_MISS/200",
    "TCP_TUNNEL/200",
    "TCP_MEM_HIT/200",
    "TCP_REFRESH_MODIFIED/200",
    "TCP_DENIED/403",
    "NONE_NONE/000",
)
HOSTS = ("a.example.org", "b.example.org:8080", "portal.school", "deep.free.example", "other.example", "[2001:db8::1]")
SITES: dict[str, Any] = {
    **PLAIN,
    "own": ["portal.school"],
    "sites": [[7, ["example.org"]], [9, ["free.example", "b.example.org"]]],
}
TIMED: dict[str, Any] = {**SITES, "slot_s": 900, "period_s": 600, "untimed": [9], "domains": True}


def line(dice: random.Random, at_ms: int, log_format: LogFormat) -> bytes:
    tag, host, size = dice.choice(TAGS), dice.choice(HOSTS), dice.choice((0, 1, 700, 123_456_789))
    server = dice.choice(("HIER_NONE/-", "HIER_DIRECT/192.0.2.1"))
    url = f"{host}:443" if "TUNNEL" in tag else f"http://{host}/p/{size}"
    head = f"{at_ms // 1000}.{at_ms % 1000:03d} {dice.randrange(10_000_000):6d}"
    up = f" {dice.randrange(900)}" if log_format is LogFormat.TWINPURSE else ""
    client = "10.0.0.1:5" if up else "10.0.0.1"
    name = dice.choice(NAMES)
    return f"{head} {client} {tag} {size}{up} GET {url} {name} {server} text/html".encode()


def some_lines(seed: int, log_format: LogFormat, *, noise: float = 0.0) -> list[bytes]:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    at_ms, lines = START * 1000, []
    for _ in range(400):
        at_ms += dice.choice((-900, 0, 1, 50, 40_000))
        made = bytearray(line(dice, at_ms, log_format))
        if dice.random() < noise:
            for _ in range(dice.randrange(1, 4)):
                made[dice.randrange(len(made))] = dice.choice(b" %\\/-.0\xff\x01\tA1")
        lines.append(bytes(made))
    return lines


def summed(lines: list[bytes], table: dict[str, Any], log_format: LogFormat, *, at_once: bool) -> dict[str, Any]:
    """The body's sums in a form that does not depend on the order in which users were met."""
    sums = Sums(Table(table), log_format)
    if at_once:
        sums.add_block(b"".join(each + b"\n" for each in lines))
    else:
        for each in lines:
            sums.add_line(each)
    assert sums.lines == len(lines)
    return plain(sums.body())


def plain(body: dict[str, Any]) -> dict[str, Any]:
    users = body["users"]
    found: Counter[tuple[Any, ...]] = Counter()
    for start, numbers, sites, *columns in body["slots"]:
        for place, number in enumerate(numbers):
            site = sites[place] if sites else 0
            for name, column in zip(("down", "up", "cached", "requests"), columns, strict=True):
                found[start, users[number], site, name] += column[place] if column else 0
    return {
        "sums": +found,
        "periods": {users[number]: starts for number, starts in body.get("periods", [])},
        "domains": sorted((users[number], *rest) for number, *rest in body.get("domains", [])),
    }


@pytest.mark.parametrize("log_format", list(LogFormat))
@pytest.mark.parametrize("table", [PLAIN, SITES, TIMED], ids=["plain", "sites", "timed"])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.5])
def test_many_lines_at_once_say_what_each_line_says(log_format: LogFormat, table: dict[str, Any], noise: float) -> None:
    for seed in range(6):
        lines = some_lines(seed, log_format, noise=noise)
        together = summed(lines, table, log_format, at_once=True)
        assert together == summed(lines, table, log_format, at_once=False)
        assert together["sums"]


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_usual_lines_are_read_as_columns(log_format: LogFormat) -> None:
    """Else the test before would compare the slow way with itself."""
    lines = some_lines(1, log_format)
    columns = read_columns(b"".join(each + b"\n" for each in lines), log_format)
    assert columns is not None
    paid = [read for read in (read_line(each, log_format) for each in lines) if isinstance(read, Traffic)]
    assert sum(user != b"-" for user in columns.users) == len(paid)


def test_periods_and_domains_leave_out_what_is_free_and_ours() -> None:
    lines = [
        f"{START}.000      2 10.0.0.1 TCP_MISS/200 10 GET http://{host}/x alice HIER_DIRECT/192.0.2.1 -".encode()
        for host in ("deep.free.example", "portal.school")
    ]
    found = summed(lines, TIMED, LogFormat.SQUID, at_once=True)
    assert found["periods"] == {}
    assert found["domains"] == [("alice", START - START % 900, "deep.free.example", 10)]
    timed = summed([lines[0].replace(b"deep.free", b"other")], TIMED, LogFormat.SQUID, at_once=True)
    assert timed["periods"] == {"alice": [START - START % 600]}


@pytest.mark.parametrize(
    ("host", "site"),
    [
        (b"example.org", 1),
        (b"WWW.Example.ORG.:443", 1),
        (b"b.example.org", 2),
        (b"x.b.example.org", 2),
        (b"notexample.org", 0),
        (b"org", 0),
        (b"portal.school:443", OWN),
        (b"x.portal.school", 0),
        (b"192.0.2.1", 3),
        (b"192.0.2.1:80", 3),
        (b"10.192.0.2.1", 0),
        (b"[2001:db8::1]:443", 4),
        (b"u:p@example.org:80", 1),
        (b"\xff", 0),
    ],
)
def test_the_longest_domain_that_fits_counts(host: bytes, site: int) -> None:
    lists = {"example.org": 1, "b.example.org": 2, "192.0.2.1": 3, "2001:db8::1": 4}
    found = Sites(lists, frozenset({"portal.school"}))[host]
    assert (found if found == OWN else found >> 32) == site


def test_several_processes_sum_up_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.squid_bulk.LEAST_EACH", 1000)
    monkeypatch.setattr("edge.squid_bulk.processes", lambda: 3)
    lines = [each for seed in range(9) for each in some_lines(seed, LogFormat.SQUID, noise=0.01)]
    log = tmp_path / "access.log"
    log.write_bytes(b"".join(each + b"\n" for each in lines))
    opened = OpenLog(list_files(log)[0])
    sums = Sums(Table(TIMED), LogFormat.SQUID)
    sum_stretch(sums, opened, 0, log.stat().st_size)
    opened.close()
    assert sums.lines == len(lines)
    assert plain(sums.body()) == summed(lines, TIMED, LogFormat.SQUID, at_once=False)


@pytest.mark.parametrize("at_s", [0, 7_258_118_399, 7_258_118_400, 9_999_997_200, 9_999_999_999])
@pytest.mark.parametrize("table", [PLAIN, TIMED], ids=["plain", "timed"])
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_lines_of_impossible_times_are_left_out_of_many(
    log_format: LogFormat, table: dict[str, Any], at_s: int
) -> None:
    lines = some_lines(1, log_format)
    lines.insert(200, b"%010d" % at_s + lines[200][10:])
    together = summed(lines, table, log_format, at_once=True)
    assert together == summed(lines, table, log_format, at_once=False)
    assert all(key[0] < LATEST_S for key in together["sums"])


def test_the_newest_time_is_none_of_the_future() -> None:
    usual = some_lines(1, LogFormat.SQUID)
    sums, with_one, only_one = (Sums(Table(PLAIN), LogFormat.SQUID) for _ in range(3))
    later = [b"4070908800.000" + usual[0][14:], b"4070908800.001" + usual[1][14:]]
    sums.add_block(b"".join(each + b"\n" for each in usual))
    with_one.add_block(b"".join(each + b"\n" for each in later + usual))
    only_one.add_block(b"".join(each + b"\n" for each in later))
    assert with_one.newest_ms == sums.newest_ms > START * 1000
    assert only_one.newest_ms == 0


@pytest.mark.parametrize("table", [{}, {**PLAIN, "slot_s": 0}, {**PLAIN, "sites": [7]}, {**PLAIN, "period_s": "x"}])
def test_what_is_no_table(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="table"):
        Table(table)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        (b"net.school:8001", True),
        (b"NET.school.:8001", True),
        (b"net.school", False),
        (b"net.school:80", False),
        (b"portal.school", True),
        (b"portal.school:443", True),
        (b"portal.school:8443", False),
        (b"[2001:db8::1]:8001", True),
        (b"[2001:db8::1]", False),
    ],
)
def test_ours_is_what_the_instance_names_at_its_port(host: bytes, is_ours: bool) -> None:
    own = frozenset({"net.school:8001", "portal.school:80", "portal.school:443", "[2001:db8::1]:8001"})
    assert (Sites({}, own)[host] == OWN) is is_ours


def test_pages_of_ours_are_left_out_of_many_lines() -> None:
    table = {**PLAIN, "own": ["portal.school:80", "portal.school:443"]}
    lines = [
        f"{START}.000      2 10.0.0.1 {tag} 10 {url} alice HIER_DIRECT/192.0.2.1 -".encode()
        for tag, url in (
            ("TCP_MISS/200", "GET http://portal.school/x"),
            ("TCP_TUNNEL/200", "CONNECT portal.school:443"),
            ("TCP_MISS/200", "GET http://other.example/portal.school"),
        )
    ]
    for at_once in (True, False):
        assert summed(lines, table, LogFormat.SQUID, at_once=at_once)["sums"] == {
            (START // 3600 * 3600, "alice", 0, "down"): 10,
            (START // 3600 * 3600, "alice", 0, "requests"): 1,
        }
