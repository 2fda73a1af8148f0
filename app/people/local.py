"""Local people: guests whom no directory knows, and the administrator for the day on which the directory is away."""

from __future__ import annotations

import re
import secrets
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from app.errors import InvalidInputError, NotFoundError
from app.ledger import accounts
from app.people import rules, service
from app.people.models import LocalPassword, User
from directory.accounts import account_name
from language import _

ORIGIN: Final = "local"
HASH: Final = "scrypt:32768:8:3"
"""32 MiB and three passes: the OWASP Password Storage Cheat Sheet holds it equal to its first recommendation."""

PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 128
NAME_CHARACTERS_MAX: Final = 64
DISPLAY_NAME_CHARACTERS_MAX: Final = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look like others


@dataclass(frozen=True)
class LocalPerson:
    """A user with the password that is kept here."""

    user: User
    password: LocalPassword

    def may_sign_in(self, now: datetime) -> bool:
        """Whether their time has not ended."""
        return self.user.is_active and (self.password.expires_at is None or now < self.password.expires_at)

    def accepts(self, password: str, now: datetime) -> bool:
        """Whether they may come in with this password. It takes as long for who may not."""
        return check_password_hash(self.password.password_hash, password) and self.may_sign_in(now)


def find(session: Session, *, typed: str, domains: Sequence[str] = ()) -> LocalPerson | None:
    """Return the local person whose name was typed, also one whose time has ended; None for a name that is none."""
    key = rules.name_key(account_name(typed, domains))
    return _first(session, User.username == key)


def seem_to_check(session: Session, *, password: str) -> None:
    """Take as long as a check of a local person's password does; nothing where there are no local people.

    For names that the directory refused: else the clock would tell which names are local.
    """
    if session.scalar(select(LocalPassword.user_id).limit(1)) is not None:
        generate_password_hash(password, method=HASH)


def get(session: Session, *, user_id: int) -> LocalPerson:
    """Return the local person. Raises NotFoundError."""
    found = _first(session, User.id == user_id)
    if found is None:
        raise NotFoundError(_("There is no such guest here."))
    return found


def list_guests(session: Session) -> list[LocalPerson]:
    """Return every guest, those whose time has ended too, by name."""
    return [each for each in _all(session) if not each.user.is_admin]


def list_administrators(session: Session) -> list[LocalPerson]:
    """Return the administrators who sign in without the directory, by name."""
    return [each for each in _all(session) if each.user.is_admin]


def clean_name(typed: str) -> str:
    """Return a name as it is kept: a-z, 0-9 and ".", "-", "_". Raises ValueError with a sentence for people."""
    name = unicodedata.normalize("NFC", typed).strip().casefold()
    if not name:
        raise ValueError(_("Give a user name"))
    if len(name) > NAME_CHARACTERS_MAX:
        raise ValueError(_("Use at most %(most)s characters for the user name", most=NAME_CHARACTERS_MAX))
    if not _NAME.fullmatch(name):
        raise ValueError(_("Use letters from a to z, figures, dots and dashes for the user name"))
    return name


def clean_display_name(typed: str) -> str:
    """Return what people read. Raises ValueError with a sentence for people."""
    name = " ".join(typed.split())
    if not name:
        raise ValueError(_("Give the name that people read"))
    if len(name) > DISPLAY_NAME_CHARACTERS_MAX:
        raise ValueError(_("Use at most %(most)s characters for the name", most=DISPLAY_NAME_CHARACTERS_MAX))
    if not name.isprintable():
        raise ValueError(_("Write the name without control characters"))
    return name


def check_password(password: str, *, name: str) -> str:
    """Return a password that is long enough. Raises ValueError with a sentence for people."""
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        least, most = PASSWORD_CHARACTERS_MIN, PASSWORD_CHARACTERS_MAX
        raise ValueError(_("Use %(least)s to %(most)s characters for the password", least=least, most=most))
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in password):
        raise ValueError(_("Write the password in one line"))
    if len(set(password)) < 5 or name in password.casefold():
        raise ValueError(_("That password is too easy: use more letters, and not the user name"))
    return password


def make_password() -> str:
    """Return a password of 79 random bits that can be read out and typed: "h7kq-m3vd-x9pt-c2wa"."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _letter in range(4)) for _part in range(4))


def create(
    session: Session,
    *,
    username: str,
    display_name: str,
    password: str,
    expires_at: datetime | None,
    made_by: str,
    now: datetime,
    administrator: bool = False,
) -> User:
    """Make a local person with a purse. `username` was cleaned; the door has asked the directory whether it knows it.

    Raises InvalidInputError for a name that somebody here has, as their own or as another one.
    """
    if service.find_user(session, username=username) is not None:
        raise InvalidInputError(_("Somebody here has this name already"), field="username")
    user = User(
        directory_id=f"{ORIGIN}:{uuid.uuid4()}",
        username=username,
        display_name=display_name,
        origin=ORIGIN,
        role="admin" if administrator else "",
        created_at=now,
        refreshed_at=now,
        groups=[],
    )
    session.add(user)
    session.flush()
    hashed = generate_password_hash(password, method=HASH)
    session.add(
        LocalPassword(
            user_id=user.id, password_hash=hashed, expires_at=expires_at, made_by=made_by[:256], created_at=now
        )
    )
    accounts.open_account(session, user_id=user.id, name=username, now=now)
    if not administrator:
        service.welcome(session, user_ids=[user.id], now=now)
    return user


def change_password(session: Session, *, user_id: int, password: str, made_by: str, now: datetime) -> None:
    """Give a local person another password; who is signed in with the old one is signed out. Raises NotFoundError."""
    found = get(session, user_id=user_id)
    found.password.password_hash = generate_password_hash(password, method=HASH)
    found.password.made_by, found.password.created_at = made_by[:256], now
    service.end_access(session, user_ids=[user_id], now=now)


def extend(session: Session, *, user_id: int, expires_at: datetime, now: datetime) -> None:
    """Let a guest sign in until `expires_at`, also one whose time had ended. Raises NotFoundError."""
    found = get(session, user_id=user_id)
    found.password.expires_at = expires_at
    found.user.status, found.user.status_since = "active", now


def end(session: Session, *, user_id: int, now: datetime) -> None:
    """End a local person's time now: sessions and devices too. Purse and history stay. Raises NotFoundError."""
    found = get(session, user_id=user_id)
    found.password.expires_at = now
    _leave(session, found.user, now)


def has_expired(session: Session, *, now: datetime) -> bool:
    """Whether there is somebody for `end_expired`."""
    return session.scalar(_expired(now).limit(1)) is not None


def end_expired(session: Session, *, now: datetime) -> None:
    """Let everybody go whose time has ended; they could not sign in before either, but their devices could ask."""
    for user in session.scalars(_expired(now)).all():
        _leave(session, user, now)


def remove_administrator(session: Session, *, user_id: int, now: datetime) -> None:
    """Take the password and the role from a local administrator; what they did stays under their name."""
    found = get(session, user_id=user_id)
    found.user.role = ""
    found.user.username = f"{found.user.username}#{user_id}"  # the name is free for another
    _leave(session, found.user, now)
    session.execute(delete(LocalPassword).where(LocalPassword.user_id == user_id))


def _expired(now: datetime) -> Select[User]:
    over = select(User).join(LocalPassword, LocalPassword.user_id == User.id)
    return over.where(User.status == "active", LocalPassword.expires_at <= now)


def _leave(session: Session, user: User, now: datetime) -> None:
    user.status, user.status_since = "gone", now
    service.end_access(session, user_ids=[user.id], now=now)


def _first(session: Session, condition: ColumnElement[bool]) -> LocalPerson | None:
    row = session.execute(_statement().where(condition)).first()
    return None if row is None else LocalPerson(row[0], row[1])


def _all(session: Session) -> list[LocalPerson]:
    return [LocalPerson(row[0], row[1]) for row in session.execute(_statement().order_by(User.username))]


def _statement() -> Select[User, LocalPassword]:
    return (
        select(User, LocalPassword).join(LocalPassword, LocalPassword.user_id == User.id).where(User.origin == ORIGIN)
    )
