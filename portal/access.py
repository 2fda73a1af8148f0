"""Who may call what: every endpoint carries a mark, and one without a mark is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import flask
from flask_login import current_user
from werkzeug.wrappers import Response

View = TypeVar("View", bound=Callable[..., Any])
MARK = "_portal_access"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def public(view: View) -> View:
    """Anybody may call this."""
    setattr(view, MARK, "public")
    return view


def signed_in(view: View) -> View:
    """A signed-in person may call this, for themselves."""
    setattr(view, MARK, "signed_in")
    return view


def access_of(view: Callable[..., Any] | None) -> str:
    """Return "public" or "signed_in"; "" for a view without a mark."""
    return str(getattr(view, MARK, ""))


def refuse_other_sites() -> None:
    """Before each request: a form must come from a page of this very scheme, host and port.

    Another port of the same host is "same-site" to browsers, so that SameSite cookies do not stop its forms.
    """
    if flask.request.method in SAFE_METHODS:
        return
    site = flask.request.headers.get("Sec-Fetch-Site")
    if site is not None:
        good = site in ("same-origin", "none")
    else:
        origin = flask.request.headers.get("Origin")
        good = origin is None or urlsplit(origin).netloc == flask.request.host
    if not good:
        flask.abort(403, "This form was sent from another site. Nothing was changed.")


def guard() -> Response | None:
    """Before each request: let it through only as its endpoint's mark says."""
    endpoint = flask.request.endpoint
    if endpoint is None or endpoint == "static":
        return None
    mark = access_of(flask.current_app.view_functions.get(endpoint))
    if mark == "public" or (mark == "signed_in" and current_user.is_authenticated):
        return None
    if mark != "signed_in":
        flask.abort(403)
    if flask.request.method not in SAFE_METHODS:
        return flask.redirect("/sign-in", 303)
    following = flask.request.path
    return flask.redirect("/sign-in" if following == "/" else f"/sign-in?next={following}")
