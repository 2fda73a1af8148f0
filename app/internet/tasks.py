"""The jobs of the Internet: what may not be kept any longer is deleted, what waits is added up, part by part."""

from __future__ import annotations

import time
from functools import partial

from sqlalchemy.orm import Session

from app import clock
from app.db import writing
from app.internet import hours, rates, use_privacy
from app.settings import settings_of_app

REST_S = 0.02
"""Between two parts others get their turn to write."""


def forget_domains() -> int:
    """Delete bytes by domain that are older than they may be; return how many lines that were."""
    gone = 0
    while True:
        today = clock.now().astimezone(settings_of_app().zone).date()
        part = writing(partial(use_privacy.forget, today=today))
        gone += part
        if part < use_privacy.CHUNK:
            return gone
        time.sleep(REST_S)


def add_waiting_usage() -> int:
    """Add usage that waits to that by hour; return how many parts there were."""
    done = 0
    while writing(_add_part):
        done += 1
        time.sleep(REST_S)
    return done


def _add_part(session: Session) -> bool:
    return hours.add_waiting(session, plan=rates.load(session, settings_of_app()))
