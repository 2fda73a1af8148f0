"""Doing a pass over the directory: read everybody, compare, apply; each step its own short transaction."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import clock
from app.db import db, is_postgresql, writing
from app.errors import UnavailableError
from app.people import rules, sync, sync_changes, sync_compare, sync_staging, sync_words
from app.people.sync_models import DirectorySync
from directory.interface import DirectoryError
from directory.roster import Listed, Roster
from directory.settings import DirectorySettings

KEPT_TOGETHER: Final = 5_000
"""People that are read before they are written: on SQLite a charge waits for that less than a tenth of a second."""

PAUSES_S: Final = {"sqlite": 0.1, "postgresql": 0.0}
"""Who waits to write in SQLite looks again only every 100 ms, and shall find a gap then."""

TURN_S: Final = 1.0
"""After so long applying makes a pause."""

MUCH: Final = 1_000
"""So many people who were changed make the database's picture of its tables worthless."""

LIFE_EVERY_S: Final = 5.0
"""While the directory is slow, a sign of life comes this often."""

log = logging.getLogger(__name__)


@dataclass
class Pass:
    """A pass while somebody works on it. `tell(what, count)` says how far it is. `compared`: only applying is left."""

    sync_id: int
    holder: str
    roster: Roster
    settings: DirectorySettings
    tell: Callable[[str, int], None]
    compared: bool
    lived: float

    def step(self, work: Callable[[Session, DirectorySync, datetime], Any]) -> Any:
        """Do work in a transaction that holds the pass. Raises sync.LostError when it is not ours any more."""
        now = clock.now()

        def held(session: Session) -> Any:
            return work(session, sync.hold(session, sync_id=self.sync_id, holder=self.holder, now=now), now)

        done = writing(held)
        self.lived = time.monotonic()
        return done

    def live(self, _read: int = 0) -> None:
        """Give a sign of life, if the last was a while ago."""
        if time.monotonic() - self.lived > LIFE_EVERY_S:
            self.step(lambda _session, _sync, _now: None)


def quiet(_what: str, _count: int) -> None:
    """Say nothing."""


def work(
    sync_id: int,
    *,
    roster: Roster,
    settings: DirectorySettings,
    tell: Callable[[str, int], None] = quiet,
) -> bool:
    """Go on with a pass to its end or until it waits; False when there was nothing to do, or it was taken from us.

    An outage of the directory ends it as failed, and nobody is changed by it. When the database is away the pass is
    left as it is, and whoever takes it over goes on.
    """
    task = take(sync_id, roster=roster, settings=settings, tell=tell)
    return task is not None and carry_out(task, lambda: _go_on(task))


def take(
    sync_id: int, *, roster: Roster, settings: DirectorySettings, tell: Callable[[str, int], None] = quiet
) -> Pass | None:
    """Return a pass to work on, None for one that has no work left or somebody who does it."""
    holder, now = secrets.token_hex(8), clock.now()
    taken = writing(lambda session: sync.take(session, sync_id=sync_id, holder=holder, now=now))
    if taken is None:
        return None
    return Pass(sync_id, holder, roster, settings, tell, taken.state == "applying", time.monotonic())


def carry_out(task: Pass, do: Callable[[], None]) -> bool:
    """Do the work of a pass, and see that it ends, whatever happens. False when it was taken from us."""
    try:
        do()
    except sync.LostError:
        log.info("pass %s was cancelled or taken over", task.sync_id)
        return False
    except DirectoryError as exc:
        log.error("pass %s: the directory does not answer: %s", task.sync_id, exc)
        _fail(task, str(exc))
    except (UnavailableError, SQLAlchemyError):
        raise  # nothing can be noted now; it is taken over when the database is back
    except Exception as exc:
        _fail(task, f"{sync_words.UNFORESEEN}{type(exc).__name__}")
        raise
    return True


def compare(task: Pass, steps: Sequence[sync_compare.Step]) -> str:
    """Find what a pass would change, and return the state that it is in then."""

    def decide(session: Session, row: DirectorySync, now: datetime) -> str:
        sync.decide(session, sync=row, leavers=sync_compare.count(session, sync=row), now=now)
        return row.state

    for step in steps:
        task.tell("comparing", 0)
        task.step(step)
    state: str = task.step(decide)
    return state


def apply(task: Pass) -> None:
    """Apply what was found, from where it stopped, and end the pass."""
    pause_s, turn = PAUSES_S[db.engine.dialect.name], time.monotonic()

    def chunk(session: Session, row: DirectorySync, now: datetime) -> tuple[bool, int]:
        return sync_changes.apply_chunk(session, sync=row, now=now), row.applied

    more = True
    while more:
        more, applied = task.step(chunk)
        task.tell("applied", applied)
        if time.monotonic() - turn >= TURN_S:
            time.sleep(pause_s)
            turn = time.monotonic()
    task.step(_finish)


def _finish(session: Session, row: DirectorySync, now: datetime) -> None:
    """End a pass that is applied; one that moved much has PostgreSQL look anew at what it will join from now on."""
    sync.end(session, sync=row, state="done", now=now, message=row.message)
    if is_postgresql(session) and row.applied >= MUCH:
        session.connection().exec_driver_sql("ANALYZE users, groups, memberships, accounts")


def keep(task: Pass, reader: sync_staging.Reader, listed: Sequence[Listed], read: int) -> None:
    """Keep what was listed until the pass has ended; `read`: how many people that makes so far."""
    people, groups = reader.rows(listed)

    def write(session: Session, row: DirectorySync, _now: datetime) -> None:
        sync_staging.keep(session, people=people, groups=groups)
        row.read = read

    task.step(write)
    task.tell("read", read)


def reader_of(settings: DirectorySettings, sync_id: int) -> sync_staging.Reader:
    """Return what makes rows of the people that a pass reads."""
    given = {
        "admin_groups": settings.admin_groups,
        "helper_groups": settings.helper_groups,
        "auditor_groups": settings.auditor_groups,
    }
    return sync_staging.Reader(sync_id, lambda groups: rules.role_of(groups, **given))


def _go_on(task: Pass) -> None:
    if not task.compared:
        _read_everybody(task)
        if compare(task, sync_compare.FULL) != "applying":
            return
    apply(task)


def _read_everybody(task: Pass) -> None:
    # Where changes begin is asked before: what changes while everybody is read is then read again, and not missed.
    place = task.roster.place()
    reader, waiting, read = reader_of(task.settings, task.sync_id), list[Listed](), 0
    pages = task.roster.everyone(task.live)
    for page in pages:
        waiting += page
        read += len(page)
        if len(waiting) >= KEPT_TOGETHER:
            keep(task, reader, waiting, read)
            waiting = []
    keep(task, reader, waiting, read)

    def note(_session: Session, row: DirectorySync, _now: datetime) -> None:
        row.place = place
        if pages.skipped:
            row.message = f"{sync_words.SKIPPED}{pages.skipped}"

    task.step(note)


def _fail(task: Pass, message: str) -> None:
    with contextlib.suppress(sync.LostError):
        task.step(lambda session, row, now: sync.end(session, sync=row, state="failed", now=now, message=message))
