"""A hundred thousand people in the access list: how soon the helper has it, what it takes, how fresh it stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app import clock
from app.db import db, writing
from app.ledger import service as ledger
from app.ledger.models import Account
from app.people.models import User
from tests.edge.served_books import PROJECT, ServedBooks
from tests.jobs.conftest import add_people
from tests.servers.process import make_dir

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

PEOPLE = 100_000
LONGEST_START_S = 20.0
MOST_MEMORY = 200_000_000


class Helper:
    """The helper on two pipes."""

    def __init__(self, config: Path, shared: Path) -> None:
        argv = [sys.executable, "-m", "edge.squid_acl", "--config", str(config), "--shared", str(shared)]
        self.process = subprocess.Popen(argv, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def may(self, name: str) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"0 %b www.example.org -\n" % name.encode())
        return self.process.stdout.read(4096).startswith(b"0 OK")

    def memory(self) -> int:
        """Bytes that it holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def turns(self, name: str, allowed: bool, seconds: float = 15) -> float:
        """Wait until the answer is so; return how long it took."""
        begun = time.monotonic()
        while self.may(name) != allowed:
            assert time.monotonic() - begun < seconds
            time.sleep(0.02)
        return time.monotonic() - begun


@pytest.fixture
def books(empty_books: Path) -> Iterator[ServedBooks]:
    folder = make_dir("twinpurse-many-")
    made = ServedBooks(folder, [], books=empty_books)
    with made.app.app_context():
        add_people(PEOPLE)
        writing(lambda session: session.execute(update(Account).values(floor=-1_000_000, floor_is_own=True)))
        db.session.remove()
    made.up()
    yield made
    made.close()
    shutil.rmtree(folder)


def move(books: ServedBooks, name: str, amount: int) -> None:
    """Charge or credit somebody, from another process than the one that serves."""
    with books.app.app_context():
        account_id = db.session.scalar(
            select(Account.id).join(User, User.id == Account.user_id).filter_by(username=name)
        )
        assert account_id is not None
        key = f"test:{time.monotonic_ns()}"
        writing(
            lambda session: ledger.post(
                session,
                account_id=account_id,
                amount=amount,
                source="adjustment",
                key=key,
                now=clock.now(),
                title="Test",
                measured=True,
            )
        )
        db.session.remove()


def test_a_hundred_thousand_people(books: ServedBooks) -> None:
    shared = books.folder.parent / "standing"
    helper = Helper(books.write_config(books.folder.parent), shared)
    try:
        begun = time.monotonic()
        while not shared.exists():  # written when the list is there; before, single people are asked about
            assert time.monotonic() - begun < LONGEST_START_S
            time.sleep(0.05)
        start_s = time.monotonic() - begun
        took = []
        for number in (17, 5_017, 99_999):
            move(books, f"user{number}", -2_000_000)
            took.append(helper.turns(f"user{number}", allowed=False))
            move(books, f"user{number}", 2_000_000)
            took.append(helper.turns(f"user{number}", allowed=True))
            time.sleep(0.3)
        print(
            f"list after {start_s:.1f} s, {helper.memory() / 1e6:.0f} MB, changes after {[f'{t:.2f}' for t in took]} s"
        )
        assert max(took) < 2
        assert helper.memory() < MOST_MEMORY
    finally:
        helper.process.kill()
        helper.process.wait()
