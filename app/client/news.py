"""What a desktop client tells its owner once: credit that arrived, jobs that were not printed, a purse that ran empty.

No table of its own: the books and the print jobs have it all. A place says how much of them a client has heard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from app.errors import InvalidInputError
from app.ledger.models import Account, Entry, Note
from app.people.models import User
from app.printing import job_words, titles
from app.printing.models import PrintJob
from app.purse import rules, service
from app.refunds.models import Refund
from app.settings import Settings
from language import _

NEWS_FOR: Final = timedelta(days=3)
"""What is older is no news: it stands in the statement."""

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""Jobs are noted under the clock of whoever noted them, and seen when that was committed: so far we look back."""

JOBS_LOOKED_AT: Final = 20
MESSAGES_MAX: Final = 10
REFUSED: Final = ("cancelled", "waiting")
REFUND_REFUSED: Final = and_(Refund.job_id == PrintJob.id, Refund.state == "refused")
PLACE: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,17})")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Message:
    """One message: `id` is the same however often it is asked for; `kind` is "credit", "job" or "empty"."""

    id: str
    kind: str
    title: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Place:
    """How much has been heard: entries of the account up to a number, and up to a time jobs and refunds refused."""

    sequence: int
    jobs_until: datetime

    def __str__(self) -> str:
        return f"{self.sequence}-{(self.jobs_until - EPOCH) // timedelta(microseconds=1)}"

    @classmethod
    def read(cls, text: str) -> Place:
        """Return the place that `text` says. Raises InvalidInputError."""
        match = PLACE.fullmatch(text)
        if match is None:
            raise InvalidInputError(_("Such a place was never given out."), fields={"after": "not understood"})
        return cls(int(match[1]), EPOCH + timedelta(microseconds=int(match[2])))


def refused_until(user_id: Any) -> Select[datetime | None]:
    """Query when a job among a user's last ones, or the refund of one, was refused last; NULL for never.

    `user_id`: a value or a column.
    """
    last = (
        select(PrintJob.state, PrintJob.updated_at, Refund.decided_at)
        .outerjoin(Refund, REFUND_REFUSED)
        .where(PrintJob.user_id == user_id)
        .order_by(PrintJob.id.desc())
        .limit(JOBS_LOOKED_AT)
        .correlate(User)
        .subquery()
    )
    was_refused = or_(*(last.c.state == state for state in REFUSED))
    return select(func.max(case((was_refused, last.c.updated_at), else_=last.c.decided_at)))


def place_of(session: Session, *, account: Account, settings: Settings) -> Place:
    """Return the place that has heard everything."""
    refused = session.scalar(refused_until(account.user_id)) if settings.charges_print else None
    return Place(account.sequence, refused or EPOCH)


def since(session: Session, *, purse: service.Purse, settings: Settings, after: Place) -> list[Message]:
    """Return what happened after a place, oldest first, at most the newest ten."""
    found = _of_books(session, purse, settings, after)
    if settings.charges_print:
        found += _of_jobs(session, purse, after) + _of_refunds(session, purse, after)
    return sorted(found, key=lambda message: message.at)[-MESSAGES_MAX:]


def _of_books(session: Session, purse: service.Purse, settings: Settings, after: Place) -> list[Message]:
    account, unit = purse.account, settings.unit
    is_credit = Entry.amount > 0
    ran_empty = and_(
        Entry.balance_after <= (account.floor or 0), Entry.balance_after - Entry.amount > (account.floor or 0)
    )
    query = (
        select(Entry, Note)
        .outerjoin(Note, Note.id == Entry.note_id)
        .where(
            Entry.account_id == account.id,
            Entry.sequence > after.sequence,
            Entry.created_at >= purse.as_of - NEWS_FOR,
            or_(is_credit, ran_empty),
        )
        .order_by(Entry.sequence.desc())
        .limit(2 * MESSAGES_MAX)
    )
    found, is_newest_cut = [], purse.state == "empty" and settings.enforces
    for entry, note in session.execute(query).all():
        if entry.amount > 0:
            what = _("Given back") if entry.reverses_id is not None else _("Credit arrived")
            text = f"{unit.change(entry.amount)} {note.title if note else ''}".strip()
            text = _("%(credit)s. You have %(balance)s.", credit=text, balance=unit.text(entry.balance_after))
            found.append(Message(f"credit:{entry.sequence}", "credit", what, text, entry.created_at))
        elif is_newest_cut:  # one that was filled up again meanwhile is no news
            is_newest_cut = False
            found.append(_ran_empty(entry, purse, settings))
    return found


def _ran_empty(entry: Entry, purse: service.Purse, settings: Settings) -> Message:
    if settings.charges_internet:
        title, text = _("Internet cut"), service.internet_message(purse, settings)
    else:
        name, left = rules.purse_name(settings.config.charges), settings.unit.text(purse.available)
        empty = _("Your %(purse)s is empty: %(amount)s left.", purse=name, amount=left)
        title, text = _("Nothing left"), f"{empty} {service.next_credit_in_words(purse, settings)}"
    return Message(f"empty:{entry.sequence}", "empty", title, text.strip(), entry.created_at)


def _of_jobs(session: Session, purse: service.Purse, after: Place) -> list[Message]:
    last = select(PrintJob).where(PrintJob.user_id == purse.user.id).order_by(PrintJob.id.desc()).limit(JOBS_LOOKED_AT)
    since_when = _since_when(purse, after)
    return [
        Message(
            f"job:{job.id}:{job.state}:{job.attempt}",
            "job",
            _of_job(job),
            _(
                "%(title)s, printer %(printer)s. %(why)s",
                title=titles.short(job.title) or _("A document"),
                printer=job.printer,
                why=_why(job),
            ),
            job.updated_at,
        )
        for job in session.scalars(last)
        if job.state in REFUSED and job.updated_at > since_when and not _is_their_doing(job)
    ]


def _of_refunds(session: Session, purse: service.Purse, after: Place) -> list[Message]:
    """Requests that were refused; what is given back is credit that arrives."""
    last = select(PrintJob.id).where(PrintJob.user_id == purse.user.id).order_by(PrintJob.id.desc())
    ids = last.limit(JOBS_LOOKED_AT).subquery()
    query = select(Refund, PrintJob).join(PrintJob, REFUND_REFUSED).join(ids, ids.c.id == PrintJob.id)
    since_when = _since_when(purse, after)
    return [
        Message(
            f"refund:{refund.id}",
            "job",
            _("Refund refused"),
            _("%(title)s: %(answer)s", title=titles.short(job.title) or _("A document"), answer=refund.answer),
            refund.decided_at,
        )
        for refund, job in session.execute(query)
        if refund.decided_at is not None and refund.decided_at > since_when
    ]


def _since_when(purse: service.Purse, after: Place) -> datetime:
    return max(after.jobs_until - CLOCKS_DIFFER, purse.as_of - NEWS_FOR)


def _of_job(job: PrintJob) -> str:
    if job.state == "cancelled":
        return _("Not printed")
    return _("Waits for you") if job.waits_for == "release" else _("Not printed yet")


def _why(job: PrintJob) -> str:
    return job_words.why(job) or _("It waits until you release it on your page of print jobs.")


def _is_their_doing(job: PrintJob) -> bool:
    """Whether its owner has just cancelled or released it: that is no news to them."""
    return job.reason == job_words.BY_OWNER or (job.state == "waiting" and job.released_at is not None)
