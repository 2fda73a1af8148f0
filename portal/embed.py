"""The card for an intranet's homepage: both purses small, as a page for a frame, as a piece of HTML, and as JSON.

Only pages of the origins that [embed] names may frame or read it, at these addresses and nowhere else. Browsers send
the portal's cookie (SameSite=Lax) only where the intranet is on the same site as the portal, such as
intranet.school.example beside portal.school.example; elsewhere the card is a link to sign in.

`?lang=de` has it speak the language of the page around it, whatever the reader's browser asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask
from flask import Blueprint, Response, request
from flask_login import current_user

from language import LANGUAGES, current, speaking
from portal import rules
from portal.access import public
from portal.frame import CSP
from portal.pages import Services, services_of_app
from portal.purses import Purse

NO_FRAMES = "frame-ancestors 'none'"

blueprint = Blueprint("embed", __name__)


def _in_its_language(view: Callable[[], Response]) -> Callable[[], Response]:
    """Have a view speak the language that its address names, if it is one of ours."""

    @wraps(view)
    def spoken() -> Response:
        wanted = request.args.get("lang", "")
        with speaking(wanted if wanted in LANGUAGES else current().code):
            response = view()
            response.headers["Content-Language"] = current().code
        response.headers["Vary"] = "Origin, Cookie, Accept-Language"
        return response

    return spoken


@blueprint.get("/embed")
@public
@_in_its_language
def show_card() -> Response:
    """The card as a page of its own, for a frame."""
    services = services_of_app()
    response = flask.make_response(flask.render_template("embed.html", **_context(services)))
    allowed = " ".join(services.settings.embed.origins) or "'none'"
    response.headers["Content-Security-Policy"] = CSP.replace(NO_FRAMES, f"frame-ancestors {allowed}")
    return response


@blueprint.get("/embed.html")
@public
@_in_its_language
def show_piece() -> Response:
    """The card as a piece of HTML without styles, for a page that fetches it."""
    return _readable(flask.make_response(flask.render_template("embed_piece.html", **_context(services_of_app()))))


@blueprint.get("/embed.json")
@public
@_in_its_language
def tell() -> Response:
    """The card as JSON."""
    services = services_of_app()
    settings = services.settings
    said: dict[str, Any] = {"signed_in": bool(current_user.is_authenticated), "portal": f"{settings.public_url}/"}
    if current_user.is_authenticated:
        said["purses"] = [_purse(purse, settings.public_url) for purse in _purses(services)]
    return _readable(flask.jsonify(said))


def _readable(response: Response) -> Response:
    """Let pages of the origins on the list read the answer, with the person's cookie (Fetch standard, CORS)."""
    origin = request.headers.get("Origin")
    if origin is None:
        return response
    if origin not in services_of_app().settings.embed.origins:
        flask.abort(403)
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    return response


def _context(services: Services) -> dict[str, Any]:
    return {
        "purses": _purses(services) if current_user.is_authenticated else [],
        "words": rules,
        "portal_url": services.settings.public_url,
        "now": services.clock(),
        "zone": services.settings.zone,
    }


def _purses(services: Services) -> list[Purse]:
    return services.purses.of(username=current_user.username, directory_id=current_user.directory_id)


def _purse(purse: Purse, portal_url: str) -> dict[str, Any]:
    """One purse for programs. What is not known is null, never 0."""
    card = purse.card
    credit = card.next_credit if card else None
    return {
        "instance": purse.instance.id,
        "name": purse.instance.name,
        "url": f"{portal_url}/go/{purse.instance.id}",
        "is_fresh": purse.is_fresh,
        "problem": purse.problem,
        "as_of": purse.heard_at.isoformat(timespec="seconds") if purse.heard_at else None,
        "balance_text": card.balance_text if card else None,
        "state": card.state if card else None,
        "state_text": (card.state_text or None) if card else None,
        "means": (card.means or None) if card else None,
        "lasts_text": (card.lasts_text or None) if card else None,
        "next_credit_text": f"{credit.when_text}, {credit.amount_text}" if credit else None,
    }
