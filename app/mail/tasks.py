"""The job of e-mail: hand what waits to the mail server, until nothing is due or the server takes nothing."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from app import clock
from app.db import writing
from app.mail import outbox
from app.mail.models import Mail
from app.mail.smtp import Connection, Letter, RefusedError, ServerTroubleError
from app.settings import settings_of_app

PER_CONNECTION: Final = 50
"""Servers limit how many e-mails come over one connection; Postfix closes it after 100."""

AT_MOST_S: Final = 30.0
"""A job that takes longer would keep others waiting; the ticker asks for the rest."""

NOTICES: Final = "/me/notices"
"""Where people end such e-mails."""

log = logging.getLogger(__name__)


def send_waiting() -> int:
    """Send what is due; return how many e-mails the server took."""
    settings = settings_of_app()
    if settings.config.mail is None:
        return 0
    until, sent = time.monotonic() + AT_MOST_S, 0
    mail = _claim(until)
    while mail is not None:
        try:
            with Connection(settings.config.mail, settings.mail_password) as connection:
                for _number in range(PER_CONNECTION):
                    sent += _send(connection, mail)
                    mail = _claim(until)
                    if mail is None:
                        break
        except ServerTroubleError as exc:
            log.warning("the mail server takes nothing: %s", exc)
            note = partial(outbox.note_trouble, mail_id=mail.id if mail else None, problem=str(exc), now=clock.now())
            writing(note)
            break
    return sent


def forget_old() -> int:
    """Delete what was sent or given up long ago; return how many e-mails that were."""
    return writing(lambda session: outbox.forget_old(session, now=clock.now()))


def _claim(until: float) -> Mail | None:
    if time.monotonic() >= until:
        return None

    def take(session: Session) -> Mail | None:
        return outbox.claim(session, now=clock.now())

    return writing(take)


def _send(connection: Connection, mail: Mail) -> bool:
    """Send one e-mail and note what became of it; whether the server took it. Raises ServerTroubleError."""
    settings = settings_of_app()
    letter = Letter(
        address=mail.address,
        name=mail.name,
        language=mail.language,
        subject=mail.subject,
        text=mail.text,
        token=f"{settings.config.id}.{mail.id}.{mail.token}",
        at=mail.created_at.astimezone(settings.zone),
        link="" if mail.kind == "test" else settings.config.public_url + NOTICES,
    )
    try:
        connection.send(letter)
    except RefusedError as exc:
        reason, for_good = str(exc), exc.for_good
        writing(
            lambda session: outbox.note_refused(
                session, mail_id=mail.id, reason=reason, for_good=for_good, now=clock.now()
            )
        )
        return False
    writing(lambda session: outbox.note_sent(session, mail_id=mail.id, now=clock.now()))
    return True
