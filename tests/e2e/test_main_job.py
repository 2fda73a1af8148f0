"""The main job: printing and the Internet paid from separate purses, on real servers, to the end of the money."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.site import MB, Instance, Servers, Site, shared_servers, wait
from tests.servers.postgres import Postgres
from tests.servers.redis_server import RedisServer
from tests.servers.tunnel import Faucet, Tunnel

pytestmark = pytest.mark.timeout(900)  # four sites, each with six servers

CENT = 10_000
PAGE = 5 * CENT


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with shared_servers() as started:
        yield started


@pytest.fixture(autouse=True)
def obliging_printer(servers: Servers) -> None:
    servers.printer.behave()


def test_two_purses_on_sqlite(servers: Servers) -> None:
    with Site(servers) as site:
        walk_through(site, site.add_instance("print"), site.add_instance("internet"))


@pytest.mark.long
def test_two_purses_on_postgresql_with_redis_and_a_worker_process(servers: Servers, postgres: Postgres) -> None:
    with RedisServer() as redis, Site(servers, redis_url=redis.url) as site:
        printing = site.add_instance("print", database_url=postgres.fresh_database())
        internet = site.add_instance("internet", database_url=postgres.fresh_database())
        walk_through(site, printing, internet)


def walk_through(site: Site, printing: Instance, internet: Instance) -> None:
    site.charge_print(printing)
    site.charge_internet(internet, live=True)
    printing.fund("alice", 8 * PAGE)
    internet.fund("alice", 7 * CENT)

    # Three pages lower print by their price and leave net alone.
    assert site.print_as("alice")[0] == "completed"
    assert printing.balance("alice") == 5 * PAGE
    assert internet.balance("alice") == 7 * CENT

    # 5 MB lower net by their price (headers are bytes too) and leave print alone.
    assert site.fetch_as("alice", 5 * MB).size == 5 * MB
    wait(lambda: internet.balance("alice") < 7 * CENT, "the usage is booked")
    assert 0 <= 2 * CENT - internet.balance("alice") < 50
    assert printing.balance("alice") == 5 * PAGE

    # Net is used up by a tunnel: it is charged while it runs and ended, and its line in the log adds nothing twice.
    use_up_by_a_tunnel(site, internet)
    # The proxy refuses the next request with our page, uncharged, and printing still works.
    wait(lambda: site.fetch_as("alice", 1000).status == 403, "the proxy refuses")
    left = internet.settled_balance("alice")
    refused = site.fetch_as("alice", 1000)
    assert "Your Internet purse is empty" in refused.body.decode()
    assert f"{internet.url}/" in refused.body.decode()
    assert site.fetch_as("carol", 0).status == 403  # carol never had any credit
    assert site.print_as("alice")[0] == "completed"
    assert printing.balance("alice") == 2 * PAGE
    assert internet.settled_balance("alice") == left  # the refusals were not charged

    # Print is used up: the job is cancelled with a reason, nothing is printed, nothing is charged.
    came_out = len(site.servers.printer.printed())
    state, reason = site.print_as("alice")
    assert state == "canceled"
    assert "3 pages cost $0.15, and $0.10 is left" in reason
    assert printing.balance("alice") == 2 * PAGE
    assert printing.reserved("alice") == 0
    assert len(site.servers.printer.printed()) == came_out

    assert [entry.quantity for entry in printing.entries("print")] == [3, 3]
    for instance in (printing, internet):
        assert "No difference." in instance.run("verify", str(instance.folder))


def use_up_by_a_tunnel(site: Site, internet: Instance) -> None:
    assert site.squid is not None
    booked = sum(entry.quantity or 0 for entry in internet.entries("internet"))
    with Faucet(rate=4 * MB, total=40 * MB) as faucet:
        tunnel = Tunnel(site.squid.port, faucet.place, "alice", "demo-alice")
        assert tunnel.ended.wait(10), "ended when the purse is empty"
        assert tunnel.received < 30 * MB
        site.squid.wait_for_line(faucet.place)
        [line] = [line.split() for line in site.squid.access_log.read_text().splitlines() if faucet.place in line]
    in_all = booked + int(line[4]) + int(line[5])
    wait(lambda: internet.balance("alice") < 0, "the purse is empty")
    internet.settled_balance("alice")
    assert sum(entry.quantity or 0 for entry in internet.entries("internet")) == in_all
    assert sum(entry.overrun for entry in internet.entries("internet")) == -internet.balance("alice")


@pytest.mark.long
def test_one_purse_that_pays_for_both(servers: Servers) -> None:
    with Site(servers) as site:
        purse = site.add_instance("print", "internet")
        site.charge_print(purse)
        site.charge_internet(purse)
        purse.fund("alice", 25 * CENT)
        assert site.print_as("alice")[0] == "completed"
        assert purse.balance("alice") == 10 * CENT
        assert site.fetch_as("alice", 5 * MB).size == 5 * MB
        wait(lambda: purse.balance("alice") < 10 * CENT, "the usage is booked")
        assert 0 <= 5 * CENT - purse.balance("alice") < 50
        assert site.fetch_as("alice", 6 * MB).status == 200
        wait(lambda: purse.balance("alice") < 0, "the purse is empty")
        wait(lambda: site.fetch_as("alice", 1000).status == 403, "the proxy refuses")
        assert "Your purse is empty" in site.fetch_as("alice", 1000).body.decode()
        state, reason = site.print_as("alice")
        assert state == "canceled"
        assert "Nothing was charged" in reason
        assert "No difference." in purse.run("verify", str(purse.folder))


@pytest.mark.long
def test_monitor_mode_refuses_nothing_and_books_all(servers: Servers) -> None:
    with Site(servers) as site:
        printing, internet = (site.add_instance(kind, mode="monitor") for kind in ("print", "internet"))
        site.charge_print(printing)
        site.charge_internet(internet)
        for pages in (3, 6):
            assert site.print_as("alice")[0] == "completed"
            assert printing.balance("alice") == -pages * PAGE
        assert site.fetch_as("alice", 2 * MB).status == 200
        wait(lambda: internet.balance("alice") <= -2 * CENT, "the usage is booked")
        assert site.fetch_as("alice", 1 * MB).status == 200
        wait(lambda: internet.balance("alice") <= -3 * CENT, "the usage is booked")
        for instance in (printing, internet):
            assert "No difference." in instance.run("verify", str(instance.folder))
