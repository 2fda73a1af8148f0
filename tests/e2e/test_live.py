"""A long tunnel is charged while it runs, and ended when the purse is empty: real proxy, instance and directory."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.site import MB, Instance, Servers, Site, shared_servers, wait
from tests.servers.tunnel import Faucet, Tunnel

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

PER_MB = 10_000
RATE = 10 * MB


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with shared_servers() as started:
        yield started


def used(instance: Instance) -> int:
    return sum(entry.quantity or 0 for entry in instance.entries("internet"))


def line_of(site: Site, word: str) -> list[str]:
    assert site.squid is not None
    site.squid.wait_for_line(word)
    [line] = [line for line in site.squid.access_log.read_text().splitlines() if word in line]
    return line.split()


def test_a_tunnel_of_200_mb_on_credit_for_20(servers: Servers) -> None:
    with Site(servers) as site, Faucet(rate=RATE, total=200 * MB) as faucet:
        internet = site.add_instance("internet")
        site.charge_internet(internet, live=True)
        internet.fund("alice", 20 * PER_MB)
        wait(lambda: site.fetch_as("alice", 0).status == 200, "the proxy lets alice in")
        site.squid.wait_for_line("/bytes/0")
        before = used(internet)

        tunnel = Tunnel(site.squid.port, faucet.place, "alice", "demo-alice")
        assert tunnel.status == 200
        emptied = None
        while not tunnel.ended.wait(0.05):
            if emptied is None and tunnel.received > 20 * MB:
                emptied = time.monotonic()
                assert used(internet) > before, "it is charged while it runs"
            assert emptied is None or time.monotonic() - emptied < 5, site.follower.log_tail()
        assert emptied is not None
        print(f"ended {time.monotonic() - emptied:.2f} s after the purse was empty, {tunnel.received / MB:.1f} MB")
        line = line_of(site, faucet.place)
        assert tunnel.received <= int(line[4]) <= 70 * MB
        in_all = int(line[4]) + int(line[5])
        fetched = sum(int(word) for word in line_of(site, "/bytes/0")[4:6])
        wait(lambda: used(internet) >= in_all + fetched, "the line's rest is booked")
        left = internet.settled_balance("alice")
        assert used(internet) == in_all + fetched, "nothing twice"
        assert left == 20 * PER_MB - (in_all + fetched) * PER_MB // MB
        overrun = sum(entry.overrun for entry in internet.entries("internet"))
        assert overrun == -left > 0
        assert "No difference." in internet.run("verify", str(internet.folder))
        assert Tunnel(site.squid.port, faucet.place, "alice", "demo-alice").status == 403
