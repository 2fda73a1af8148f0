"""Signing in by the header of a trusted reverse proxy that has made sure who it is (Kerberos, single sign-on)."""

from __future__ import annotations

from typing import Final

import flask

from app.db import reading
from app.errors import NotFoundError, NotSignedInError, UnavailableError
from app.people import aliases, credentials, local, rules
from app.people.models import User
from app.settings import settings_of_app
from app.web.peers import name_in_header
from directory.accounts import account_name
from language import _

NAMED: Final = "named"
"""In the browser's session: whom the header named when the session began."""


def is_on() -> bool:
    """Whether this instance believes a proxy's header at all."""
    return bool(settings_of_app().config.sign_in.header)


def note_name() -> None:
    """Keep in the browser's session whom the header names now."""
    flask.session[NAMED] = rules.name_key(_account())


def still_names() -> bool:
    """Whether the header names whom it named when the session began: a session that came by it lasts while it does."""
    name = rules.name_key(_account())
    return bool(name) and flask.session.get(NAMED) == name


def identify() -> int | None:
    """Return the user whom a trusted proxy names, as the directory has them; None when it names nobody.

    Raises NotSignedInError for a name that may not come in, UnavailableError.
    """
    name = _account()
    if not name:
        return None
    try:
        user = _named(name)
    except NotFoundError:
        user = None
    if user is None or not user.is_active or user.origin == local.ORIGIN:
        raise NotSignedInError(
            _("Your network knows you as “%(name)s”, and nobody of this name may sign in here.", name=name)
        )
    return user.id


def _named(name: str) -> User:
    """Whom the directory has under this name: it may be somebody else than yesterday, so it is always asked.

    While it is away, who is known here by that very name comes in, without a role; nobody does with an alias.
    """
    try:
        return credentials.look_up(name)
    except UnavailableError:
        holder = aliases.find(reading(), typed=name, domains=())
        if holder is None or holder.kind != "own" or holder.user.role:
            raise
        return holder.user


def _account() -> str:
    return account_name(name_in_header(), settings_of_app().config.directory.domains)
