"""Follower and instance are killed again and again while Squid writes and logrotate rotates: every byte counts once."""

from __future__ import annotations

import gzip
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.served_books import PROJECT, ServedBooks, kill_all
from tests.servers.process import Child, make_dir

# As Squid writes them with %[un, and the users that these are.
NAMES = {"alice": "alice", "Bob": "bob", "a b": "a b", "jos%c3%a9": "josé", "100%25": "100%", "x\\\\y": "x\\y"}
TAGS = ("TCP_MISS/200", "TCP_TUNNEL/200", "TCP_MEM_HIT/200", "TCP_MISS_ABORTED/200")
REFUSED = ("TCP_DENIED/403", "TCP_DENIED/407", "NONE_NONE/000")


class Squid(threading.Thread):
    """Writes a log in Squid's native format, in pieces that end within lines, and rotates it as logrotate does.

    It keeps a count of its own: what was written by whom, and paid.
    """

    def __init__(self, log: Path, seed: int, *, lines_each: int) -> None:
        super().__init__(daemon=True)
        self.log = log
        self.dice = random.Random(seed)  # noqa: S311 - the same each time
        self.paid: Counter[str] = Counter()
        self.lines = 0
        self.rotations = 0
        self.stop = threading.Event()
        self.rotate = threading.Event()
        self._lines_each = lines_each
        self._at_ms = 1_795_000_000_000
        log.touch()

    def run(self) -> None:
        """Write until told to stop; end with a complete line."""
        left = b""
        while not self.stop.is_set():
            data = left + b"".join(self._line() for _ in range(self.dice.randrange(1, self._lines_each)))
            cut = self.dice.randrange(len(data) - 20, len(data))
            self._write(data[:cut])
            left = data[cut:]
            if self.rotate.is_set():
                self._write(left)
                left = b""
                self._rotate()
                self.rotate.clear()
            time.sleep(self.dice.random() * 0.02)
        self._write(left)

    def _line(self) -> bytes:
        dice = self.dice
        self.lines += 1
        self._at_ms += dice.choice((0, 1, 3, 40, 5000))
        name = dice.choice((*NAMES, "-"))
        tag = dice.choice(TAGS) if dice.random() < 0.9 else dice.choice(REFUSED)
        size = dice.randrange(1, 100_000)
        if name != "-" and tag in TAGS:
            self.paid[NAMES[name]] += size
        server = "HIER_NONE/-" if "HIT" in tag or tag in REFUSED else "HIER_DIRECT/192.0.2.1"
        at = f"{self._at_ms // 1000}.{self._at_ms % 1000:03d}"
        url = f"http://h{dice.randrange(9)}.example/{self.lines}"
        return f"{at} {dice.randrange(9000):6d} 10.0.0.1 {tag} {size} GET {url} {name} {server} text/html\n".encode()

    def _write(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)

    def _rotate(self) -> None:
        """X becomes X.1, X.1 becomes X.2.gz, and so on: logrotate with compress and delaycompress."""
        older = sorted(self.log.parent.glob(f"{self.log.name}.*.gz"), key=lambda path: -int(path.name.split(".")[-2]))
        for path in older:
            number = int(path.name.split(".")[-2])
            path.rename(self.log.with_name(f"{self.log.name}.{number + 1}.gz"))
        first = self.log.with_name(f"{self.log.name}.1")
        if first.exists():
            second = first.with_name(f"{self.log.name}.2")
            first.rename(second)
            part = second.with_name(f"{second.name}.gz")
            part.write_bytes(gzip.compress(second.read_bytes(), 1))
            second.unlink()
        self.log.rename(first)
        self.log.touch()
        self.rotations += 1


class Scene:
    """A log that is written, the books, and followers."""

    def __init__(self, folder: Path, books: ServedBooks) -> None:
        self.books = books
        self.log = folder / "access.log"
        self.config = books.write_config(folder)
        self.out = folder / "follower.out"
        self.followers: list[Child] = []

    def follow(self, *options: str) -> Child:
        argv = [sys.executable, "-m", "edge.squid_log", "--config", str(self.config), "--log", str(self.log)]
        more = ["--format", "squid", "--batch-seconds", "0.05", *options]
        child = Child([*argv, *more], cwd=PROJECT, log=self.out)
        self.followers.append(child)
        return child.start()

    def finish(self, squid: Squid) -> None:
        """Let Squid end, book the rest, and compare with what Squid itself has counted."""
        squid.stop.set()
        squid.join(30)
        for child in self.followers:
            child.stop()
        ended = self.follow("--once").process.wait(120)
        assert ended == 0, self.out.read_text()[-2000:] + self.books.server.log_tail()
        assert self.books.charged() == squid.paid, self.out.read_text()[-2000:]
        assert self.books.by_hour() == squid.paid
        assert self.books.differences() == []


@pytest.fixture
def folder() -> Iterator[Path]:
    made = make_dir("twinpurse-kills-")
    yield made
    shutil.rmtree(made)


def storm(folder: Path, books: ServedBooks, *, kills: int, seed: int, lines_each: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    scene = Scene(folder, books)
    squid = Squid(scene.log, seed, lines_each=lines_each)
    books.up()
    try:
        squid.start()
        follower, second = scene.follow(), scene.follow()  # the second by mistake
        for number in range(kills):
            time.sleep(dice.random() * 0.6)
            squid.rotate.set()
            if number % 2:
                books.kill()
                time.sleep(dice.random() * 0.2)
                books.up()
            else:
                kill_all(follower)
                time.sleep(dice.random() * 0.3)
                follower = scene.follow()
            if number == kills // 2:
                kill_all(second)
        scene.finish(squid)
        assert squid.rotations >= kills // 2
        assert squid.lines > 1000
    finally:
        squid.stop.set()
        for child in scene.followers:
            child.stop(signal.SIGKILL)
        books.close()


@pytest.mark.long
def test_killed_in_a_storm(folder: Path, empty_books: Path) -> None:
    books = ServedBooks(folder, list(NAMES.values()), books=empty_books)
    storm(folder, books, kills=2, seed=1, lines_each=200)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_killed_ten_times_in_a_storm(folder: Path, database_url: str, seed: int) -> None:
    books = ServedBooks(folder, list(NAMES.values()), database_url=database_url)
    storm(folder, books, kills=20, seed=seed, lines_each=3000)


@pytest.mark.long
@pytest.mark.parametrize("seed", [4, 5])
def test_killed_while_an_old_log_is_read(folder: Path, empty_books: Path, seed: int) -> None:
    """A large log, by several processes at once: a kill falls into the reading, the sending or the booking."""
    dice = random.Random(seed)  # noqa: S311 - the same each time
    books = ServedBooks(folder, list(NAMES.values()), books=empty_books)
    scene = Scene(folder, books)
    squid = Squid(scene.log, seed, lines_each=20_000)
    books.up()
    try:
        for rotate in (True, True, False):
            for _ in range(12):
                squid._write(b"".join(squid._line() for _ in range(20_000)))
            if rotate:
                squid._rotate()
        for number in range(10):
            follower = scene.follow("--once")
            time.sleep(0.15 + dice.random() * 0.9)
            if number % 3 == 2:
                books.kill()
                books.up()
            if follower.running:
                kill_all(follower)
        squid.stop.set()
        squid.start()
        scene.finish(squid)
    finally:
        for child in scene.followers:
            child.stop(signal.SIGKILL)
        books.close()
