"""The jobs of schedules. A job gets ids only; what is to be done stands in the database."""

from __future__ import annotations

import logging
import time

from app import clock
from app.db import db, writing
from app.errors import TwinpurseError
from app.schedules import reversals, runs
from language import _

PAUSES_S = {"sqlite": 0.1, "postgresql": 0.0}
"""Who waits to write in SQLite looks again only every 100 ms, and shall find a gap then."""

TURN_S = 2.0
"""After so long a run makes a pause: a charge waits about that long for it at most."""

log = logging.getLogger(__name__)


def credit_run(run_id: int) -> int:
    """Go on with a run to its end, a transaction a chunk; return the number of chunks that this call made.

    It is credited, or what it credited is taken back, whichever its state says.
    """
    chunks, pause_s, turn = 0, PAUSES_S[db.engine.dialect.name], time.monotonic()
    try:
        while _work(run_id):
            chunks += 1
            if time.monotonic() - turn >= TURN_S:
                time.sleep(pause_s)
                turn = time.monotonic()
    except Exception as exc:  # whatever it was, the administrator shall see it; the ticker asks again
        words = _in_words(exc)
        writing(lambda session: runs.note_error(session, run_id=run_id, error=words))
        raise
    log.info("run %s has nothing left to do", run_id)
    return chunks


def _work(run_id: int) -> bool:
    now = clock.now()
    if writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=now, chunk=runs.CHUNK)):
        return True
    return writing(lambda session: reversals.reverse_chunk(session, run_id=run_id, now=now, chunk=runs.CHUNK))


def _in_words(error: Exception) -> str:
    if isinstance(error, TwinpurseError):
        return error.message.rstrip(".")
    return _("An error that nobody foresaw (%(kind)s); the log has more", kind=type(error).__name__)
