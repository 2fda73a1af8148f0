"""The jobs of schedules. A job gets ids only; what is to be done stands in the database."""

from __future__ import annotations

import logging

from app import clock
from app.db import writing
from app.schedules import runs

log = logging.getLogger(__name__)


def credit_run(run_id: int) -> int:
    """Credit a run to its end, a transaction a chunk; return the number of chunks that this call made."""
    chunks = 0
    try:
        while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=clock.now())):
            chunks += 1
    except Exception as exc:  # whatever it was, the administrator shall see it; the ticker asks again
        message = getattr(exc, "message", type(exc).__name__)
        writing(lambda session: runs.note_error(session, run_id=run_id, error=message))
        raise
    log.info("run %s is done", run_id)
    return chunks
