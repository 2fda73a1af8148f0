"""The doors that show a purse: to the portal on a user's behalf, and to a proxy that has to explain a refusal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask import Blueprint

from app import clock
from app.api.access import machine, portal
from app.api.tokens import PortalCall
from app.db import reading, writing
from app.errors import NotFoundError
from app.internet import standing
from app.people import sessions
from app.people.credentials import identify, renew
from app.people.models import User
from app.purse import rules, service
from app.settings import Settings, settings_of_app
from language import LANGUAGES, N_, _, current, speaking

DISABLED = N_("Your network account is disabled. Ask the help desk.")

blueprint = Blueprint("purse_api", __name__, url_prefix="/api/v1")


@blueprint.get("/purse")
@portal
def show_purse() -> dict[str, Any]:
    """Return the card of the user on whose behalf the portal asks."""
    settings, user = settings_of_app(), _portal_user()
    now = clock.now()
    purse = service.look_into(reading(), user=user, settings=settings, now=now)
    days = service.trend(reading(), account_id=purse.account.id, settings=settings, now=now, days=service.TREND_DAYS)
    return card(purse, settings) | {
        "trend": [{"on": day.isoformat(), "balance_micro": balance} for day, balance in days]
    }


@blueprint.post("/enter-codes")
@portal
def make_enter_code() -> dict[str, Any]:
    """Return a code with which the user's browser gets in, once."""
    user = renew(_portal_user())
    code = writing(lambda session: sessions.make_enter_code(session, user_id=user.id, now=clock.now()))
    return {"code": code, "url": f"{settings_of_app().config.public_url}/enter?code={code}"}


@blueprint.get("/internet/standing/<path:username>")
@machine("internet")
def show_standing(username: str) -> dict[str, Any]:
    """Say whether one user may go on, and in words why not: in the instance's language, and in each by its code."""
    settings, now = settings_of_app(), clock.now()
    user = identify(username)
    purse = service.look_into(reading(), user=user, settings=settings, now=now)
    session, floor = reading(), purse.account.floor
    has_left = standing.lasts(session, settings=settings, user_id=user.id, available=purse.available, floor=floor)
    word = True if has_left else standing.word_for_empty(session, settings=settings)
    allowed = not settings.enforces or (user.is_active and word is not False)
    messages = {} if allowed else {code: _why_not(user, settings, now, code) for code in LANGUAGES}
    return {
        "user": user.username,
        "allowed": allowed,
        "how": word if allowed and isinstance(word, str) else "",
        "message": messages.get(settings.config.language, ""),
        "messages": messages,
        "details_url": f"{settings.config.public_url}/",
    }


def _why_not(user: User, settings: Settings, now: datetime, code: str) -> str:
    with speaking(code):
        if not user.is_active:
            return _(DISABLED)
        purse = service.look_into(reading(), user=user, settings=settings, now=now)
        return service.internet_message(purse, settings)


def _portal_user() -> User:
    call: PortalCall = flask.g.portal_call
    user = identify(call.username, call.directory_id)
    if not user.is_active:
        raise NotFoundError(_("This person may not use a purse any more."))
    return user


def card(purse: service.Purse, settings: Settings) -> dict[str, Any]:
    """Return a purse as its owner's programs show it: the portal, the desktop client."""
    config, unit, balance = settings.config, settings.unit, purse.account.balance
    coming = purse.next_credit
    return {
        "instance": config.id,
        "name": config.name,
        "look": settings.look,
        "charges": list(config.charges),
        "mode": config.mode,
        "language": current().code,
        "unit": {"kind": unit.kind, "symbol": unit.symbol, "decimals": unit.decimals},
        "as_of": purse.as_of.astimezone(settings.zone).isoformat(timespec="seconds"),
        "user": {"display_name": purse.user.display_name},
        "balance_micro": balance,
        "balance_text": unit.text(balance),
        "amount_symbol": unit.symbol,
        "amount_figure": unit.text(balance).replace(unit.symbol, "").strip(),
        "available_micro": purse.available,
        "held_text": unit.text(purse.account.reserved),
        "state": purse.state,
        "state_text": _(rules.STATE_WORDS[purse.state]),
        "means": purse.means,
        "next_credit": coming
        and {
            "at": coming.at.astimezone(settings.zone).isoformat(timespec="seconds"),
            "when_text": purse.next_when,
            "amount_text": unit.change(coming.amount),
            "schedule": coming.schedule,
        },
        "lasts_text": purse.lasts,
        "details_url": f"{config.public_url}/",
    }
