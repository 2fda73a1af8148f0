"""The follower as a program: what is in the log is in the books once, whatever happens between them."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.squid_lines import line_time_ms
from edge.squid_tail import LogTail
from tests.edge.squid_stub import StubInstance
from tests.servers.process import Child, make_dir

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ["alice", "bob", "a%20b", "DOM%5Cuser", "jos%C3%A9"]


class Bench:
    """A log to write to, an instance that books, and followers to start and stop."""

    def __init__(self, folder: Path, instance: StubInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.config = instance.write_config(folder)
        self.log = folder / "twinpurse.log"
        self.log.touch()
        self.written = 0
        self.sent = 0
        self.followers: list[Child] = []

    def write(self, count: int, user: str = "alice", size: int = 1000, tag: str = "TCP_MISS/200") -> None:
        """Write lines; `sent` counts the bytes that have to end up in the books."""
        with self.log.open("ab") as file:
            for _ in range(count):
                file.write(self.line(user, size, tag))
        self.sent += count * size if tag.startswith("TCP_MISS") else 0

    def line(self, user: str, size: int, tag: str = "TCP_MISS/200") -> bytes:
        self.written += 1
        at = 1_795_000_000_000 + self.written
        head = f"{at // 1000}.{at % 1000:03d}      2 127.0.0.1 {tag} {size} 90"
        return f"{head} GET http://h/{self.written} {user} HIER_DIRECT/127.0.0.2 text/html\n".encode()

    def rotate(self) -> None:
        for number in reversed(range(40)):
            old = self.folder / f"twinpurse.log.{number}"
            if old.exists():
                old.rename(self.folder / f"twinpurse.log.{number + 1}")
        self.log.rename(self.folder / "twinpurse.log.0")
        self.log.touch()

    def follow(self, *options: str) -> Child:
        argv = [sys.executable, "-m", "edge.squid_log", "--config", str(self.config), "--log", str(self.log)]
        child = Child([*argv, "--batch-seconds", "0.1", *options], cwd=PROJECT, log=self.folder / "follower.out")
        self.followers.append(child)
        return child.start()

    def once(self, *options: str) -> int:
        child = self.follow("--once", *options)
        return child.process.wait(40)

    def wait(self, ready: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, f"{self.instance.bytes}; the follower wrote:\n{self.words()}"
            time.sleep(0.02)

    def wait_for_all(self) -> None:
        self.wait(lambda: self.instance.bytes.total() >= self.sent)
        assert self.instance.bytes.total() == self.sent

    def words(self) -> str:
        return (self.folder / "follower.out").read_text() if self.followers else ""


@pytest.fixture
def bench() -> Iterator[Bench]:
    folder = make_dir("twinpurse-follower-")
    with StubInstance() as instance:
        made = Bench(folder, instance)
        yield made
        for child in made.followers:
            child.stop()
    shutil.rmtree(folder)


def test_sums_by_user_and_skips_what_nobody_pays(bench: Bench) -> None:
    for user in NAMES:
        bench.write(3, user)
    bench.write(1, "alice", 3000, "TCP_DENIED/403")
    bench.write(1, "-", 3000, "NONE_NONE/000")
    with bench.log.open("ab") as file:
        file.write(b"not a line\n")
    assert bench.once() == 0
    assert bench.instance.bytes == {"alice": 3000, "bob": 3000, "a b": 3000, "dom\\user": 3000, "josé": 3000}
    assert bench.instance.requests["alice"] == 3
    assert bench.instance.posts == 1
    assert "1 lines before byte" in bench.words()
    assert bench.once() == 0
    assert bench.instance.bytes.total() == bench.sent


def test_a_place_that_only_unpaid_lines_moved_is_stored_too(bench: Bench) -> None:
    bench.write(5, "alice", 3000, "TCP_DENIED/403")
    assert bench.once() == 0
    assert bench.instance.position is not None
    assert bench.instance.position["offset"] == bench.log.stat().st_size


def test_squids_own_format(bench: Bench) -> None:
    line = "1795000000.001     2 10.0.0.1 TCP_MISS/200 700 GET http://h/ a b HIER_DIRECT/1.2.3.4 -\n"
    bench.log.write_text(line)
    assert bench.once("--format", "squid") == 0
    assert bench.instance.bytes == {"a b": 700}


def test_skip_old(bench: Bench) -> None:
    bench.write(5)
    bench.sent = 0
    bench.follow("--skip-old")
    bench.wait(lambda: bench.instance.batch == 1)
    bench.followers[0].stop(signal.SIGKILL)
    bench.write(2)
    bench.follow("--skip-old")
    bench.wait_for_all()


def test_the_first_start_takes_the_rotated_logs_too(bench: Bench) -> None:
    bench.write(5)
    bench.rotate()
    bench.write(2)
    assert bench.once() == 0
    assert bench.instance.bytes.total() == bench.sent


def test_follows_through_rotation_and_stops_cleanly(bench: Bench) -> None:
    follower = bench.follow()
    bench.write(10)
    bench.wait_for_all()
    bench.write(5, "bob")
    bench.rotate()
    bench.write(5, "bob")
    half = bench.line("bob", 77)
    with bench.log.open("ab", buffering=0) as file:
        file.write(half[:30])
        bench.wait_for_all()
        assert follower.stop(signal.SIGTERM) == 0
        bench.follow()
        file.write(half[30:])
    bench.sent += 77
    bench.wait_for_all()
    assert bench.instance.requests == {"alice": 10, "bob": 11}


def test_sigterm_books_what_was_read(bench: Bench) -> None:
    follower = bench.follow("--batch-seconds", "60")
    bench.wait(lambda: "nothing is booked yet" in bench.words())
    bench.write(3)
    time.sleep(0.6)
    assert bench.instance.posts == 0
    assert follower.stop(signal.SIGTERM) == 0
    assert bench.instance.bytes.total() == bench.sent


def test_instance_away_and_back(bench: Bench) -> None:
    bench.follow()
    bench.write(3)
    bench.wait_for_all()
    bench.instance.away = True
    bench.write(3)
    bench.rotate()
    bench.write(3, "bob")
    bench.wait(lambda: "is away" in bench.words())
    bench.instance.away, bench.instance.broken = False, True
    bench.write(3, "bob")
    time.sleep(0.6)
    bench.instance.broken = False
    bench.wait_for_all()
    assert bench.instance.bytes == {"alice": 6000, "bob": 6000}


def test_stopped_while_the_instance_is_away(bench: Bench) -> None:
    bench.instance.away = True
    follower = bench.follow()
    bench.write(3)
    bench.wait(lambda: "is away" in bench.words())
    begun = time.monotonic()
    assert follower.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 8
    bench.instance.away = False
    bench.follow()
    bench.wait_for_all()


def test_answers_lost_after_booking(bench: Bench) -> None:
    bench.instance.lose_answers = 2
    bench.follow()
    bench.write(3)
    bench.wait_for_all()
    bench.write(4, "bob")
    bench.wait(lambda: bench.instance.bytes["bob"] == 4000)
    assert bench.instance.bytes["alice"] == 3000
    assert bench.instance.posts > bench.instance.batch


def test_answer_lost_and_killed_before_the_next_try(bench: Bench) -> None:
    bench.instance.lose_answers = 1_000_000
    follower = bench.follow()
    bench.write(3)
    bench.wait(lambda: bench.instance.posts > 0)
    follower.stop(signal.SIGKILL)
    bench.instance.lose_answers = 0
    bench.write(2)
    assert bench.once() == 0
    assert bench.instance.bytes.total() == bench.sent


def test_the_books_went_back_or_forward(bench: Bench) -> None:
    """A restored backup of the instance: it holds an older place, and the lines since then are booked again there."""
    bench.follow()
    bench.write(3)
    bench.wait_for_all()
    with bench.instance.lock:
        kept = (bench.instance.batch, bench.instance.position, bench.instance.bytes.copy())
    bench.write(4, "bob")
    bench.wait_for_all()
    with bench.instance.lock:
        bench.instance.batch, bench.instance.position, bench.instance.bytes = kept
    bench.write(5, "bob")  # posted as the next number: a gap, so the place is asked again
    bench.wait_for_all()
    assert bench.instance.bytes["bob"] == 9000


def test_two_followers_under_one_name_charge_once(bench: Bench) -> None:
    bench.follow()
    bench.follow()
    for _ in range(8):
        bench.write(5)
        time.sleep(0.1)
    bench.wait_for_all()
    time.sleep(0.5)
    assert bench.instance.bytes.total() == bench.sent


def test_a_number_that_somebody_else_used(bench: Bench) -> None:
    """A posting of before a restart arrives late: the follower's batch has its number, but is not in the books."""
    bench.follow()
    bench.wait(lambda: "nothing is booked yet" in bench.words())
    bench.instance.away = True
    bench.write(3)
    tail = LogTail(bench.log, time_of=line_time_ms, warn=print)
    tail.begin()
    tail.read(1)
    assert tail.place is not None
    with bench.instance.lock:
        bench.instance.batch, bench.instance.position = 1, tail.place.as_json()
        bench.instance.bytes["alice"] = 1000
    bench.wait(lambda: "is away" in bench.words())
    bench.instance.away = False
    bench.wait_for_all()
    assert "going by the books" in bench.words()


def test_a_refused_token_ends_it_with_a_reason(bench: Bench) -> None:
    bench.config = bench.instance.write_config(bench.folder, token="tpm_other")
    bench.write(1)
    assert bench.once() == 1
    assert "unknown token" in bench.words()


def test_a_log_that_is_not_there_and_one_that_nobody_may_know(bench: Bench) -> None:
    bench.log.unlink()
    assert bench.once() == 1
    assert "there is no file" in bench.words()
    assert bench.once("--log", "/nowhere/at/all.log") == 1
    bench.log.touch()
    bench.instance.position = {"inode": "x"}
    assert bench.once() == 1
    assert "not a place" in bench.words()


def test_many_lines_are_one_batch(bench: Bench) -> None:
    bench.write(12_345, "bob", 7)
    assert bench.once() == 0
    assert bench.instance.bytes == {"bob": 7 * 12_345}
    assert bench.instance.posts == 1  # an old log comes in few batches


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_in_a_storm(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (the same dice each time)
    for _ in range(4):
        follower = bench.follow()
        for _ in range(dice.randrange(1, 6)):
            bench.write(dice.randrange(1, 400), dice.choice(NAMES), dice.randrange(1, 5000))
            bench.instance.lose_answers = dice.choice([0, 0, 1])
            bench.instance.away = dice.random() < 0.2
            if dice.random() < 0.3:
                bench.rotate()
            time.sleep(dice.random() * 0.15)
        follower.stop(dice.choice([signal.SIGKILL, signal.SIGTERM]))
    bench.instance.away, bench.instance.lose_answers = False, 0
    assert bench.once() == 0
    assert bench.instance.bytes.total() == bench.sent
