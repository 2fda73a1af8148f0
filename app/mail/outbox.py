"""The outbox: e-mails are put in with what they tell of, taken one at a time to be sent, and ended with the result.

An e-mail is handed over at least once. A worker that dies before the mail server's OK loses nothing: the e-mail is
tried again when its claim is over. One that dies between that OK and its note here lets it be sent once more, with the
same Message-ID.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.mail import rules
from app.mail.models import Mail, MailServer

KEPT: Final = timedelta(days=30)
"""So long it is known that an e-mail was sent or given up; its text goes at once."""

LATELY: Final = timedelta(days=1)
ONLY: Final = 1


@dataclass(frozen=True)
class Standing:
    """How e-mail does: what waits and since when, what was given up in the last day, and the server's last problem."""

    waiting: int
    oldest: datetime | None
    given_up: int
    reason: str
    problem: str
    failing_since: datetime | None
    next_at: datetime | None
    sent_at: datetime | None


def put(
    session: Session,
    *,
    user_id: int,
    kind: str,
    address: str,
    name: str,
    language: str,
    subject: str,
    text: str,
    now: datetime,
) -> Mail:
    """Put an e-mail into the outbox; it waits for the worker."""
    mail = Mail(
        user_id=user_id,
        kind=kind,
        address=address,
        name=name,
        language=language,
        subject=subject,
        text=text,
        token=secrets.token_urlsafe(18),
        created_at=now,
        next_at=now,
    )
    session.add(mail)
    session.flush()
    return mail


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether an e-mail is to be tried, and the server is not being left alone after a failure."""
    due = select(Mail.id).where(Mail.state == "waiting", Mail.next_at <= now).limit(1)
    if session.scalar(due) is None:
        return False
    wait_until = session.scalar(select(MailServer.next_at).where(MailServer.id == ONLY))
    return wait_until is None or wait_until <= now


def claim(session: Session, *, now: datetime) -> Mail | None:
    """Take the e-mail that has waited longest, for ten minutes; None when none is due, or the server is left alone.

    Two workers never get the same one at a time.
    """
    if not anything_due(session, now=now):
        return None
    due = select(Mail).where(Mail.state == "waiting", Mail.next_at <= now).order_by(Mail.next_at, Mail.id).limit(1)
    mail = session.scalars(due.with_for_update(skip_locked=True)).first()
    if mail is not None:
        mail.next_at, mail.tries = now + rules.CLAIMED_FOR, mail.tries + 1
        session.flush()
    return mail


def note_sent(session: Session, *, mail_id: int, now: datetime) -> None:
    """Note that the server took an e-mail, and that the server works."""
    _end(session, mail_id, "sent", "", now)
    server = _server(session)
    server.failures, server.failing_since, server.next_at, server.problem = 0, None, None, ""
    server.sent_at = now


def note_refused(session: Session, *, mail_id: int, reason: str, for_good: bool, now: datetime) -> None:
    """Note that the server did not take this e-mail: it is tried again later, or given up."""
    mail = session.get_one(Mail, mail_id)
    if for_good or rules.is_too_old(created_at=mail.created_at, now=now):
        _end(session, mail_id, "failed", reason, now)
        return
    mail.next_at, mail.reason = now + rules.pause_after(mail.tries), reason[: rules.REASON_LENGTH_MAX]


def note_trouble(session: Session, *, mail_id: int | None, problem: str, now: datetime) -> None:
    """Note that the server takes nothing, and when it is asked again. The e-mail at hand is due again at once then.

    What has waited for a day is given up.
    """
    server = _server(session)
    server.failures += 1
    server.failing_since = server.failing_since or now
    server.next_at = now + rules.pause_after(server.failures)
    server.problem = problem[: rules.REASON_LENGTH_MAX]
    if mail_id is not None:
        session.get_one(Mail, mail_id).next_at = now
    session.flush()
    session.execute(
        update(Mail)
        .where(Mail.state == "waiting", Mail.created_at <= now - rules.GIVEN_UP_AFTER, Mail.next_at <= now)
        .values(state="failed", reason=server.problem, ended_at=now, text="")
        .execution_options(synchronize_session=False)
    )


def try_soon(session: Session, *, now: datetime) -> None:
    """Ask the server again at the next opportunity, whatever pause it was given."""
    _server(session).next_at = now


def standing(session: Session, *, now: datetime) -> Standing:
    """Return how e-mail does."""
    waiting, oldest = session.execute(
        select(func.count(), func.min(Mail.created_at)).where(Mail.state == "waiting")
    ).one()
    lately = (Mail.state == "failed", Mail.ended_at >= now - LATELY)
    given_up = session.scalar(select(func.count()).select_from(Mail).where(*lately)) or 0
    reason = session.scalar(select(Mail.reason).where(*lately).order_by(Mail.ended_at.desc()).limit(1)) or ""
    server = session.get(MailServer, ONLY) or MailServer(problem="")
    return Standing(
        waiting, oldest, given_up, reason, server.problem, server.failing_since, server.next_at, server.sent_at
    )


def list_failed(session: Session, *, limit: int) -> list[Mail]:
    """Return e-mails that were given up, the newest first."""
    query = select(Mail).where(Mail.state == "failed").order_by(Mail.ended_at.desc(), Mail.id.desc())
    return list(session.scalars(query.limit(limit)))


def last_test(session: Session, *, user_id: int) -> Mail | None:
    """Return the last test e-mail that somebody asked for."""
    mine = select(Mail).where(Mail.user_id == user_id, Mail.kind == "test")
    return session.scalars(mine.order_by(Mail.id.desc()).limit(1)).first()


def forget_old(session: Session, *, now: datetime) -> int:
    """Delete what was sent or given up long ago; return how many that were."""
    old = delete(Mail).where(or_(Mail.state == "sent", Mail.state == "failed"), Mail.ended_at < now - KEPT)
    return int(session.execute(old).rowcount)  # type: ignore[attr-defined]  # SQLAlchemy types a session's result without it


def _end(session: Session, mail_id: int, state: str, reason: str, now: datetime) -> None:
    mail = session.get_one(Mail, mail_id)
    mail.state, mail.reason, mail.ended_at, mail.text = state, reason[: rules.REASON_LENGTH_MAX], now, ""


def _server(session: Session) -> MailServer:
    server = session.get(MailServer, ONLY, with_for_update=True)
    if server is None:
        server = MailServer(id=ONLY, failures=0, problem="")
        session.add(server)
    return server
