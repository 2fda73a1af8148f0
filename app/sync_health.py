"""The people sync on the health page: how old what is known of people is, and whether somebody has to decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import flask
from sqlalchemy.orm import Session

from app.people import sync, sync_reports, sync_words
from app.purse.rules import ago_in_words
from language import _, _n

OLD: Final = timedelta(days=2)


def look_at(session: Session, now: datetime) -> tuple[str, str, str, str]:
    """Return (state, word, text, what to do) as a check of the health page has them; the last may be ""."""
    page = flask.url_for("people_sync.show_passes")
    last, waiting, newest = sync_reports.last_good(session), sync_reports.waiting(session), sync.newest(session)
    text = _("Everybody in the directory was never read.")
    if last is not None:
        text = _n(
            "%(num)s people of the directory were read %(ago)s.",
            "%(num)s people of the directory were read %(ago)s.",
            last.read,
            ago=ago_in_words(now - last.started_at),
        )
    if waiting is not None:
        number = waiting.disabled + waiting.gone
        pass_says = _n(
            "A pass %(ago)s would end the access of %(num)s people.",
            "A pass %(ago)s would end the access of %(num)s people.",
            number,
            ago=ago_in_words(now - waiting.started_at),
        )
        todo = _("Look at what it would change, and agree or discard: %(page)s", page=f"{page}/{waiting.id}")
        return "warn", _("Waits for you"), f"{pass_says} {text}", todo
    if newest is not None and newest.state == "failed":
        ago, why = ago_in_words(now - newest.started_at), sync_words.message_within(newest)
        text = f"{_('The last pass, %(ago)s, failed: %(why)s.', ago=ago, why=why)} {text}"
        return "warn", _("Failed"), text, _("Nobody is changed by a pass that fails. It is tried again every hour.")
    if last is None and newest is not None and newest.state in sync.AT_WORK:
        return "ok", _("At work"), _("Everybody in the directory is being read for the first time."), ""
    todo = _("Look at the queue and the ticker, then: %(page)s", page=page)
    if last is None:
        return "warn", _("Never read"), text, todo
    if now - last.started_at > OLD:
        return "warn", _("Old"), text, todo
    return "ok", _("Up to date"), text, ""
