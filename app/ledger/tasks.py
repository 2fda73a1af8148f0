"""The job of the books: verify them and keep the result for the health page and for the next verification."""

from __future__ import annotations

import contextlib
import logging
import time
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import clock
from app.db import db, one_moment, reading, writing
from app.errors import UnavailableError
from app.ledger import history
from app.ledger.checks import Check
from app.ledger.differences import Difference, to_json
from app.ledger.history import Progress
from app.ledger.models import Verification
from app.ledger.sealed import Sealer
from app.ledger.verify import Report, quiet, verify
from app.settings import settings_of_app

KEPT_MAX = 1000
LOGGED_MAX = 20
CHECKS = "twinpurse.checks"
"""Where the factory puts the checks of other rooms."""

NOT_ENDED = "the verification did not come to its end"

log = logging.getLogger(__name__)


def verify_books() -> int:
    """Verify, keep the result, say it in the log, and return the number of differences."""
    try:
        report, row = verify_and_keep()
    except Exception as exc:
        log.error("the verification of the books did not come to its end (%s)", type(exc).__name__)
        raise
    if report.difference_count:
        log.error("%s in the books; the health page and `twinpurse verify` name them", _counted(report))
        for difference in report.differences[:LOGGED_MAX]:
            log.error("difference: %s", difference)
    # A warning, so that it is in the log without any setting. Kept on another machine, this line shows what somebody
    # could hide who can put back the whole database.
    until, seal = (row.entries_until, row.seal) if row.seal else ("nothing new", "none")
    log.warning(
        "verified %s entries: %s; history up to entry %s, seal %s", report.entries, _counted(report), until, seal
    )
    return report.difference_count


def verify_and_keep(*, accept: str = "", progress: Progress = quiet) -> tuple[Report, Verification]:
    """Verify the books as they are at one moment, keep the result, and return both.

    `accept`: take the past as it is now for what later verifications compare with, and why. A verification that does
    not come to its end is kept too, as a difference, and its error raised.
    """
    at, started = clock.now(), time.monotonic()
    sealer = Sealer(settings_of_app().secret_key, db.engine.dialect.name)
    more: tuple[tuple[str, Check], ...] = tuple(current_app.extensions.get(CHECKS, ()))
    try:
        until = history.settled_until(reading())
        reading().rollback()
        with one_moment() as session:
            report = verify(session, sealer=sealer, until=until, more=more, progress=progress)
    except Exception as exc:
        with contextlib.suppress(UnavailableError, SQLAlchemyError):
            _keep_failure(at, time.monotonic() - started, type(exc).__name__)
        raise
    return report, writing(lambda session: _keep(session, report, sealer, at, time.monotonic() - started, accept))


def _keep(session: Session, report: Report, sealer: Sealer, at: datetime, seconds: float, accept: str) -> Verification:
    row = Verification(
        at=at,
        took_ms=round(seconds * 1000),
        accounts=report.accounts,
        entries=report.entries,
        difference_count=report.difference_count,
        differences=to_json(report.differences[:KEPT_MAX]) if report.differences else "",
        accepted=accept,
    )
    if accept or not report.past_differs:
        history.keep(session, row=row, reading=report.reading, base=report.base, sealer=sealer, afresh=bool(accept))
    session.add(row)
    session.flush()
    return row


def _keep_failure(at: datetime, seconds: float, error: str) -> None:
    difference = Difference(NOT_ENDED, None, None, None, None, error)
    values: dict[str, Any] = {"accounts": 0, "entries": 0, "difference_count": 1}
    writing(
        lambda session: session.add(
            Verification(at=at, took_ms=round(seconds * 1000), differences=to_json([difference]), **values)
        )
    )


def _counted(report: Report) -> str:
    count = report.difference_count
    return "no difference" if not count else "1 difference" if count == 1 else f"{count:,} differences"
