"""The door for proxies: /api/v1/internet."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from flask import Blueprint, request
from pydantic import AfterValidator, AwareDatetime, Field
from werkzeug.wrappers import Response

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError, UnavailableError
from app.internet import service
from app.people.credentials import identify
from app.settings import settings_of_app

blueprint = Blueprint("internet_api", __name__, url_prefix="/api/v1/internet")

ITEMS_MAX = 20_000
REQUESTS_MAX = 2**31 - 1
YEARS = range(1970, 2200)


def _plausible(at: datetime) -> datetime:
    """Return the instant in UTC. Raises ValueError for one that no log can hold, and no page could show."""
    if at.year not in YEARS:
        raise ValueError(f"lies before {YEARS[0]} or after {YEARS[-1]}")
    return at.astimezone(UTC)


class ItemBody(Body):
    """What one user used."""

    user: Text = Field(min_length=1, max_length=256)
    bytes: int = Field(ge=0, lt=2**53)
    requests: int = Field(default=1, ge=0, le=REQUESTS_MAX)
    at: Annotated[AwareDatetime, Field(strict=False), AfterValidator(_plausible)]


class UsageBody(Body):
    """A batch of usage and the place in the log behind it."""

    source: Text = Field(min_length=1, max_length=80, pattern="^[^:]+$")  # ":" parts the keys of the books
    batch: int = Field(ge=1, lt=2**53)
    position: dict[str, Any]
    items: list[ItemBody] = Field(max_length=ITEMS_MAX)


@blueprint.get("/position")
@machine("internet")
def read_position() -> dict[str, Any]:
    """Say how far a source's log is booked."""
    source = request.args.get("source", "")
    if not 1 <= len(source) <= 80 or "\0" in source:
        raise InvalidInputError("Name the source, at most 80 characters.", fields={"source": "required"})
    place = service.place(reading(), source=source)
    return {"batch": place.batch, "position": place.position}


@blueprint.post("/usage")
@machine("internet")
def book_usage() -> dict[str, Any]:
    """Book a batch, exactly once."""
    body = read_body(UsageBody)
    present = service.place(reading(), source=body.source)
    if body.batch <= present.batch:
        return {"batch": present.batch, "position": present.position, "booked": 0}
    items = _items(body.items)
    price = settings_of_app().config.internet.price_per_mb
    place, booked = writing(
        lambda session: service.book(
            session,
            source=body.source,
            batch=body.batch,
            position=body.position,
            items=items,
            price_per_mb=price,
            now=clock.now(),
        )
    )
    return {"batch": place.batch, "position": place.position, "booked": booked}


@blueprint.get("/standing")
@machine("internet")
def read_standing() -> Response:
    """Say of every user whether they may go on; 304 when nothing changed since the ETag."""
    settings = settings_of_app()
    config = settings.config
    standing = service.standing(reading(), enforce=settings.enforces)
    # With the domains the proxy takes them off a name itself, instead of asking for each such name.
    told = {"mode": config.mode, "domains": list(config.directory.domains), "users": standing}
    body = json.dumps(told, separators=(",", ":"))
    response = Response(body, mimetype="application/json")
    response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    return response.make_conditional(request)


def _items(bodies: list[ItemBody]) -> list[service.UsageItem]:
    """Join what names of one user sent (Alice, alice), and look up whose they are."""
    joined: dict[tuple[int | None, str], tuple[int, int, datetime]] = {}
    for body in bodies:
        user_id = _user_id(body.user)
        key = (user_id, "" if user_id is not None else body.user)
        size_bytes, requests, at = joined.get(key, (0, 0, body.at))
        joined[key] = (size_bytes + body.bytes, min(requests + body.requests, REQUESTS_MAX), max(at, body.at))
    return [
        service.UsageItem(username=name, user_id=user_id, size_bytes=size_bytes, requests=requests, at=at)
        for (user_id, name), (size_bytes, requests, at) in joined.items()
    ]


def _user_id(name: str) -> int | None:
    """Return whose name it is. What cannot be found out now is kept aside: one name must not stop everybody's usage."""
    try:
        return identify(name).id
    except (NotFoundError, UnavailableError):
        return None
