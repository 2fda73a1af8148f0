"""The job of the books: verify them and keep the result for the health page."""

from __future__ import annotations

import logging

from app import clock
from app.db import reading, writing
from app.ledger.models import Verification
from app.ledger.verify import Report, verify

log = logging.getLogger(__name__)


def verify_books() -> int:
    """Verify, keep the result, and return the number of differences."""
    report = verify(reading())
    keep(report)
    if report.differences:
        log.error(
            "the books differ in %s places; the health page and `twinpurse verify` name them", len(report.differences)
        )
    return len(report.differences)


def keep(report: Report) -> None:
    """Store the result of a verification."""
    text = "\n".join(str(difference) for difference in report.differences[:200])
    row = Verification(at=clock.now(), accounts=report.accounts, entries=report.entries, differences=text)
    writing(lambda session: session.merge(row))
