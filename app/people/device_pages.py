"""A person's own devices, on the page of where they are signed in: the list is a part of it, and signing one out."""

from __future__ import annotations

from collections.abc import Callable

import flask
from flask import Blueprint
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import signed_in
from app.db import reading, writing
from app.people import devices
from app.people.models import Device
from language import _

ID = "int(max=9223372036854775807)"

blueprint = Blueprint("own_devices", __name__, url_prefix="/me/devices")


@blueprint.app_context_processor
def _mine() -> dict[str, Callable[[], list[Device]]]:
    """Let a page list the visitor's devices; the database is only asked where it does."""
    return {"own_devices": lambda: devices.list_devices(reading(), user_id=current_user.id)}


@blueprint.post(f"/<{ID}:device_id>/revoke")
@signed_in
def revoke(device_id: int) -> Response:
    """Sign one device out."""
    user_id, now = current_user.id, clock.now()
    device = writing(lambda session: devices.revoke(session, user_id=user_id, device_id=device_id, now=now))
    flask.flash(_("“%(name)s” is signed out.", name=device.name), "ok")
    return flask.redirect("/me/sessions", 303)
