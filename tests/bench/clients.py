"""Processes that charge at the same time, each with an application of its own, as the machines of a site do."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app import clock
from app.db import writing_at_once
from app.factory import create_app
from app.ledger import service as ledger
from app.settings import Settings
from directory.memory import MemoryDirectory
from tests.bench.table import per_second


class Clients:
    """Running client processes."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def charge(self, seconds: float) -> float:
        """Let all charge for so many seconds; return the charges a second of all together."""
        for pipe in self._pipes:
            pipe.send(seconds)
        return sum(pipe.recv() for pipe in self._pipes)


@contextmanager
def clients(count: int, folder: Path, account_ids: Sequence[int]) -> Iterator[Clients]:
    """Start `count` processes on the instance in `folder`; each has charged once before the first measurement."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=_client, args=(theirs, folder, account_ids, number))
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            pipe.recv()
        yield Clients(pipes)
    finally:
        for pipe in pipes:
            pipe.send(0.0)
        for process in processes:
            process.join(30)


def charge_once(write: Callable[[Callable[[Session], Any]], Any], account_id: int, key: str) -> None:
    """Charge what a page costs."""
    write(
        lambda session: ledger.post(
            session,
            account_id=account_id,
            amount=-50_000,
            source="print",
            key=key,
            now=clock.now(),
            title="Essay.pdf",
            detail="1 page, Library 1",
            quantity=1,
        )
    )


def _client(pipe: Connection, folder: Path, account_ids: Sequence[int], number: int) -> None:
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    chance = random.Random(number)  # noqa: S311 - chance that need not be secret
    name, done = f"{number}:{clock.now().timestamp()}", 0

    def charge() -> None:
        nonlocal done
        done += 1
        charge_once(writing_at_once, chance.choice(account_ids), f"print:bench:{name}:{done}")

    with app.app_context():
        charge()
        pipe.send("ready")
        while seconds := pipe.recv():
            pipe.send(per_second(charge, seconds))
