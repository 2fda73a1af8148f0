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
from app.people import devices, rules
from app.settings import settings_of_app
from language import N_, _

F = TypeVar("F", bound=Callable[..., Any])
MARK = "_twinpurse_access"
FINDER = "_twinpurse_finder"
REFUSALS = {
    "auditor": N_("This page is for administrators."),
    "helper": N_("Helpers and administrators may do this."),
    "admin": N_("Only administrators may do this."),
}


def public(view: F) -> F:
    """Anybody may call this."""
    return _mark(view, ("public", ""))


def signed_in(view: F) -> F:
    """A signed-in user may call this, for themselves."""
    return _mark(view, ("user", ""))


def auditor(view: F) -> F:
    """Who may look at administrators' pages may call this: auditors, helpers, administrators. It changes nothing."""
    return _mark(view, ("auditor", ""))


def helper(view: F) -> F:
    """Helpers and administrators may call this; the service holds helpers to their daily limit."""
    return _mark(view, ("helper", ""))


def admin(view: F) -> F:
    """An administrator may call this."""
    return _mark(view, ("admin", ""))


def machine(scope: str) -> Callable[[F], F]:
    """A machine with a token of `scope` may call this; cookies are not looked at."""
    return lambda view: _mark(view, ("machine", scope))


def portal(view: F) -> F:
    """The portal may call this on behalf of one user; cookies are not looked at."""
    return _mark(view, ("portal", ""))


def with_password(view: F) -> F:
    """Whoever sends name and password in the body may call this, which checks them; cookies are not looked at."""
    return _mark(view, ("password", ""))


def device(view: F) -> F:
    """A desktop client may call this for its person, with the token of its device; cookies are not looked at."""
    return _mark(view, ("device", ""))


def device_found_by(find: Callable[..., Any]) -> Callable[[F], F]:
    """The same; `find(token=...)` looks up who asks, with what the view needs, in one question."""

    def mark(view: F) -> F:
        setattr(view, FINDER, find)
        return device(view)

    return mark


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
    view = flask.current_app.view_functions.get(endpoint)
    kind, scope = access_of(view)
    if kind in ("public", "password"):
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
    elif kind == "device":
        flask.g.device = getattr(view, FINDER, devices.find)(token=_bearer(devices.PREFIX))
    elif kind == "user" or kind in REFUSALS:
        if not current_user.is_authenticated:
            raise NotSignedInError
        if kind in REFUSALS and not rules.may(current_user.role, kind):
            raise NotAllowedError(_(REFUSALS[kind]))
    else:
        raise NotAllowedError(f"The endpoint {endpoint} says nobody may call it.")


def _bearer(prefix: str) -> str:
    scheme, _space, token = flask.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.startswith(prefix):
        raise NotSignedInError("A token is needed here.")
    return token


def _mark(view: F, mark: tuple[str, str]) -> F:
    setattr(view, MARK, mark)
    return view
