"""The door for desktop clients: /api/v1/client."""

from __future__ import annotations

import json
from typing import Any

import flask
from flask import Blueprint, request
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from app import clock
from app.api.access import device, device_found_by, with_password
from app.api.bodies import Body, Text, read_body
from app.client import news, versions
from app.db import reading, writing
from app.errors import InvalidInputError, NotAllowedError, NotSignedInError, UnavailableError
from app.people import credentials, devices
from app.people.models import User
from app.purse import api as purse_api
from app.purse import service as purse_service
from app.settings import settings_of_app
from app.web.peers import address_of_request
from language import _

blueprint = Blueprint("client_api", __name__, url_prefix="/api/v1/client")


class LoginNameBody(Body):
    """A client that says who is signed in to its computer."""

    name: Text = Field(min_length=1, max_length=devices.NAME_LENGTH_MAX)
    username: str = Field(max_length=256)


class DeviceBody(LoginNameBody):
    """A client that wants to be let in."""

    password: str = Field(max_length=1024, repr=False)


@blueprint.post("/devices")
@with_password
def make_device() -> tuple[dict[str, Any], int]:
    """Let a client in with network credentials; the answer has its token, this once.

    Tries are counted as those of the sign-in page are, and together with them.
    """
    body = read_body(DeviceBody)
    name = _device_name(body.name)
    user_id = credentials.check(username=body.username, password=body.password, address=address_of_request())
    return _made(user_id, name)


@blueprint.post("/devices/by-login-name")
@with_password
def make_device_by_login_name() -> tuple[dict[str, Any], int]:
    """Let a client in as who is signed in to its computer, where `client.login_names_from` has its address.

    Nothing proves the name: an administrator has said that the computers of these addresses are to be believed.
    """
    body = read_body(LoginNameBody)
    address, believed = address_of_request(), settings_of_app().config.client.login_name_peers
    if not believed.include(address):
        raise NotAllowedError(_("The name of who is signed in to this computer is not enough here."))
    user = credentials.identify(body.username)
    if not user.is_active:
        raise NotSignedInError(_("This network account is disabled. Ask the help desk."), reason="disabled")
    flask.current_app.logger.info("a device of user %s was let in from %s by its login name", user.id, address)
    return _made(user.id, _device_name(body.name))


@blueprint.delete("/device")
@device
def revoke_device() -> dict[str, Any]:
    """Make the client's own token useless: it signs out."""
    mine = _asking()
    writing(lambda session: devices.revoke(session, user_id=mine.user_id, device_id=mine.device_id, now=clock.now()))
    return {}


@blueprint.get("/balance")
@device_found_by(versions.find)
def show_balance() -> Response:
    """Return the card of the person whose device asks; 304 when it is the same but for its time.

    Beside what the portal gets it has `news`, the place of the newest message, and the limits that clients keep.
    """
    polling: versions.Polling = flask.g.device
    mine, settings, now = polling.device, settings_of_app(), clock.now()
    if now - mine.seen_at >= devices.SEEN_EVERY:
        _note_seen(mine)
    tag = versions.tag(polling, settings=settings, now=now)
    if request.if_none_match.contains(tag):
        unchanged = flask.Response(status=304)
        unchanged.set_etag(tag)
        return unchanged
    user = reading().get_one(User, mine.user_id)
    purse = purse_service.look_into(reading(), user=user, settings=settings, now=now)
    card = purse_api.card(purse, settings) | {
        "user": _who(user),
        "held_micro": purse.account.reserved,
        "news": str(news.place_of(reading(), account=purse.account, settings=settings)),
        "poll_seconds": settings.config.client.poll_seconds,
        "low_micro": purse.low_balance,
    }
    response = flask.Response(json.dumps(card, separators=(",", ":")), mimetype="application/json")
    response.set_etag(tag)
    return response


@blueprint.get("/messages")
@device
def list_messages() -> dict[str, Any]:
    """Return what happened after the place `after`, oldest first; without `after` only the place of now."""
    user = reading().get_one(User, _asking().user_id)
    settings, after = settings_of_app(), request.args.get("after", "")
    purse = purse_service.look_into(reading(), user=user, settings=settings, now=clock.now())
    following = news.place_of(reading(), account=purse.account, settings=settings)
    found = news.since(reading(), purse=purse, settings=settings, after=news.Place.read(after)) if after else []
    return {
        "messages": [
            {
                "id": message.id,
                "kind": message.kind,
                "title": message.title,
                "text": message.text,
                "at": message.at.astimezone(settings.zone).isoformat(timespec="seconds"),
            }
            for message in found
        ],
        "next": str(following),
    }


def _asking() -> devices.Asking:
    found: devices.Asking = flask.g.device
    return found


def _device_name(given: str) -> str:
    name = " ".join(given.split())
    if not name or not name.isprintable():
        raise InvalidInputError(_("Give the device a name that can be read."), fields={"name": "not printable"})
    return name


def _made(user_id: int, name: str) -> tuple[dict[str, Any], int]:
    made, token = writing(lambda session: devices.make(session, user_id=user_id, name=name, now=clock.now()))
    user = reading().get_one(User, user_id)
    return {"token": token, "device": made.id, "name": made.name, "user": _who(user)}, 201


def _who(user: User) -> dict[str, str]:
    return {"username": user.username, "display_name": user.display_name}


def _note_seen(mine: devices.Asking) -> None:
    try:
        writing(lambda session: devices.note_seen(session, device_id=mine.device_id, now=clock.now()), patient=False)
    except (UnavailableError, SQLAlchemyError):  # a balance that only is read is shown all the same
        flask.current_app.logger.warning("a device's last use could not be noted")
