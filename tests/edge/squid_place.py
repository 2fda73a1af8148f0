"""A real Squid with helper and follower and a real instance of its own, in which everybody may go on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import update

from app.db import db, writing
from app.ledger.models import Account
from tests.edge.served_books import ServedBooks
from tests.servers.origin import Origin
from tests.servers.process import Child
from tests.servers.squid import Squid

MB = 1_000_000
USERS = {"alice": "word-a", "bob": "word-b"}


class Place:
    """A proxy with our helper and follower, and an instance in which everybody may go on, however much they use."""

    def __init__(self, folder: Path, books: Path, stack: ExitStack, *helper_options: str, workers: int = 0) -> None:
        """`books`: a SQLite file with every table. `stack` ends what is made here."""
        self.books = ServedBooks(folder, list(USERS), books=books)
        stack.callback(self.books.close)
        self.origin = stack.enter_context(Origin())
        with self.books.app.app_context():
            writing(lambda session: session.execute(update(Account).values(floor=None, floor_is_own=True)))
            db.session.remove()
        self.books.up()
        self.squid = Squid(
            edge_toml=self.books.write_config(folder), users=USERS, helper_options=helper_options, workers=workers
        )
        stack.callback(self.squid.stop)
        self.followers: list[Child] = []
        stack.callback(self.end)

    def follow(self, *options: str) -> Child:
        """Start another follower."""
        log = self.squid.folder / f"follower{len(self.followers)}.out"
        self.followers.append(self.squid.follower("--batch-seconds", "0.2", *options, log=log))
        return self.followers[-1].start()

    def end(self) -> None:
        """Kill the followers that run."""
        for child in self.followers:
            child.stop(signal.SIGKILL)

    def get(self, user: str, size: int) -> int:
        """Fetch so many bytes; return the status."""
        return self.squid.fetch(user, USERS[user], f"{self.origin.url}/bytes/{size}").status

    def logs(self) -> list[Path]:
        """Every file of the log."""
        return sorted(self.squid.access_log.parent.glob(f"{self.squid.access_log.name}*"))

    def logged(self) -> dict[str, int]:
        """Bytes down and up of every line that has to be paid, by user, counted by nothing of ours."""
        found: dict[str, int] = {}
        for line in "".join(path.read_text() for path in self.logs()).splitlines():
            fields = line.split()
            if fields[8] != "-" and not fields[3].startswith(("TCP_DENIED", "NONE")):
                found[fields[8]] = found.get(fields[8], 0) + int(fields[4]) + int(fields[5])
        return found

    def settle(self) -> None:
        """Book the rest of the log, and compare."""
        for child in self.followers:
            if child.running:
                child.stop()
        assert self.follow("--once").process.wait(60) == 0, self.followers[-1].log_tail()
        assert dict(self.books.charged()) == self.logged()
        assert dict(self.books.by_hour()) == self.logged()
        assert self.books.differences() == []


def wait(ready: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until `ready()`."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)
