"""A real Squid and a real instance that goes away, or a follower that does: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.edge.served_books import kill_all
from tests.edge.squid_place import MB, USERS, Place, wait
from tests.servers.process import make_dir
from tests.servers.tunnel import Faucet, Tunnel

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    made = make_dir("twinpurse-outage-")
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("policy", ["allow", "refuse"])
def test_the_instance_is_down_for_a_minute(folder: Path, empty_books: Path, stack: ExitStack, policy: str) -> None:
    """With the last list until it is too old, then by the policy; what is used meanwhile is charged later, once."""
    place = Place(folder, empty_books, stack, "--when-away", policy, "--longest-age", "20")
    with place.squid:
        wait(lambda: place.get("alice", 10) == 200)
        follower = place.follow()
        wait(lambda: place.books.charged()["alice"] > 0)
        place.books.kill()
        down_at = time.monotonic()
        before = place.books.charged()
        answers: list[tuple[float, int]] = []
        while time.monotonic() - down_at < 60:
            answers.append((time.monotonic() - down_at, place.get("alice", 50_000)))
            time.sleep(0.5)
        assert {status for at, status in answers if at < 18} == {200}, "the last list counts"
        assert {status for at, status in answers if at > 24} == {200 if policy == "allow" else 403}
        assert place.books.charged() == before
        assert follower.running
        place.books.up()
        wait(lambda: place.get("alice", 10) == 200)
        wait(lambda: dict(place.books.charged()) == place.logged(), 60)
        place.settle()


def test_the_follower_is_killed_while_a_tunnel_runs(folder: Path, empty_books: Path, stack: ExitStack) -> None:
    """With live metering: killed again and again, and the instance once, while what runs is being charged."""
    dice = random.Random(7)  # noqa: S311 - the same each time
    place = Place(folder, empty_books, stack)
    faucet = stack.enter_context(Faucet(rate=2 * MB, total=36 * MB))
    with place.squid:
        place.squid.meter_live()
        wait(lambda: place.get("bob", 100_000) == 200)
        place.follow()
        wait(lambda: place.books.charged()["bob"] > 0)
        tunnel = Tunnel(place.squid.port, faucet.place, "alice", USERS["alice"])
        assert tunnel.status == 200
        seen = []
        for number in range(6):
            time.sleep(1 + dice.random() * 2)
            seen.append(place.books.charged()["alice"])
            kill_all(place.followers[-1])
            if number == 3:
                place.books.kill()
                time.sleep(dice.random())
                place.books.up()
            assert place.get("bob", 1000 + number) == 200
            place.follow()
        assert 0 < seen[1] < seen[-1], "it is charged while it runs"
        wait(lambda: tunnel.received >= 36 * MB, 60)
        tunnel.close()
        place.squid.wait_for_line(faucet.place)
        wait(lambda: dict(place.books.charged()) == place.logged(), 30)
        assert place.logged()["alice"] > 36 * MB
        place.settle()


def test_two_workers_of_squid(folder: Path, empty_books: Path, stack: ExitStack) -> None:
    """One log, a helper for each worker with one list in common, tunnels on both, and a rotation in between."""
    shared = folder / "list"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    place = Place(folder, empty_books, stack, "--shared", str(shared / "standing"), workers=2)
    faucet = stack.enter_context(Faucet(rate=2 * MB, total=10 * MB))
    place.squid.meter_live()
    with place.squid:
        wait(lambda: place.get("bob", 1000) == 200)
        helpers = [line for line in place.squid.cache_log().splitlines() if "'twinpurse-squid-acl' processes" in line]
        assert {line.split("kid")[1][0] for line in helpers} >= {"1", "2"}, "each worker has its helper"
        place.follow()
        tunnels = [Tunnel(place.squid.port, faucet.place, "alice", USERS["alice"]) for _ in range(8)]
        assert {each.status for each in tunnels} == {200}
        wait(lambda: place.books.charged()["alice"] > 8 * MB)
        assert faucet.place not in "".join(path.read_text() for path in place.logs()), "charged while they run"
        for number in range(40):
            assert place.get("bob", 1000 + number) == 200
            if number == 20:
                place.squid.rotate()
        wait(lambda: all(each.received >= 10 * MB for each in tunnels), 60)
        for each in tunnels:
            each.close()
        wait(lambda: sum(path.read_text().count(faucet.place) for path in place.logs()) == 8)
        wait(lambda: dict(place.books.charged()) == place.logged(), 30)
        place.settle()
