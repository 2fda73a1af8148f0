"""Who may call what: every endpoint carries a mark, and one without is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import flask
from flask_login import current_user

from app import clock
from app.api import tokens
from app.db import reading
from app.errors import NotAllowedError, NotSignedInError
from app.settings import settings_of_app

F = TypeVar("F", bound=Callable[..., Any])
MARK = "_twinpurse_access"


def public(view: F) -> F:
    """Anybody may call this."""
    return _mark(view, ("public", ""))


def signed_in(view: F) -> F:
    """A signed-in user may call this, for themselves."""
    return _mark(view, ("user", ""))


def admin(view: F) -> F:
    """An administrator may call this."""
    return _mark(view, ("admin", ""))


def machine(scope: str) -> Callable[[F], F]:
    """A machine with a token of `scope` may call this; cookies are not looked at."""
    return lambda view: _mark(view, ("machine", scope))


def portal(view: F) -> F:
    """The portal may call this on behalf of one user; cookies are not looked at."""
    return _mark(view, ("portal", ""))


def access_of(view: Callable[..., Any] | None) -> tuple[str, str]:
    """Return (kind, scope) of a view; ("none", "") for one without a mark."""
    mark: tuple[str, str] = getattr(view, MARK, ("none", ""))
    return mark


def guard() -> None:
    """Before each request: let it through only as its endpoint's mark says.

    Raises NotSignedInError, NotAllowedError. An address that does not exist is left to become a 404.
    """
    endpoint = flask.request.endpoint
    if endpoint is None or endpoint == "static":
        return
    kind, scope = access_of(flask.current_app.view_functions.get(endpoint))
    if kind == "public":
        return
    if kind == "machine":
        if tokens.find_machine_token(reading(), token=_bearer(tokens.MACHINE_PREFIX)).scope != scope:
            raise NotAllowedError(f"This token is not for {scope}.")
    elif kind == "portal":
        settings = settings_of_app()
        flask.g.portal_call = tokens.read_portal_token(
            _bearer(tokens.PORTAL_PREFIX).removeprefix(tokens.PORTAL_PREFIX),
            key=settings.portal_key,
            instance_id=settings.config.id,
            now=clock.now(),
        )
    elif kind in ("user", "admin"):
        if not current_user.is_authenticated:
            raise NotSignedInError
        if kind == "admin" and not current_user.is_admin:
            raise NotAllowedError("This page is for administrators.")
    else:
        raise NotAllowedError(f"The endpoint {endpoint} says nobody may call it.")


def _bearer(prefix: str) -> str:
    scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.startswith(prefix):
        raise NotSignedInError("A token is needed here.")
    return token


def _mark(view: F, mark: tuple[str, str]) -> F:
    setattr(view, MARK, mark)
    return view
