"""The people sync on the health page: how old what is known of people is, and whether somebody has to decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import flask
from sqlalchemy.orm import Session

from app.people import sync, sync_reports
from app.purse.rules import ago_in_words

OLD: Final = timedelta(days=2)


def look_at(session: Session, now: datetime) -> tuple[str, str, str, str]:
    """Return (state, word, text, what to do) as a check of the health page has them; the last may be ""."""
    page = flask.url_for("people_sync.show_passes")
    last, waiting, newest = sync_reports.last_good(session), sync_reports.waiting(session), sync.newest(session)
    text = "Everybody in the directory was never read."
    if last is not None:
        text = f"{last.read:,} people of the directory were read {ago_in_words(now - last.started_at)}."
    if waiting is not None:
        number = waiting.disabled + waiting.gone
        text = f"A pass {ago_in_words(now - waiting.started_at)} would end the access of {number:,} people. {text}"
        return "warn", "Waits for you", text, f"Look at what it would change, and agree or discard: {page}/{waiting.id}"
    if newest is not None and newest.state == "failed":
        text = f"The last pass, {ago_in_words(now - newest.started_at)}, failed: {newest.message}. {text}"
        return "warn", "Failed", text, "Nobody is changed by a pass that fails. It is tried again every hour."
    if last is None:
        if newest is not None and newest.state in sync.AT_WORK:
            return "ok", "At work", "Everybody in the directory is being read for the first time.", ""
        return "warn", "Never read", text, f"Look at the queue and the ticker, then: {page}"
    if now - last.started_at > OLD:
        return "warn", "Old", text, f"Look at the queue and the ticker, then: {page}"
    return "ok", "Up to date", text, ""
