"""Work that is killed at a named point; it runs in processes of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.db import AtOnceSession, writing, writing_at_once
from app.ledger import service as ledger
from app.money import MICRO
from app.schedules import runs
from tests.faults.conftest import NOW, charge_one
from tests.servers.forked import die, open_app


def die_at(point: str) -> None:
    """Let this process die at a point: "before WORDS" or "after WORDS" of a statement, or "after COMMIT".

    A number before the words counts: "after 2 INSERT INTO entries". Statements are compared without their spaces.
    """
    when, words = point.split(" ", 1)
    number, _, rest = words.partition(" ")
    count, words = (int(number), rest) if number.isdigit() else (1, words)
    seen = []

    def reached(*_arguments: object) -> None:
        seen.append(1)
        if len(seen) == count:
            die()

    def look(_connection: Any, _cursor: Any, statement: str, *_rest: object) -> None:
        if " ".join(statement.split()).startswith(words):
            reached()

    if words == "COMMIT":
        event.listen(Session, "after_commit", reached)
        whole = AtOnceSession.run

        def run(session: AtOnceSession, statement: str, values: Any) -> Any:
            found = whole(session, statement, values)
            reached()  # PostgreSQL committed it by itself
            return found

        AtOnceSession.run = run  # type: ignore[method-assign]
    else:
        event.listen(Engine, f"{when}_cursor_execute", look)


def charge(folder: Path, point: str, account_id: int, key: str, at_once: bool) -> None:
    """Charge 1.00, and die."""
    write = writing_at_once if at_once else writing
    _do(folder, point, lambda: write(lambda session: charge_one(session, account_id, key)))


def capture(folder: Path, point: str, hold_id: int, units: int, key: str) -> None:
    """Capture a hold, and die."""
    _do(folder, point, lambda: writing(lambda session: capture_hold(session, hold_id, units, key)))


def capture_hold(session: Any, hold_id: int, units: int, key: str) -> Any:
    """Capture so many units of a hold."""
    return ledger.capture(session, hold_id=hold_id, amount=units * MICRO, key=key, now=NOW, title="job")


def credit(folder: Path, point: str, run_id: int, chunk: int) -> None:
    """Credit a run chunk by chunk, and die."""

    def work() -> None:
        while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=NOW, chunk=chunk)):
            pass

    _do(folder, point, work)


def charge_on_and_on(folder: Path, account_id: int, journal: Path) -> None:
    """Charge 1.00 again and again; write down each key as soon as it was acknowledged, until killed."""
    with open_app(folder).app_context():
        line = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        number = 0
        while True:
            number += 1
            key = f"charge:{number}"
            entry = writing(lambda session, key=key: charge_one(session, account_id, key))  # type: ignore[misc]
            os.write(line, f"{entry.key}\n".encode())


def _do(folder: Path, point: str, work: Callable[[], object]) -> None:
    app: Flask = open_app(folder)
    with app.app_context():
        die_at(point)
        work()
