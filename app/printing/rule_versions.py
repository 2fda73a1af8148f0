"""Verbs of what administrators say of printing: prices and limits that count, a new version, an older one again."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFoundError, WrongStateError
from app.printing import limits, price_json
from app.printing.limits import Limit
from app.printing.price_models import PrintRules
from app.printing.prices import Line, PriceBook, PriceList
from app.settings import Settings
from language import _

HISTORY_SHOWN = 20
NOTE_LENGTH_MAX = 300

_read_book = lru_cache(maxsize=16)(price_json.book_from_json)
_read_limits = lru_cache(maxsize=16)(limits.from_json)


def price_book(session: Session, *, settings: Settings) -> PriceBook:
    """Return the prices that count; the flat price of the configuration until an administrator makes a list."""
    body = _latest_body(session, "prices")
    return _read_book(body) if body else first_book(settings)


def first_book(settings: Settings) -> PriceBook:
    """Return the prices of the configuration: one for every page."""
    return PriceBook((PriceList((Line(settings.config.print.price_per_page),)),))


def limits_of_jobs(session: Session) -> tuple[Limit, ...]:
    """Return the limits that count."""
    body = _latest_body(session, "limits")
    return _read_limits(body) if body else ()


def version_of(session: Session, *, kind: str) -> int:
    """Return the version of "prices" or "limits" that counts, 0 before the first."""
    return _latest(session, kind) or 0


def history(session: Session, *, kind: str) -> list[PrintRules]:
    """Return the last versions, the newest first."""
    query = select(PrintRules).where(PrintRules.kind == kind).order_by(PrintRules.version.desc())
    return list(session.scalars(query.limit(HISTORY_SHOWN)))


def get(session: Session, *, kind: str, version: int) -> PrintRules:
    """Return one version. Raises NotFoundError."""
    found = session.scalar(select(PrintRules).where(PrintRules.kind == kind, PrintRules.version == version))
    if found is None:
        raise NotFoundError(_("There is no such version."), version=version)
    return found


def save(session: Session, *, kind: str, body: str, after: int, note: str, by: str, now: datetime) -> PrintRules:
    """Keep a new version in the place of version `after`. Raises WrongStateError: somebody else was first.

    What jobs were held at stays their price.
    """
    return _add(session, kind=kind, body=body, after=after, note=note, by=by, now=now)


def restore(session: Session, *, kind: str, version: int, after: int, by: str, now: datetime) -> PrintRules:
    """Bring an older version back, as a new one. Raises NotFoundError, WrongStateError (as `save`)."""
    older = get(session, kind=kind, version=version)
    return _add(session, kind=kind, body=older.body, after=after, note="", by=by, now=now, restores=version)


def _add(
    session: Session,
    *,
    kind: str,
    body: str,
    after: int,
    note: str,
    by: str,
    now: datetime,
    restores: int | None = None,
) -> PrintRules:
    present = version_of(session, kind=kind)
    if present != after:
        raise WrongStateError(_("Somebody else has changed this meanwhile. Look at it, and save yours again."))
    made = PrintRules(
        kind=kind,
        version=present + 1,
        body=body,
        note=note[:NOTE_LENGTH_MAX],
        restores=restores,
        made_at=now,
        made_by=by[:512],
    )
    session.add(made)
    session.flush()
    return made


def _latest(session: Session, kind: str) -> int | None:
    query = select(PrintRules.version).where(PrintRules.kind == kind).order_by(PrintRules.version.desc()).limit(1)
    return session.scalar(query)


def _latest_body(session: Session, kind: str) -> str | None:
    query = select(PrintRules.body).where(PrintRules.kind == kind).order_by(PrintRules.version.desc()).limit(1)
    return session.scalar(query)
