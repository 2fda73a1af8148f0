"""The portal's pages: both purses, signing in and out, and the way into an instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from directory.interface import BadCredentialsError, DirectoryError
from directory.refusals import refusal_in_words
from language import N_, _
from language.requests import remember
from portal import rules
from portal.access import public, signed_in
from portal.exchanges import Exchanges
from portal.frame import THEME_COOKIE, THEMES
from portal.purses import EntranceError, Purses
from portal.settings import Settings
from portal.signin import SignIn, WaitError

EXTENSION = "portal"
RETRY_S = 30
AWAY = N_("The network’s directory does not answer, so nobody can be signed in now. Try again soon.")

blueprint = Blueprint("pages", __name__)


@dataclass(frozen=True)
class Services:
    """What the pages work with; the factory puts it together."""

    settings: Settings
    signin: SignIn
    purses: Purses
    exchanges: Exchanges
    clock: Callable[[], datetime]


@blueprint.get("/")
@signed_in
def show_purses() -> str:
    """Show every purse of who is signed in."""
    services = services_of_app()
    purses = services.purses.of(
        username=current_user.username,
        directory_id=current_user.directory_id,
        insist=request.args.get("retry") == "now",
    )
    now, zone = services.clock(), services.settings.zone
    degraded = any(purse.may_come_back for purse in purses)
    return flask.render_template(
        "purses.html",
        purses=purses,
        words=rules,
        links=[rules.in_language(each) for each in services.settings.links],
        pairs=services.settings.exchanges,
        notices=[rules.in_language(each) for each in services.settings.notices],
        now=now,
        zone=zone,
        retry_s=RETRY_S,
        retries=degraded and request.args.get("retry") != "off",
        next_try=(now + timedelta(seconds=RETRY_S)).astimezone(zone),
    )


@blueprint.get("/sign-in")
@public
def show_sign_in() -> str | Response:
    """Ask for name and password."""
    following = _own_path(request.args.get("next"))
    if current_user.is_authenticated:
        return flask.redirect(following)
    return _sign_in_page()


@blueprint.post("/sign-in")
@public
def sign_in() -> tuple[str, int] | Response:
    """Check name and password with the directory and sign in. Wrong, empty and unknown get the same answer."""
    try:
        services_of_app().signin.sign_in(request.form.get("username", ""), request.form.get("password", ""))
    except BadCredentialsError as error:
        return _sign_in_page(refusal_in_words(error.reason)), 401
    except WaitError as error:
        return _sign_in_page(rules.too_many_tries(error.wait_s)), 429
    except DirectoryError as error:
        flask.current_app.logger.error("sign-in: the directory gives no answer: %s", error)
        return _sign_in_page(_(AWAY)), 503
    return flask.redirect(_own_path(request.form.get("next")), 303)


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> Response:
    """End this session."""
    services_of_app().signin.sign_out()
    flask.flash(_("You are signed out here. The purses may still know you: close the browser too."))
    return flask.redirect("/sign-in", 303)


@blueprint.get("/go/<instance_id>")
@signed_in
def go(instance_id: str) -> Response:
    """Take the browser into an instance, signed in there."""
    services = services_of_app()
    instance = next((each for each in services.settings.instances if each.id == instance_id), None)
    if instance is None:
        flask.abort(404)
    try:
        address = services.purses.way_in(
            instance, username=current_user.username, directory_id=current_user.directory_id
        )
    except EntranceError as error:
        flask.flash(
            _("%(name)s could not be opened: you have no purse there.", name=instance.name)
            if error.problem == "unknown_person"
            else _(
                "%(name)s could not be opened: its server does not answer as it should. Try again soon.",
                name=instance.name,
            ),
            "warn",
        )
        return flask.redirect("/")
    return flask.redirect(address)


@blueprint.get("/theme")
@public
def choose_theme() -> Response:
    """Keep the chosen look in a cookie, and go back. It changes nothing but how pages look."""
    theme = request.args.get("value", "system")
    response = flask.redirect(_own_path(request.args.get("next")))
    response.set_cookie(
        THEME_COOKIE,
        theme if theme in THEMES else "system",
        max_age=31_536_000,
        httponly=True,
        samesite="Lax",
        secure=services_of_app().settings.is_https,
    )
    return response


@blueprint.get("/language")
@public
def choose_language() -> Response:
    """Keep the language that was chosen in a cookie, and go back."""
    return remember(flask.redirect(_own_path(request.args.get("next"))), request.args.get("value"))


@blueprint.get("/stay")
@signed_in
def stay() -> Response:
    """Answer nothing: the session was used, and so goes on."""
    return Response(status=204)


@blueprint.get("/healthz")
@public
def tell_health() -> dict[str, str]:
    """Say that the portal serves."""
    return {"status": "ok"}


def services_of_app() -> Services:
    """Return what the pages of the present portal work with."""
    services: Services = flask.current_app.extensions[EXTENSION]
    return services


def _sign_in_page(error: str = "") -> str:
    following = _own_path(request.values.get("next"))
    return flask.render_template(
        "people/sign_in.html",
        error=error,
        username=request.form.get("username", "")[:256],
        next="" if following == "/" else following,
    )


def _own_path(wanted: str | None) -> str:
    """Return `wanted` when it is one of the few paths worth going back to, else the start page."""
    settings = services_of_app().settings
    known = {"/sign-in", *(f"/go/{instance.id}" for instance in settings.instances)}
    known |= {"/exchange"} if settings.exchanges else set()
    return wanted if wanted in known else "/"
