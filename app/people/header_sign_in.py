"""Signing in by the header of a trusted reverse proxy that has made sure who it is (Kerberos, single sign-on)."""

from __future__ import annotations

from app.db import reading
from app.errors import NotFoundError, NotSignedInError
from app.people import credentials, local, rules, service
from app.people.models import User
from app.settings import settings_of_app
from app.web.peers import name_in_header
from directory.accounts import account_name


def is_on() -> bool:
    """Whether this instance believes a proxy's header at all."""
    return bool(settings_of_app().config.sign_in.header)


def names(user: User) -> bool:
    """Whether the header of this request names this very person: a session that came by it lasts while it does."""
    name = _account()
    if not name:
        return False
    if rules.name_key(name) == user.username:
        return True
    found = service.find_user(reading(), username=name)
    return found is not None and found.id == user.id


def identify() -> int | None:
    """Return the user whom a trusted proxy names, as the directory has them; None when it names nobody.

    Raises NotSignedInError for a name that may not come in, UnavailableError.
    """
    name = _account()
    if not name:
        return None
    try:
        user = credentials.renew(credentials.identify(name))
    except NotFoundError:
        user = None
    if user is None or user.origin == local.ORIGIN:
        raise NotSignedInError(f"Your network knows you as “{name}”, and nobody of this name may sign in here.")
    return user.id


def _account() -> str:
    return account_name(name_in_header(), settings_of_app().config.directory.domains)
