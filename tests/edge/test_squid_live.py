"""The meter of running connections: what Squid lists, charged as it grows, settled at the line, never twice."""

from __future__ import annotations

import random

import pytest

from edge.squid_active import host_of, read_active
from edge.squid_live import LEAST_GROWTH, LiveMeter, ManagerError

MB = 1_000_000
START_MS = 1_795_431_414_096
# As Squid 5.7 wrote it.
BLOCK = """\
Connection: 0x558fba1bc988
\tFD 11, read {read}, wrote {out}
\tFD desc: Reading next request
\tin: buf 0x558fba1beba0, used 0, free 3995
\tremote: {client}
\tlocal: 127.0.0.1:13303
\tnrequests: {requests}
uri {uri}
logType {tag}
out.offset 0, out.size {out}
req_sz 100
entry (nil)/N/A
start 1795431414.{micros:06d} (1.102601 seconds ago)
username {user}
delay_pool 0

"""


def block(out: int = 0, **changes: object) -> str:
    fields = {
        "read": 100,
        "client": "127.0.0.1:57144",
        "requests": 1,
        "uri": "video.example.org:443",
        "tag": "TCP_TUNNEL",
    }
    return BLOCK.format(**({**fields, "micros": 96_039, "user": "alice", "out": out} | changes))


class Squid:
    """The cache manager's page, and a meter that asks for it."""

    def __init__(self) -> None:
        self.page: str | None = ""
        self.meter = self.restart(None)

    def restart(self, stored: object) -> LiveMeter:
        self.meter = LiveMeter(self._answer, every_s=0, clock=lambda: START_MS / 1000 + 60)
        self.meter.resume(stored)
        return self.meter

    def _answer(self) -> bytes:
        if self.page is None:
            raise ManagerError("away")
        return self.page.encode("latin-1")

    def poll(self, *blocks: str) -> list[tuple[str, int, int]]:
        self.page = "".join(blocks)
        self.meter._next_look = 0
        return [(each.user, each.download, each.upload) for each in self.meter.poll()]


def test_a_page_is_read_strictly_and_what_is_unknown_passed_over() -> None:
    text = (
        block(5, user="a b", client="[2001:db8::1]:4711")
        + "by kid2 {\nNonsense: 1\n"
        + block(7, uri="http://X.org:80/a b")
    )
    first, second = read_active(text.encode())
    assert (first.client, first.client_port, first.user, first.out_size) == ("2001:db8::1", 4711, b"a b", 5)
    assert (first.host, first.start_ms, first.tag) == ("video.example.org", START_MS, "TCP_TUNNEL")
    assert (second.host, second.proxy, second.proxy_port) == ("x.org", "127.0.0.1", 13303)
    for damage in ("username alice\n", "out.offset 0, out.size 5\n", "\tremote: 127.0.0.1:57144\n"):
        assert read_active(block(5).replace(damage, "").encode()) == [], damage
        assert read_active(block(5).replace(damage, damage * 2).encode()) == [], "said twice"
    assert read_active(block(5).replace("out.size 5", "out.size -5").encode()) == []


def test_noise_is_never_an_error() -> None:
    dice = random.Random(11)  # noqa: S311 (the same dice each time)
    whole = (block(5) + block(6)).encode()
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(dice.randrange(1, 9)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        read_active(bytes(damaged[: dice.randrange(len(damaged))]))


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("http://u:p@Host.Test:8080/x?y@z", "host.test"),
        ("ftp://h.test./", "h.test"),
        ("error:invalid-request", "error"),
        ("", ""),
    ],
)
def test_hosts(uri: str, host: str) -> None:
    assert host_of(uri) == host


def test_growth_is_charged_once_and_the_line_pays_the_rest() -> None:
    squid = Squid()
    assert squid.poll(block(LEAST_GROWTH - 101)) == []
    assert squid.poll(block(2 * MB, read=400_100)) == [("alice", 2 * MB, 400_100)]
    assert squid.poll(block(2 * MB + 9, read=400_100)) == []
    assert squid.poll(block(5 * MB, read=400_100)) == [("alice", 3 * MB, 0)]
    assert squid.meter.settle(57144, START_MS, "alice", 6 * MB, 500_000) == (MB, 99_900)
    assert not squid.meter.must_settle
    assert squid.meter.settle(57144, START_MS, "alice", 6 * MB, 0) == (6 * MB, 0), "another line"


def test_what_is_not_somebodys_download_is_not_metered() -> None:
    squid = Squid()
    blocks = [
        block(9 * MB, user="-"),
        block(9 * MB, tag="TCP_HIT"),
        block(9 * MB, tag="TCP_DENIED"),
        block(9 * MB, tag="NONE"),
    ]
    assert squid.poll(*blocks) == []
    assert squid.poll(block(9 * MB, tag="TCP_MISS", read=MB, user="ALICE%")) == [("alice%", 9 * MB, 0)]


def test_a_connection_that_had_other_requests_counts_uploads_from_now_on() -> None:
    squid = Squid()
    assert squid.poll(block(MB, requests=3, read=7 * MB)) == [("alice", MB, 0)]
    assert squid.poll(block(MB, requests=3, read=8 * MB)) == [("alice", 0, MB)]
    stored = squid.meter.state(0)
    squid.restart(stored)
    assert squid.poll(block(MB, requests=3, read=9 * MB)) == [], "what came while nobody looked is left to the line"
    assert squid.poll(block(MB, requests=3, read=10 * MB)) == [("alice", 0, MB)]
    assert squid.meter.settle(57144, START_MS + 1, "alice", MB, 10 * MB) == (0, 8 * MB)


def test_a_restart_goes_by_what_is_booked() -> None:
    squid = Squid()
    squid.poll(block(2 * MB))
    booked = squid.meter.state(START_MS)
    squid.poll(block(5 * MB))  # in a batch that never reached the books
    squid.restart(booked)
    assert squid.poll(block(5 * MB)) == [("alice", 3 * MB, 0)]
    squid.restart(booked)
    assert squid.meter.settle(57144, START_MS - 1, "alice", 6 * MB, 100) == (4 * MB, 0)


def test_more_than_the_line_is_given_back_by_what_comes_next() -> None:
    squid = Squid()
    squid.poll(block(4 * MB, read=2 * MB))
    assert squid.meter.settle(57144, START_MS, "alice", 3 * MB, MB) == (0, 0)
    stored = squid.meter.state(START_MS)
    squid.restart(stored)
    assert squid.meter.must_settle
    assert squid.meter.settle(1, 1, "bob", MB, MB) == (MB, MB)
    assert squid.meter.settle(1, 1, "alice", 400_000, 0) == (0, 0)
    assert squid.poll(block(2 * MB, client="127.0.0.1:9", read=3 * MB)) == [("alice", 1_400_000, 2 * MB)]
    assert squid.meter.settle(9, START_MS, "alice", 2 * MB, 3 * MB) == (0, 0)
    assert squid.meter.state(START_MS) == {}


def test_what_squid_took_along_when_it_died_is_forgotten_and_never_early() -> None:
    squid = Squid()
    squid.poll(block(4 * MB))
    seen_ms = START_MS + 60_000
    squid.poll()
    assert squid.meter.state(seen_ms + 59_000) != {}, "its line may still come"
    assert squid.meter.state(seen_ms + 61_000) == {}


def test_squid_away_or_nonsense_stored_is_no_error() -> None:
    squid = Squid()
    squid.page = None
    assert squid.meter.poll() == []
    nonsense: tuple[object, ...] = (
        "x",
        {"charged": {"1/2": [1]}, "owed": {"a": ["b", 1]}},
        {"charged": 5},
        [],
        {"charged": {"1/2": [-1, 0]}},
    )
    for stored in nonsense:
        squid.restart(stored)
        assert not squid.meter.must_settle


def test_random_lives_are_charged_to_the_byte() -> None:
    dice = random.Random(5)  # noqa: S311 (the same dice each time)
    for _ in range(200):
        squid = Squid()
        down, up, charged, stored = 0, 100, [0, 0], None
        booked = [0, 0]
        for _ in range(dice.randrange(1, 12)):
            down, up = down + dice.randrange(MB), up + dice.randrange(MB)
            for _, more_down, more_up in squid.poll(block(down, read=up)):
                charged = [charged[0] + more_down, charged[1] + more_up]
            if dice.random() < 0.5:
                stored, booked = squid.meter.state(START_MS), list(charged)
            if dice.random() < 0.3:
                squid.restart(stored)
                charged = list(booked)
        rest = squid.meter.settle(57144, START_MS, "alice", down + 7, up + 5)
        assert (charged[0] + rest[0], charged[1] + rest[1]) == (down + 7, up + 5)
