"""What the books have of print jobs: the entries that charged them, and what was given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from app.db import one_of
from app.ledger.models import Entry
from app.printing.models import PrintJob


@dataclass(frozen=True)
class Charge:
    """One entry that charged a job, in millionths, and what reversed it. `beyond`: more was printed than was held."""

    entry_id: int
    account_id: int
    amount: int
    pages: int | None
    beyond: bool
    at: datetime
    note_id: int | None
    reversed_by_id: int | None
    given_back: int
    given_back_at: datetime | None
    reversal_note_id: int | None


@dataclass(frozen=True)
class Charged:
    """What one job was charged. A job is one entry, or two where more was printed than was held."""

    charges: list[Charge] = field(default_factory=list)

    @property
    def amount(self) -> int:
        """What was charged, in millionths."""
        return sum(charge.amount for charge in self.charges)

    @property
    def given_back(self) -> int:
        """What was given back of it, in millionths."""
        return sum(charge.given_back for charge in self.charges)

    @property
    def is_given_back(self) -> bool:
        """Whether a part of it or all was given back: that is done once."""
        return any(charge.reversed_by_id is not None for charge in self.charges)

    @property
    def note_ids(self) -> list[int]:
        """The words beside these entries and what reversed them."""
        found = [one for charge in self.charges for one in (charge.note_id, charge.reversal_note_id)]
        return [note_id for note_id in found if note_id is not None]


def keys_of(job: PrintJob) -> list[str]:
    """Return the keys under which a job that had no hold may stand in the books."""
    key = f"print:{job.server}:{job.job_uuid}:{job.run}"
    return [key, f"{key}:beyond", f"print-unmatched:{job.id}"]


def of_jobs(session: Session, *, jobs: Sequence[PrintJob]) -> dict[int, Charged]:
    """Return what each job was charged, by the job's id; a job that was never charged is there too."""
    found = {job.id: Charged() for job in jobs}
    by_hold = {job.hold_id: job.id for job in jobs if job.hold_id is not None}
    by_key = {key: job.id for job in jobs if job.hold_id is None and job.state == "printed" for key in keys_of(job)}
    conditions = []
    if by_hold:
        conditions.append(one_of(session, Entry.hold_id, list(by_hold)))
    if by_key:
        conditions.append(one_of(session, Entry.key, list(by_key)))
    for condition in conditions:  # apart: each has its own index
        for hold_id, key, charge in _charges(session, condition):
            job_id = by_hold.get(hold_id) if hold_id is not None else by_key.get(key)
            if job_id is not None:
                found[job_id].charges.append(charge)
    return found


def of_job(session: Session, *, job: PrintJob) -> Charged:
    """Return what a job was charged."""
    return of_jobs(session, jobs=[job])[job.id]


def job_of_entry(session: Session, *, entry_id: int) -> PrintJob | None:
    """Return the job that an entry charged, or that a reversal gave back; None where it is about no job."""
    entry = session.get(Entry, entry_id)
    if entry is not None and entry.reverses_id is not None:
        entry = session.get(Entry, entry.reverses_id)
    if entry is None:
        return None
    if entry.hold_id is not None:
        return session.scalar(select(PrintJob).where(PrintJob.hold_id == entry.hold_id))
    kind, _, rest = entry.key.removesuffix(":beyond").partition(":")
    if kind == "print-unmatched" and rest.isascii() and rest.isdigit():
        return session.get(PrintJob, int(rest))
    parts = rest.split(":")
    if kind != "print" or len(parts) < 3 or not (parts[-1].isascii() and parts[-1].isdigit()):
        return None
    uuid, run = ":".join(parts[1:-1]), int(parts[-1])  # a server's name has no ":"
    return session.scalar(
        select(PrintJob).where(PrintJob.server == parts[0], PrintJob.job_uuid == uuid, PrintJob.run == run)
    )


def _charges(session: Session, condition: ColumnElement[bool]) -> list[tuple[int | None, str, Charge]]:
    back = aliased(Entry)
    query = select(Entry, back).outerjoin(back, back.reverses_id == Entry.id).where(condition).order_by(Entry.id)
    return [
        (
            entry.hold_id,
            entry.key,
            Charge(
                entry_id=entry.id,
                account_id=entry.account_id,
                amount=-entry.amount,
                pages=entry.quantity,
                beyond=entry.key.endswith(":beyond"),
                at=entry.event_at,
                note_id=entry.note_id,
                reversed_by_id=other.id if other else None,
                given_back=other.amount if other else 0,
                given_back_at=other.created_at if other else None,
                reversal_note_id=other.note_id if other else None,
            ),
        )
        for entry, other in session.execute(query)
    ]
