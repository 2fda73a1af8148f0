"""The counts of wrong passwords, by name and by address, in the database; the rules are directory/throttle.py's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.people.models import SignInFailure
from directory.throttle import FORGET_AFTER_S, Count, Subject, rules_of_try, taken_back, throttle_key


@dataclass(frozen=True)
class Try:
    """What became of the wish to try: wait `wait_s` seconds first; or, when that is 0, it was counted as failed."""

    wait_s: int
    name_key: str
    before: dict[Subject, Count | None]
    after: dict[Subject, Count]


def begin(session: Session, *, name: str, address: str, lockout_after: int, now: datetime) -> Try:
    """Count a try before it is made, in every count that it belongs to; or say how long to wait, and count nothing.

    The rows are locked in one order, so that tries at once wait for each other and not in a circle.
    """
    rules = rules_of_try(name, address, lockout_after)
    rows = {subject: session.get(SignInFailure, subject, with_for_update=True) for subject in rules}
    before = {subject: _count(row) for subject, row in rows.items()}
    steps = {subject: rule(before[subject], now) for subject, rule in rules.items()}
    after = {subject: step.after for subject, step in steps.items()}
    wait_s = math.ceil(max(step.wait_s for step in steps.values()))
    if wait_s == 0:
        for subject, count in after.items():
            _keep(session, subject, rows[subject], count)
    return Try(wait_s, throttle_key(name), before, after)


def take_back(session: Session, *, made: Try) -> None:
    """Take a try out of every count: nobody answered it, or it was right."""
    for subject in made.after:
        _take_back_one(session, subject, made)


def forgive(session: Session, *, made: Try) -> None:
    """After a right password: the name from this address, and over all of them, begins anew.

    The directory's own counter does too. Others who tried the name from elsewhere go on waiting.
    """
    for subject in made.after:
        name_key, address = subject
        if name_key:
            own = (SignInFailure.name_key == name_key, SignInFailure.address == address)
            session.execute(delete(SignInFailure).where(*own))
        else:
            _take_back_one(session, subject, made)


def forgive_name(session: Session, *, name: str) -> None:
    """Forget every wrong password for a name, wherever it came from."""
    session.execute(delete(SignInFailure).where(SignInFailure.name_key == throttle_key(name)))


def forget_old(session: Session, *, now: datetime) -> None:
    """Delete counts that no longer count."""
    session.execute(delete(SignInFailure).where(SignInFailure.last_at < now - timedelta(seconds=FORGET_AFTER_S)))


def _take_back_one(session: Session, subject: Subject, made: Try) -> None:
    row = session.get(SignInFailure, subject, with_for_update=True)
    if row is not None:
        _keep(session, subject, row, taken_back(_counted(row), made.before[subject], made.after[subject]))


def _count(row: SignInFailure | None) -> Count | None:
    return None if row is None else _counted(row)


def _counted(row: SignInFailure) -> Count:
    return Count(row.failures, row.first_at, row.last_at)


def _keep(session: Session, subject: Subject, row: SignInFailure | None, count: Count | None) -> None:
    if count is None:
        if row is not None:
            session.delete(row)
    elif row is None:
        name_key, address = subject
        session.add(
            SignInFailure(
                name_key=name_key,
                address=address,
                failures=count.failures,
                first_at=count.first_at,
                last_at=count.last_at,
            )
        )
    else:
        row.failures, row.first_at, row.last_at = count.failures, count.first_at, count.last_at
