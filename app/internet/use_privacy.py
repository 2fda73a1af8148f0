"""What is kept of use besides sums by hour: bytes by domain, only where that is switched on, and for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from app.internet import rate_changes
from app.internet.models import UsageDomain
from app.internet.rate_models import InternetRates
from app.settings import Settings

DAYS_MAX = 400
CHUNK = 2_000
"""Lines that are deleted in one transaction."""


@dataclass(frozen=True)
class Privacy:
    """Whether bytes by domain are kept, for how many days, and what is there: days, lines, people."""

    on: bool
    days: int
    first: date | None
    lines: int
    people: int


def is_kept(session: Session) -> tuple[bool, int]:
    """Return whether bytes by domain are kept, and for how many days."""
    row = session.get(InternetRates, 1)
    return (row.top_domains, row.top_domains_days) if row else (False, 0)


def look(session: Session) -> Privacy:
    """Return what is kept by domain now."""
    on, days = is_kept(session)
    people = func.count(UsageDomain.user_id.distinct())
    first, lines, count = session.execute(select(func.min(UsageDomain.day), func.count(), people)).one()
    return Privacy(on, days or 30, first, lines, count)


def switch(session: Session, *, days: int, settings: Settings, by: str, now: datetime) -> None:
    """Keep bytes by domain for so many days (1 to 400) from now on; 0 keeps none, and `forget` then deletes all."""
    if not 0 <= days <= DAYS_MAX:
        raise ValueError(f"days must be 0 to {DAYS_MAX}")
    rate_changes.switch_top_domains(session, days=days, settings=settings, by=by, now=now)


def anything_to_forget(session: Session, *, today: date) -> bool:
    """Whether lines by domain are older than they may be, or there although none may be."""
    return (
        session.scalar(select(UsageDomain.day).where(UsageDomain.day < _first_kept(session, today)).limit(1))
        is not None
    )


def forget(session: Session, *, today: date, limit: int = CHUNK) -> int:
    """Delete up to `limit` lines by domain that may not be kept any longer; return how many that were."""
    key = UsageDomain.user_id, UsageDomain.day, UsageDomain.domain
    old = select(*key).where(UsageDomain.day < _first_kept(session, today)).limit(limit)
    gone = session.execute(
        delete(UsageDomain).where(tuple_(*key).in_(old)).execution_options(synchronize_session=False)
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # SQLAlchemy types a session's result without it


def _first_kept(session: Session, today: date) -> date:
    """The first day of which lines may be there: `days` days with today; none where it is switched off."""
    on, days = is_kept(session)
    return today - timedelta(days=days - 1) if on else date.max
