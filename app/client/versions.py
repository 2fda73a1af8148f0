"""Which version of a card a client has: an entity tag that one small query can check, so that most answers are 304."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import flask
from flask import Flask
from sqlalchemy import select

from app.client import news
from app.db import reading
from app.ledger.models import Account
from app.notices.models import NoticeChoice
from app.people import devices
from app.people.devices import Asking
from app.people.models import User
from app.quick_read import QuickRow
from app.schedules.models import Schedule
from app.settings import Settings, settings_of_app
from language import current

WORDS_LAST_S: Final = 900
"""A card has words that age ("Tomorrow 07:00", "lasts about 5 days"): after so long it is made anew in any case."""

TERMS_LAST_S: Final = 10.0
SPREAD: Final = 7919
EXTENSION: Final = "twinpurse.client_terms"

_and_purse = (
    devices.WHO_ASKS.add_columns(Account.sequence, Account.balance, Account.reserved, Account.floor)
    .outerjoin(Account, Account.user_id == User.id)
    .add_columns(NoticeChoice.threshold)
    .outerjoin(NoticeChoice, NoticeChoice.user_id == User.id)
)
WITH_PURSE: Final = QuickRow(_and_purse)
WITH_PURSE_AND_JOBS: Final = QuickRow(_and_purse.add_columns(news.refused_until(User.id).scalar_subquery()))
OF_DEVICE: Final = 7
"""So many columns say who asks; the others, how the purse stands."""


class Polling(NamedTuple):
    """A device that asks for its card, and how the purse stands that the card shows."""

    device: Asking
    purse: tuple[Any, ...]


@dataclass
class Terms:
    """What all cards of an instance follow: settings and schedules, as one word, looked up every ten seconds."""

    word: str = ""
    read_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


def init_app(app: Flask) -> None:
    """Give `app` its terms."""
    app.extensions[EXTENSION] = Terms()


def find(*, token: str) -> Polling:
    """Return who asks with this token, and how their purse stands: one question. Raises NotSignedInError."""
    ask = WITH_PURSE_AND_JOBS if settings_of_app().charges_print else WITH_PURSE
    row = ask.read(digest=devices.digest(token))
    return Polling(devices.judge(row and row[:OF_DEVICE]), row[OF_DEVICE:] if row else ())


def tag(polling: Polling, *, settings: Settings, now: datetime) -> str:
    """Return the entity tag of a person's card at `now`. Whatever a card shows goes into it, but the moment itself."""
    asking = polling.device
    # Everybody's words age at another moment, or all cards would be made anew in one.
    slot = (int(now.timestamp()) + asking.user_id * SPREAD) // WORDS_LAST_S
    who = (asking.user_id, asking.username, asking.display_name, current().code)
    return hashlib.sha256(repr((who, slot, _terms(settings, now), polling.purse)).encode()).hexdigest()[:32]


def _terms(settings: Settings, now: datetime) -> str:
    terms: Terms = flask.current_app.extensions[EXTENSION]
    with terms.lock:
        if not 0 <= now.timestamp() - terms.read_at < TERMS_LAST_S:
            schedules = select(Schedule.id, Schedule.version, Schedule.paused_at, Schedule.deleted_at)
            rows = [tuple(row) for row in reading().execute(schedules.order_by(Schedule.id))]
            terms.word = hashlib.sha256(repr((settings.config, rows)).encode()).hexdigest()
            terms.read_at = now.timestamp()
        return terms.word
