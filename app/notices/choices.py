"""What people chose about notices, and what counts for who chose nothing. Purses ask here for thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger.models import Account
from app.notices import rules
from app.notices.models import NoticeChoice, NoticeTold
from app.settings import Settings


@dataclass(frozen=True)
class Chosen:
    """What counts for one person. `threshold` in millionths, 0 for never; `is_own`: whether they chose it.

    `by_email` says what they want; without a mail server nothing comes of it. `language`: "" as the instance speaks.
    """

    threshold: int
    is_own: bool
    by_email: bool
    language: str

    def speaks(self, settings: Settings) -> str:
        """Return the code of the language of their e-mails."""
        return self.language or settings.config.language


def of_person(session: Session, *, user_id: int, settings: Settings) -> Chosen:
    """Return what counts for somebody."""
    return as_chosen(session.get(NoticeChoice, user_id), settings)


def as_chosen(choice: NoticeChoice | None, settings: Settings) -> Chosen:
    """Return what counts for who made this choice, or none."""
    config = settings.config
    usual = config.mail is not None and config.mail.everybody
    if choice is None:
        return Chosen(config.low_balance, False, usual, "")
    return Chosen(
        threshold=config.low_balance if choice.threshold is None else choice.threshold,
        is_own=choice.threshold is not None,
        by_email=usual if choice.by_email is None else choice.by_email,
        language=choice.language,
    )


def threshold_of(session: Session, *, user_id: int, settings: Settings) -> int:
    """Return from which balance down (counted from where it ends, in millionths) a purse is low to its owner."""
    own = session.scalar(select(NoticeChoice.threshold).where(NoticeChoice.user_id == user_id))
    return settings.config.low_balance if own is None else own


def choose(
    session: Session,
    *,
    user_id: int,
    threshold: int | None,
    by_email: bool | None,
    language: str,
    settings: Settings,
    now: datetime,
) -> None:
    """Keep what somebody chose. `threshold`: millionths, 0 for never, None as the instance says; `by_email` likewise.

    Nobody is told at once: who chooses has just seen their balance. What they were told before counts for the new
    threshold only as far as it would have been told with it.
    """
    session.merge(
        NoticeChoice(user_id=user_id, threshold=threshold, by_email=by_email, language=language, changed_at=now)
    )
    told = session.get(NoticeTold, user_id)
    account = session.scalar(select(Account).where(Account.user_id == user_id))
    if told is not None and account is not None and account.floor is not None:
        counts = settings.config.low_balance if threshold is None else threshold
        state = rules.told_after(told.state, left=account.balance - account.floor, threshold=counts)
        if rules.RANK[state] < rules.RANK[told.state]:
            note_told(session, user_id=user_id, state=state, now=now)
    session.flush()


def note_told(session: Session, *, user_id: int, state: str, now: datetime) -> None:
    """Note what somebody has been told of; "" for nothing any more."""
    told = session.get(NoticeTold, user_id)
    if told is not None and not state:
        session.delete(told)
    elif told is not None:
        told.state, told.at = state, now
    elif state:
        session.add(NoticeTold(user_id=user_id, state=state, at=now))
    session.flush()
