"""Names of people, roles and the life of a session, as functions of values."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

IDLE: Final = timedelta(minutes=30)
"""A session ends when nothing came from it for so long (OWASP ASVS 5.0, 7.3.1)."""

ABSOLUTE: Final = timedelta(hours=12)
"""A session ends so long after signing in, whatever came (OWASP ASVS 5.0, 7.3.2)."""

STATION_IDLE: Final = timedelta(seconds=60)
"""A session at a screen that many people share, such as beside a printer, ends when it was not touched for so long."""

ENTER_CODE_LIFE: Final = timedelta(seconds=60)


def name_key(name: str) -> str:
    """Return the form in which names are compared: composed, without case, without outer spaces."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def printable(text: str, length: int) -> str:
    """Return text without what no database takes or no page shows: control characters and halves of surrogates."""
    if not text.isprintable():
        text = "".join(one for one in text if unicodedata.category(one) not in ("Cc", "Cs"))
    return text.strip()[:length]


ROLES: Final = ("", "auditor", "helper", "admin")
"""What a person may do here besides using their own purse, from nothing to everything; each includes those before."""


def role_of(
    groups: Iterable[str],
    *,
    admin_groups: Iterable[str],
    helper_groups: Iterable[str] = (),
    auditor_groups: Iterable[str] = (),
) -> str:
    """Return the role that somebody's groups give, the highest one; "" for none. Names are compared without case."""
    keys = {name_key(group) for group in groups}
    given = {"admin": admin_groups, "helper": helper_groups, "auditor": auditor_groups}
    return next((role for role, names in given.items() if not keys.isdisjoint(map(name_key, names))), "")


def may(role: str, needed: str) -> bool:
    """Whether somebody of `role` may do what needs the role `needed`. An unknown role may nothing."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(needed)


def session_lives(*, created_at: datetime, seen_at: datetime, now: datetime, way: str = "password") -> bool:
    """Whether a session that was not ended still counts; `way` is how it was begun, see LoginSession."""
    return now - seen_at < (STATION_IDLE if way == "station" else IDLE) and now - created_at < ABSOLUTE


def initials(display_name: str) -> str:
    """Return one or two capitals for a round badge: "Mara Lindqvist" -> "ML"."""
    words = [word for word in display_name.split() if word[0].isalnum()]
    return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words[:1])).upper()
