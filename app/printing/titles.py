"""Document titles: how they are shown, who reads them, and when they are blanked, here and in the books' words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from app.ledger.models import Note
from app.printing import charges
from app.printing.models import PrintJob
from app.printing.privacy_models import PrintPrivacy
from language import N_, _

CHUNK: Final = 500
"""Jobs whose titles are blanked in one transaction."""

DAYS_MAX: Final = 3650
SHORT: Final = 120
IN_BOOKS: Final = 250
WITHOUT: Final = N_("A document without a title")
HIDDEN: Final = N_("Title hidden")
BLANKED: Final = N_("Title removed")
NEUTRAL: Final = N_("Print job")
"""What stands beside the books' entries where a title stood. There it is in the instance's own language."""

JOINERS: Final = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


@dataclass(frozen=True)
class Privacy:
    """What becomes of titles. Unless somebody says otherwise they are shown to administrators and kept."""

    hidden: bool = False
    keep_days: int = 0


def privacy(session: Session) -> Privacy:
    """Return what is set."""
    row = session.execute(select(PrintPrivacy.hidden, PrintPrivacy.keep_days)).first()
    return Privacy(*row) if row else Privacy()


def set_privacy(session: Session, *, hidden: bool, keep_days: int, by: str, now: datetime) -> None:
    """Say what becomes of titles from now on. `keep_days`: 0 to DAYS_MAX, 0 keeps them."""
    if not 0 <= keep_days <= DAYS_MAX:
        raise ValueError(f"titles are kept 1 to {DAYS_MAX} days, or always (0)")
    session.merge(PrintPrivacy(id=1, hidden=hidden, keep_days=keep_days, changed_at=now, changed_by=by))
    session.flush()


def in_one_line(title: str) -> str:
    """Return a title without what breaks a line, turns its direction, or cannot be seen."""
    kept = []
    for char in title:
        category = unicodedata.category(char)
        if char in JOINERS or category not in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"):
            kept.append(char)
        elif category in ("Cc", "Zl", "Zp"):
            kept.append(" ")
    return " ".join("".join(kept).split())


def short(title: str, length: int = SHORT) -> str:
    """Return a title for a list: one line, cut where it is too long."""
    line = in_one_line(title[: 8 * length])
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def in_books(title: str) -> str:
    """Return the words beside the entry of a job of that title."""
    return short(title, IN_BOOKS) or _(NEUTRAL)


def shown(job: PrintJob, *, whole: bool = False, hidden: bool = False) -> str:
    """Return what stands for a job's title on a page. `hidden`: for whom it is not meant."""
    if job.title_removed_at is not None and not job.title:
        return _(BLANKED)
    if hidden:
        return _(HIDDEN)
    return (in_one_line(job.title) if whole else short(job.title)) or _(WITHOUT)


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether a title is to be blanked."""
    kept = privacy(session).keep_days
    return bool(kept) and session.scalar(_due_ids(now, kept).limit(1)) is not None


def blank_due(session: Session, *, now: datetime, limit: int = CHUNK) -> int:
    """Blank the titles of up to `limit` jobs that are older than titles are kept, oldest first; return how many."""
    kept = privacy(session).keep_days
    if not kept:
        return 0
    jobs = session.scalars(
        select(PrintJob).where(PrintJob.id.in_(_due_ids(now, kept).limit(limit))).with_for_update(skip_locked=True)
    ).all()
    _blank_notes(session, jobs)
    for job in jobs:
        job.title, job.title_removed_at = "", now
    session.flush()
    return len(jobs)


def _due_ids(now: datetime, kept: int) -> Select[int]:
    before = now - timedelta(days=kept)
    untouched = (PrintJob.title_removed_at.is_(None), PrintJob.created_at < before)
    return select(PrintJob.id).where(*untouched).order_by(PrintJob.created_at)


def _blank_notes(session: Session, jobs: Sequence[PrintJob]) -> None:
    """Take the titles out of the words beside the entries of these jobs, and of what reversed them."""
    charged = charges.of_jobs(session, jobs=jobs)
    titles = {note_id: job.title for job in jobs for note_id in charged[job.id].note_ids}
    reversals = {one.reversal_note_id for job in jobs for one in charged[job.id].charges}
    if not titles:
        return
    for note in session.scalars(select(Note).where(Note.id.in_(titles))).all():
        title = titles[note.id]
        words = _("Given back: %(what)s", what=_(NEUTRAL)) if note.id in reversals else _(NEUTRAL)
        detail = note.detail.replace(title, _(NEUTRAL)) if title.strip() else note.detail
        session.execute(
            update(Note)
            .where(Note.id == note.id)
            .values(title=words, detail=detail)
            .execution_options(synchronize_session=False)
        )
