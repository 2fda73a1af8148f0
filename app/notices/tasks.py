"""The job of notices: look whose purse became low or empty, and put the e-mail that says so into the outbox."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from sqlalchemy.orm import Session, lazyload

from app import clock
from app.db import reading, writing
from app.mail import outbox
from app.notices import choices, letters, rules, watch
from app.notices.models import NoticeTold
from app.notices.watch import Found
from app.people.models import User
from app.purse import service as purses
from app.settings import settings_of_app
from language import speaking

AT_MOST_S: Final = 30.0
"""When very many run low at once, other jobs get their turn in between."""


def look() -> int:
    """Look through the entries since the last look; return how many e-mails were put into the outbox.

    May be stopped anywhere, and stops by itself after half a minute: what was told stands beside each e-mail, and the
    place moves when a stretch is done.
    """
    settings, now = settings_of_app(), clock.now()
    if settings.config.mail is None:
        return 0
    put, after, moves = 0, writing(partial(watch.begin, now=now)), True
    until = time.monotonic() + AT_MOST_S
    while True:
        seen = watch.look(reading(), after=after, settings=settings, now=now)
        for found in seen.found:
            put += tell(found)
            if time.monotonic() >= until:
                return put
        if moves:
            writing(partial(watch.note_place, entry_id=seen.settled))
        moves = moves and seen.settled == seen.until
        after = seen.until
        if seen.is_last:
            return put


def tell(found: Found) -> bool:
    """Note what somebody is told, and put the e-mail into the outbox in the same transaction. Whether one was put."""
    settings, now = settings_of_app(), clock.now()
    words = None
    if found.is_news:
        user = reading().get_one(User, found.user_id, options=[lazyload(User.groups)])
        chosen = choices.of_person(reading(), user_id=user.id, settings=settings)
        address, name, language = user.email, user.display_name, chosen.speaks(settings)
        with speaking(language):
            purse = purses.look_into(reading(), user=user, settings=settings, now=now)
            words = letters.tell(found.state, purse=purse, settings=settings)

    def note(session: Session) -> bool:
        row = session.get(NoticeTold, found.user_id)
        if rules.RANK[row.state if row else ""] >= rules.RANK[found.state] and found.is_news:
            return False  # somebody else was quicker
        choices.note_told(session, user_id=found.user_id, state=found.state, now=now)
        if words is not None:
            outbox.put(
                session,
                user_id=found.user_id,
                kind=found.state,
                address=address,
                name=name,
                language=language,
                subject=words.subject,
                text=words.text,
                now=now,
            )
        return words is not None

    return writing(note)
