"""What each process of the bank does: spend from one purse, or move money between several.

Every request has a key; what was acknowledged, refused and found busy is told to the test, which looks at the books.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.db import reading, writing, writing_at_once
from app.errors import InsufficientBalanceError, UnavailableError
from app.ledger import service as ledger
from app.money import MICRO
from tests.ledger.mutants import take_out
from tests.servers.forked import open_app

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


@dataclass
class Told:
    """What one process saw; `calls`: how often a writer's function ran, `requests`: how often one was asked for."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    busy: int = 0
    calls: int = 0
    requests: int = 0

    def ask(self, key: str, work: Callable[[Session], Any], *, at_once: bool = False) -> Any:
        """Ask for one thing under `key`, and keep what became of it; return its result, None when there is none."""

        def counted(session: Session) -> Any:
            self.calls += 1
            return work(session)

        self.requests += 1
        try:
            result = (writing_at_once if at_once else writing)(counted)
        except InsufficientBalanceError:
            self.refused.add(key)
            return None
        except UnavailableError:
            self.busy += 1
            return None
        first = self.acknowledged.setdefault(key, result.id)
        assert first == result.id, f"{key} was answered with entry {first}, then with {result.id}"
        return result


def spend(folder: Path, gate: Any, without: str, account_id: int, keys: Sequence[str], at_once: bool) -> Told:
    """Charge 1.00 under each of `keys`; a key that stands there twice is a retry. `without`: see mutants."""
    if without:
        take_out(without)
    told = Told()
    with open_app(folder).app_context():
        reading().connection()
        reading().rollback()
        gate.wait(60)
        for key in keys:
            told.ask(
                key,
                lambda session, key=key: ledger.post(  # type: ignore[misc]
                    *(session,),
                    account_id=account_id,
                    amount=-MICRO,
                    source="print",
                    key=key,
                    now=NOW,
                    title="job",
                ),
                at_once=at_once,
            )
    return told


def trade(folder: Path, gate: Any, without: str, account_ids: Sequence[int], seed: int, count: int) -> Told:
    """Move money about by chance: transfers, charges, holds that are captured or released."""
    if without:
        take_out(without)
    told, chance = Told(), random.Random(seed)  # noqa: S311
    with open_app(folder).app_context():
        gate.wait(60)
        for number in range(count):
            key, units = f"trade:{seed}:{number}", chance.randint(1, 30)
            first, second = chance.sample(list(account_ids), 2)
            if chance.random() < 0.5:
                told.ask(key, lambda session: _transfer(session, first, second, units, key))  # noqa: B023
            else:
                told.ask(key, lambda session: _post(session, first, -units, "internet", key))  # noqa: B023
            _hold_and_end(told, chance, first, units, f"{key}:hold")
    return told


def _hold_and_end(told: Told, chance: random.Random, account_id: int, units: int, key: str) -> None:
    def place(session: Session) -> Any:
        return ledger.hold(
            session,
            account_id=account_id,
            amount=units * MICRO,
            source="print",
            key=key,
            now=NOW,
            expires_at=NOW + timedelta(hours=1),
        )

    placed = told.ask(key, place)
    if placed is None:
        return
    told.ask(key, place)
    if chance.random() < 0.5:
        told.ask(key, lambda session: ledger.release(session, hold_id=placed.id, now=NOW))
        return
    printed = chance.randint(0, units)

    def capture(session: Session) -> Any:
        return ledger.capture(
            session, hold_id=placed.id, amount=printed * MICRO, key=f"{key}:end", now=NOW, title="job"
        )[0]

    for _twice in range(2):
        told.ask(f"{key}:end", capture)


def _transfer(session: Session, giver: int, taker: int, units: int, key: str) -> Any:
    """Both halves or none."""
    given = _post(session, giver, -units, "transfer", key)
    _post(session, taker, units, "transfer", f"{key}:to")
    return given


def _post(session: Session, account_id: int, units: int, source: str, key: str) -> Any:
    return ledger.post(
        session, account_id=account_id, amount=units * MICRO, source=source, key=key, now=NOW, title="trade"
    )
