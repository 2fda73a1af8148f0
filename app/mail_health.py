"""E-mail on the health page: whether the mail server takes what is sent, and what was given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import flask
from sqlalchemy.orm import Session

from app.mail import outbox
from app.purse.rules import ago_in_words
from language import _, _n

LATE: Final = timedelta(minutes=5)


def look_at(session: Session, now: datetime) -> tuple[str, str, str, str]:
    """Return (state, word, text, what to do) as a check of the health page has them; the last may be ""."""
    page = flask.url_for("mail.show")
    found = outbox.standing(session, now=now)
    waiting = _n("%(num)s e-mail waits.", "%(num)s e-mails wait.", found.waiting)
    if found.problem:
        text = _("The mail server takes nothing: %(problem)s.", problem=found.problem.rstrip("."))
        todo = _("Correct [mail] in config.toml or start the mail server, then send a test: %(page)s", page=page)
        return "bad", _("Does not work"), f"{text} {waiting}", todo
    if found.given_up:
        text = _n(
            "%(num)s e-mail was given up in the last day; the last because: %(reason)s.",
            "%(num)s e-mails were given up in the last day; the last because: %(reason)s.",
            found.given_up,
            reason=found.reason.rstrip("."),
        )
        return "warn", _("Given up"), text, _("Look at whom it was about: %(page)s", page=page)
    if found.oldest is not None and now - found.oldest > LATE:
        text = _("%(waiting)s The oldest came %(ago)s.", waiting=waiting, ago=ago_in_words(now - found.oldest))
        return (
            "warn",
            _("Waits"),
            text,
            _("Look at queue, ticker and worker; and at the mail server: %(page)s", page=page),
        )
    if found.sent_at is None:
        return "ok", _("Nothing yet"), _("No e-mail has been sent yet. Send a test: %(page)s", page=page), ""
    last = _("The last e-mail was taken %(ago)s.", ago=ago_in_words(now - found.sent_at))
    return "ok", _("Works"), f"{last} {waiting}", ""
