"""Seven users of one group, one run of a weekly schedule for them, and what the books say afterwards."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select

from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Entry
from app.people import service as people
from app.schedules import runs, service
from app.schedules.models import Run
from directory.interface import Person
from tests.schedules.conftest import WEEKLY

START = datetime(2027, 3, 15, 6, 0, tzinfo=UTC)
DUE = START + timedelta(days=7)
SEVEN = tuple(f"pupil{number}" for number in range(7))


def make_run(**changed: Any) -> int:
    """Plan one run of the weekly schedule for Pupils."""
    terms = replace(WEEKLY, **({"groups": ("Pupils",)} | changed))
    writing(lambda session: service.create(session, terms=terms, now=START))
    (run_id,) = writing(lambda session: service.plan_due(session, now=DUE))
    return run_id


def credit(run_id: int, chunk: int = 2, now: datetime = DUE) -> int:
    """Credit a run to its end; return how many chunks that took."""
    chunks = 1
    while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=now, chunk=chunk)):
        chunks += 1
    return chunks


def run_of(run_id: int) -> Run:
    """The run as the database has it now."""
    reading().rollback()
    return reading().get_one(Run, run_id, populate_existing=True)


def allocations() -> int:
    """How many credits the books hold."""
    reading().rollback()
    return reading().scalar(select(func.count()).select_from(Entry).where(Entry.source == "allocation")) or 0


def known_pupils() -> dict[str, int]:
    """Make the seven known; return name -> user id."""
    return {name: writing(partial(remember, name=name)) for name in SEVEN}


def remember(session: Any, name: str, groups: tuple[str, ...] = ("Pupils",)) -> int:
    """Make somebody known, or put somebody who is known into other groups; return the user id."""
    person = Person(
        directory_id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        dn=f"uid={name},dc=example,dc=org",
        username=name,
        display_name=name,
        email="",
        groups=groups,
    )
    return people.remember(session, person=person, admin_groups=[], now=START).id


def give(user_id: int, amount: int) -> None:
    """Put so many millionths into a purse, once; below 0: take them out."""
    if amount == 0:
        return
    account = accounts.get_account(reading(), user_id=user_id)
    writing(
        lambda session: ledger.post(
            session,
            account_id=account.id,
            amount=amount,
            source="adjustment",
            key=f"test:{user_id}",
            now=START,
            title="test",
            measured=amount < 0,
        )
    )
