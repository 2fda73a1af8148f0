"""The door through which the portal leads an exchange: /api/v1/exchanges/<id>."""

from __future__ import annotations

from typing import Any

import flask
from flask import Blueprint
from pydantic import Field
from sqlalchemy import select

from app import clock
from app.api.access import portal
from app.api.bodies import Body, Text, read_body
from app.api.tokens import PortalCall
from app.db import reading, writing
from app.errors import InvalidInputError
from app.exchanges import service
from app.money import AMOUNT_MAX
from app.people.credentials import identify
from app.people.models import User
from app.settings import settings_of_app

blueprint = Blueprint("exchanges_api", __name__, url_prefix="/api/v1/exchanges")


class AmountBody(Body):
    """How much, in millionths of this instance's unit, and words for the statement."""

    amount_micro: int = Field(gt=0, le=AMOUNT_MAX)
    detail: Text = Field(default="", max_length=200)


class WordsBody(Body):
    """Words for the statement."""

    detail: Text = Field(default="", max_length=200)


@blueprint.post("/<exchange_id>/hold")
@portal
def set_aside(exchange_id: str) -> dict[str, Any]:
    """Set an amount aside that shall go to another instance."""
    body, user = read_body(AmountBody), _person()
    _check(exchange_id)
    writing(
        lambda session: service.set_aside(
            session,
            exchange_id=exchange_id,
            user=session.get_one(User, user.id),
            amount=body.amount_micro,
            allowed=settings_of_app().config.exchange.out,
            now=clock.now(),
        )
    )
    return {}


@blueprint.post("/<exchange_id>/credit")
@portal
def credit(exchange_id: str) -> dict[str, Any]:
    """Credit what another instance has set aside."""
    body, user = read_body(AmountBody), _person()
    _check(exchange_id)
    writing(
        lambda session: service.credit(
            session,
            exchange_id=exchange_id,
            user=session.get_one(User, user.id),
            amount=body.amount_micro,
            detail=body.detail,
            allowed=settings_of_app().config.exchange.into,
            now=clock.now(),
            language=settings_of_app().config.language,
        )
    )
    return {}


@blueprint.post("/<exchange_id>/capture")
@portal
def charge(exchange_id: str) -> dict[str, Any]:
    """Charge what was set aside: the other instance has credited it."""
    body, user = read_body(WordsBody), _person()
    _check(exchange_id)
    writing(
        lambda session: service.charge(
            session,
            exchange_id=exchange_id,
            user=user,
            detail=body.detail,
            now=clock.now(),
            language=settings_of_app().config.language,
        )
    )
    return {}


@blueprint.post("/<exchange_id>/release")
@portal
def give_back(exchange_id: str) -> dict[str, Any]:
    """Give back what was set aside: the other instance has not credited it, and will not."""
    user = _person()
    _check(exchange_id)
    writing(lambda session: service.give_back(session, exchange_id=exchange_id, user=user, now=clock.now()))
    return {}


def _check(exchange_id: str) -> None:
    if not (16 <= len(exchange_id) <= 64 and exchange_id.isascii() and exchange_id.replace("-", "").isalnum()):
        raise InvalidInputError("An exchange has an id of 16 to 64 letters, figures and hyphens.")


def _person() -> User:
    """Whom the portal asks for: who is known here stays known, also when the directory has forgotten them.

    What was begun with somebody must be ended with them.
    """
    call: PortalCall = flask.g.portal_call
    known = reading().scalar(select(User).where(User.directory_id == call.directory_id))
    return known or identify(call.username, call.directory_id)
