"""The door for FreeRADIUS and for who ends sessions: /api/v1/radius, JSON in the form of FreeRADIUS' rlm_rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, request
from pydantic import Field
from sqlalchemy.orm import Session

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError, UnavailableError
from app.internet import rates
from app.people.credentials import identify
from app.people.models import User
from app.radius import admission, ending, packets, service
from app.settings import settings_of_app
from language import speaking

blueprint = Blueprint("radius_api", __name__, url_prefix="/api/v1/radius")

log = logging.getLogger(__name__)


class AnswerBody(Body):
    """What a NAS answered when it was told to end a session."""

    ended: bool
    note: Text = Field(default="", max_length=500)


@blueprint.post("/authorize")
@machine("radius")
def authorize() -> dict[str, Any]:
    """Say whether somebody may go online, as attributes. FreeRADIUS has checked, or checks, the password itself.

    While the directory is away and the name is new here the answer is 503, and FreeRADIUS' own policy decides.
    """
    login, settings = packets.read_login(_attributes()), settings_of_app()
    user = _whose(login.names)
    with speaking(settings.config.language):  # a Reply-Message reaches a person whose language nobody knows
        found = admission.admit(reading(), user=user, settings=settings, now=clock.now())
    return admission.as_attributes(found, settings.config.radius)


@blueprint.post("/accounting")
@machine("radius")
def account() -> tuple[str, int]:
    """Account for one packet, exactly once. Whatever is answered but 204 makes the NAS send it again."""
    settings, now = settings_of_app(), clock.now()
    packet = packets.read_packet(_attributes(), now=now, zone=settings.zone)
    if packet.status not in ("", "on", "off") and not packet.session_id:
        log.warning("radius: a packet of %s without Acct-Session-Id was left out", packet.nas.key or "no NAS")
    try:
        user = _whose(packet.names)
    except UnavailableError:
        user = None  # a name that is new here: what it used is kept, and becomes theirs once it is known whose it is
    user_id = None if user is None else user.id

    def work(session: Session) -> int:
        plan = rates.load(session, settings)
        return service.account(session, packet=packet, user_id=user_id, plan=plan, now=now)

    with speaking(settings.config.language):  # what stands in the books
        writing(work)
    return "", 204


@blueprint.get("/disconnects")
@machine("radius")
def list_disconnects() -> dict[str, Any]:
    """Return the sessions that their NAS must be told to end, with what the NAS knows them by (RFC 5176, 3)."""
    rows = ending.to_end(reading(), settings=settings_of_app(), now=clock.now())
    return {
        "sessions": [
            {
                "id": row.id,
                "nas_identifier": row.nas_identifier,
                "nas_address": row.nas_address,
                "session_id": row.session_id,
                "username": row.username,
                "station": row.station,
                "address": row.address,
            }
            for row in rows
        ]
    }


@blueprint.post("/disconnects/<int:row_id>")
@machine("radius")
def note_disconnect(row_id: int) -> dict[str, Any]:
    """Take in what a NAS answered."""
    body = read_body(AnswerBody)
    writing(
        lambda session: ending.note_answer(session, row_id=row_id, ended=body.ended, note=body.note, now=clock.now())
    )
    return {"id": row_id}


def _attributes() -> dict[str, Any]:
    """Return the request's attributes. Raises InvalidInputError for what is no JSON object."""
    try:
        found = json.loads(request.get_data(cache=False))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInputError("The body is not what rlm_rest sends: an object of attributes.")
    return found


def _whose(names: Sequence[str]) -> User | None:
    """Return whose name it is, in any of the forms it came in; None for nobody's. Raises UnavailableError."""
    for name in names:
        try:
            return identify(name)
        except NotFoundError:
            continue
    return None
