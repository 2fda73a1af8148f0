"""Recompute the books from the entries and name everything that differs, by account and entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.ledger import checks, checks_of_holds, history, protection
from app.ledger.checks import Check
from app.ledger.differences import Difference, Findings
from app.ledger.history import Base, Progress, Reading
from app.ledger.models import Account, Hold
from app.ledger.sealed import Sealer

CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("what the database refuses", protection.protection),
    ("places and balances", checks.places_and_balances),
    ("keys", checks.repeated_keys),
    ("doubled entries", checks.doubled),
    ("impossible entries", checks.impossible_rows),
    ("holds, notes and what is reversed", checks.pointers),
    ("reversals", checks.reversals),
    ("limits", checks.limits),
    ("reserved amounts", checks_of_holds.reserved),
    ("ends of holds", checks_of_holds.outcomes),
    ("entries of holds", checks_of_holds.belonging),
)
MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Report:
    """The result of a verification. Amounts in millionths.

    `sources`: source -> its total (minus the sum over accounts). `differences` lists the first of each check,
    `difference_count` counts all. `base` is what the past was compared with, `reading` what may be kept for the next.
    """

    accounts: int
    entries: int
    open_holds: int
    balances: int
    sources: dict[str, int]
    differences: list[Difference]
    difference_count: int
    reading: Reading
    base: Base | None = None
    past_differs: bool = False
    seconds: float = field(default=0.0, compare=False)


def quiet(_what: str, _count: int) -> None:
    """Tell nobody how far it is."""


def verify(
    session: Session,
    *,
    sealer: Sealer | None = None,
    until: int | None = None,
    more: Sequence[tuple[str, Check]] = (),
    progress: Progress = quiet,
) -> Report:
    """Recompute everything; nothing is written. `session` should see one moment (`app.db.one_moment`).

    `sealer`: compare the past with what the last verification kept; without it the past is not compared. `until`: the
    entry id, from `history.settled_until`, up to which the report's `reading` may be kept. `more`: other rooms' checks.
    """
    findings, base = Findings(), None
    for what, check in (*CHECKS, *more):
        progress(what, 0)
        findings.take(check(session))
    if sealer is not None:
        base = history.load_base(session)
    reading = history.read_entries(session, sealer=sealer, base=base, until=until, progress=progress)
    findings.take(reading.differences)
    past = list(history.compare(session, sealer=sealer, base=base, reading=reading)) if sealer and base else []
    deleted = {found.entry_id for found in past if found.what == history.DELETED and found.entry_id is not None}
    findings.take(past)
    findings.take(history.gaps(reading, deleted))
    booked, balances = sum(total for _count, total in reading.sources.values()), _sum_of_balances(session)
    if booked != balances and not findings.count:
        findings.take([Difference("sum of all balances", None, None, booked, balances, "by all entries", micro=True)])
    return Report(
        accounts=int(session.scalar(select(func.count(Account.id))) or 0),
        entries=reading.count,
        open_holds=int(session.scalar(select(func.count(Hold.id)).where(Hold.state == "open")) or 0),
        balances=balances,
        sources={source: -total for source, (_count, total) in reading.sources.items()},
        differences=findings.listed,
        difference_count=findings.count,
        reading=reading,
        base=base,
        past_differs=bool(past),
    )


def _sum_of_balances(session: Session) -> int:
    """Whole units and the rest apart: SQLite's sum stops at 64 bits, which one edited balance can reach."""
    units, rest = session.execute(
        select(
            func.coalesce(func.sum(Account.balance // MILLION), 0),
            func.coalesce(func.sum(Account.balance % MILLION), 0),
        )
    ).one()
    return int(units) * MILLION + int(rest)
