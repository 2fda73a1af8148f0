"""The power goes while a process charges, and the disk holds all there is: the database file, and its log as far
as it was written. The books open, have no difference, and hold whatever was acknowledged."""

from __future__ import annotations

import random
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, reading, writing
from app.ledger.models import Account
from tests.faults.conftest import Purse
from tests.faults.crashes import charge_on_and_on
from tests.servers.forked import Forked, open_app

HEADER, FRAME = 32, 24
"""Bytes before the log's first frame, and before each page in it (sqlite.org/fileformat2.html, 4)."""
CHECKPOINT = 1000
"""Frames after which SQLite copies the log into the database file."""
FULL = 2
"""What `PRAGMA synchronous` says when every commit waits for the disk."""


@pytest.mark.long
def test_the_power_goes_at_some_moments(make_instance: Callable[..., Flask], tmp_path: Path) -> None:
    cut_power(make_instance(), tmp_path, cuts=3, torn=4, seed=1)


@pytest.mark.long
def test_the_power_goes_at_many_moments(make_instance: Callable[..., Flask], tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    print(f"\nthe power cut's seed: {seed}")
    cut_power(make_instance(), tmp_path, cuts=15, torn=8, seed=seed)


def cut_power(app: Flask, place: Path, *, cuts: int, torn: int, seed: int) -> None:
    """Freeze a process that charges at `cuts` moments; look at what lies on the disk then, and with `torn` logs."""
    chance, journal = random.Random(seed), place / "acknowledged"  # noqa: S311
    journal.touch()
    with app.app_context():
        purse = Purse(app, units=100_000)
        assert writing(lambda session: session.scalar(text("PRAGMA synchronous"))) == FULL
        db.session.remove()
        db.engine.dispose()
    with Forked(charge_on_and_on, purse.folder, purse.account_id, journal) as charging:
        for cut in range(cuts):
            _wait_for_another(journal)
            time.sleep(chance.random() / 20)
            charging.send(signal.SIGSTOP)
            acknowledged = ["open", *journal.read_text().split()]
            copy = place / f"cut{cut}"
            shutil.copytree(purse.folder, copy, ignore=shutil.ignore_patterns("*-shm"))
            logs = _torn_logs((copy / "twinpurse.db-wal").read_bytes(), chance, torn)
            for number, log in enumerate(logs):
                shutil.copytree(copy, place / f"cut{cut}-{number}")
                (place / f"cut{cut}-{number}" / "twinpurse.db-wal").write_bytes(log)
            there = keys_after_the_cut(copy)
            assert there[: len(acknowledged)] == acknowledged
            assert len(there) <= len(acknowledged) + 1  # one may have been written and not yet answered
            for number in range(len(logs)):
                torn_off = keys_after_the_cut(place / f"cut{cut}-{number}")
                assert torn_off == there[: len(torn_off)]
            charging.send(signal.SIGCONT)


def keys_after_the_cut(folder: Path) -> list[str]:
    """Open the books in `folder`, verify them, charge once more, and return the keys that were there."""
    app = open_app(folder)
    with app.app_context():
        account_id = reading().scalars(select(Account.id)).one()
        purse = Purse(app, account_id)
        found = purse.keys()
        purse.check()
        purse.charge("after the cut")
        assert purse.keys() == [*found, "after the cut"]
        purse.check()
        assert reading().scalar(text("PRAGMA integrity_check")) == "ok"
        db.session.remove()
        db.engine.dispose()
    return found


def _torn_logs(log: bytes, chance: random.Random, count: int) -> list[bytes]:
    """Cut the log at the borders of pages, and once in the middle of one.

    Not once it has been copied into the database file: that happens only after the log itself is safe on the disk.
    """
    page = int.from_bytes(log[8:12], "big") if log else 0
    frames = (len(log) - HEADER) // (FRAME + page)
    if not 0 < frames < CHECKPOINT:
        return []
    ends = [HEADER + chance.randint(0, frames) * (FRAME + page) for _ in range(count - 1)]
    return [log[:end] for end in (*ends, chance.randint(0, len(log)))]


def _wait_for_another(journal: Path) -> None:
    before, deadline = journal.stat().st_size, time.monotonic() + 30
    while journal.stat().st_size == before:
        assert time.monotonic() < deadline, "nothing is charged"
        time.sleep(0.001)
