"""Names of people and the life of a session, as functions of values."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

IDLE: Final = timedelta(minutes=30)
"""A session ends when nothing came from it for so long (OWASP ASVS 5.0, 7.3.1)."""

ABSOLUTE: Final = timedelta(hours=12)
"""A session ends so long after signing in, whatever came (OWASP ASVS 5.0, 7.3.2)."""

ENTER_CODE_LIFE: Final = timedelta(seconds=60)


def name_key(name: str) -> str:
    """Return the form in which names are compared: composed, without case, without outer spaces."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def is_admin(groups: Iterable[str], admin_groups: Iterable[str]) -> bool:
    """Whether membership of a configured group makes an administrator; names are compared without case."""
    return not {name_key(group) for group in groups}.isdisjoint(name_key(group) for group in admin_groups)


def session_lives(*, created_at: datetime, seen_at: datetime, now: datetime) -> bool:
    """Whether a session that was not ended still counts."""
    return now - seen_at < IDLE and now - created_at < ABSOLUTE


def initials(display_name: str) -> str:
    """Return one or two capitals for a round badge: "Mara Lindqvist" -> "ML"."""
    words = [word for word in display_name.split() if word[0].isalnum()]
    return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words[:1])).upper()
