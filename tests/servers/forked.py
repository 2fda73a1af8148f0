"""Processes of our own for races and crashes: forked from one prepared parent, since importing the product takes long.

Each makes its own application, so that no connection is shared. A function that runs there lies in a module.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.orm import configure_mappers

from app.factory import create_app
from app.settings import Settings
from directory.memory import MemoryDirectory

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.servers.forked", "tests.ledger.bank", "tests.faults.crashes"])


class ChildFailedError(AssertionError):
    """A process ended by an exception, or not in time; the message is what it said."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (minus the number of the signal that ended it), and what it returned."""

    code: int
    result: Any = None

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL


class Forked:
    """One process that runs `work(*arguments)`; whoever starts it ends it, at the latest at the end of `with`."""

    def __init__(self, work: Callable[..., object], *arguments: object) -> None:
        self._mine, theirs = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_child, args=(theirs, work, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def end(self, timeout_s: float = 60) -> Ended:
        """Wait for its end. Raises ChildFailedError when it raised, or is not ready in time."""
        if not self._mine.poll(timeout_s):
            raise ChildFailedError(f"a process was not ready after {timeout_s:g} s")
        good, result = True, None
        with contextlib.suppress(EOFError):  # killed before it could say anything
            good, result = self._mine.recv()
        self._process.join(timeout_s)
        if not good:
            raise ChildFailedError(result)
        return Ended(self._process.exitcode or 0, result)

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._process.pid or 0, number)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.join(10)
        self._mine.close()


def run_all(work: Callable[..., object], each: Sequence[tuple[object, ...]], *, timeout_s: float = 120) -> list[Ended]:
    """Run `work(*arguments)` for each of `each`, all at once; return how they ended, in that order."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(Forked(work, *arguments)) for arguments in each]
        return [one.end(timeout_s) for one in started]


def run_one(work: Callable[..., object], *arguments: object) -> Ended:
    """Run `work(*arguments)` in one process."""
    return run_all(work, [arguments])[0]


def open_app(folder: Path) -> Flask:
    """Return an application of this process's own on the instance in `folder`."""
    return create_app(Settings.load(folder), directory=MemoryDirectory([]))


def die() -> None:
    """End this process as a power cut would: no handler, no rollback, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


def _child(theirs: Connection, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    try:
        theirs.send((True, work(*arguments)))
    except BaseException:
        theirs.send((False, traceback.format_exc()))
    theirs.close()


configure_mappers()  # once in the parent, instead of in every process
