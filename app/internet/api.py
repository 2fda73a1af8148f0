"""The door for proxies: /api/v1/internet, what is to be summed up, how far a log is booked and what was used."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from flask import Blueprint, request
from pydantic import AfterValidator, AwareDatetime, Field
from werkzeug.wrappers import Response

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import reading, writing
from app.errors import InvalidInputError
from app.internet import booking, packed, rates
from app.internet.hours import Slot
from app.internet.rules import REQUESTS_MAX
from app.people.identities import user_ids_of
from app.settings import settings_of_app
from language import speaking

blueprint = Blueprint("internet_api", __name__, url_prefix="/api/v1/internet")

ITEMS_MAX = 20_000
NAMES_MAX = 200_000
SLOTS_MAX = 50_000
SIZE_MAX = 2**53
USAGE_BYTES_MAX = 96_000_000
"""A batch of an old log is large; the token is looked at before it is read."""
YEARS = range(1970, 2200)
LATEST_S = int(datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC).timestamp())
"""The same as `edge.squid_lines.LATEST_S`: a proxy sends no line that would be refused."""


def _plausible(at: datetime) -> datetime:
    """Return the instant in UTC. Raises ValueError for one that no log can hold, and no page could show."""
    if at.year not in YEARS:
        raise ValueError(f"lies before {YEARS[0]} or after {YEARS[-1]}")
    return at.astimezone(UTC)


Name = Annotated[Text, Field(min_length=1, max_length=256)]
Instant = Annotated[int, Field(ge=0, lt=LATEST_S)]
Size = Annotated[int, Field(ge=0, lt=SIZE_MAX)]
Number = Annotated[int, Field(ge=0, lt=NAMES_MAX)]
SiteId = Annotated[int, Field(ge=0, lt=2**53)]
Requests = Annotated[int, Field(ge=0, le=REQUESTS_MAX)]
SlotBody = tuple[Instant, list[Number], list[SiteId], list[Size], list[Size], list[Size], list[Requests]]
PackedSlot = tuple[Instant, int, str]
Domain = Annotated[Text, Field(min_length=1, max_length=253)]


class ItemBody(Body):
    """What one user used."""

    user: Name
    bytes: Size
    requests: Requests = 1
    at: Annotated[AwareDatetime, Field(strict=False), AfterValidator(_plausible)]


class PackedBody(Body):
    """Many sums by slot of time as bytes; see `app.internet.packed`."""

    slots: list[PackedSlot] = Field(max_length=SLOTS_MAX)
    numbers: str


class UsageBody(Body):
    """A batch of usage and the place in the log behind it: as single items, or by slot of time, column by column."""

    source: Text = Field(min_length=1, max_length=80, pattern="^[^:]+$")  # ":" parts the keys of the books
    batch: int = Field(ge=1, lt=2**53)
    position: dict[str, Any]
    items: list[ItemBody] = Field(default=[], max_length=ITEMS_MAX)
    version: str = Field(default="", max_length=80)
    users: list[Name] = Field(default=[], max_length=NAMES_MAX)
    newest: list[Instant] = Field(default=[], max_length=NAMES_MAX)
    slots: list[SlotBody] = Field(default=[], max_length=SLOTS_MAX)
    packed: PackedBody | None = None
    periods: list[tuple[Number, list[Instant]]] = Field(default=[], max_length=NAMES_MAX)
    domains: list[tuple[Number, Instant, Domain, Size]] = Field(default=[], max_length=1_000_000)


@blueprint.get("/table")
@machine("internet")
def read_table() -> Response:
    """Say how finely use is to be summed up, and by which sites; 304 when nothing changed since the ETag."""
    body = json.dumps(rates.edge_table(reading(), settings_of_app()), separators=(",", ":"))
    response = Response(body, mimetype="application/json")
    response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    return response.make_conditional(request)


@blueprint.get("/position")
@machine("internet")
def read_position() -> dict[str, Any]:
    """Say how far a source's log is booked."""
    source = request.args.get("source", "")
    if not 1 <= len(source) <= 80 or "\0" in source:
        raise InvalidInputError("Name the source, at most 80 characters.", fields={"source": "required"})
    place = booking.place(reading(), source=source)
    return {"batch": place.batch, "position": place.position}


@blueprint.post("/usage")
@machine("internet")
def book_usage() -> dict[str, Any]:
    """Book a batch, exactly once."""
    request.max_content_length = USAGE_BYTES_MAX
    body = read_body(UsageBody)
    present = booking.place(reading(), source=body.source)
    if body.batch <= present.batch:
        return {"batch": present.batch, "position": present.position, "booked": 0}
    usage = _from_items(body.items) if body.items else _from_slots(body)
    settings = settings_of_app()
    with speaking(settings.config.language):  # what stands in the books, whatever a machine's client asks for
        place, booked = writing(
            lambda session: booking.book(
                session,
                source=body.source,
                batch=body.batch,
                position=body.position,
                usage=usage,
                plan=rates.load(session, settings),
                now=clock.now(),
            )
        )
    return {"batch": place.batch, "position": place.position, "booked": booked}


def _from_items(bodies: Sequence[ItemBody]) -> booking.Usage:
    """Join what one name sent in several items, and look up whose the names are."""
    joined: dict[str, tuple[int, int, datetime]] = {}
    for body in bodies:
        size_bytes, requests, at = joined.get(body.user, (0, 0, body.at))
        joined[body.user] = (size_bytes + body.bytes, min(requests + body.requests, REQUESTS_MAX), max(at, body.at))
    ids = user_ids_of(list(joined))
    return booking.usage_of([booking.UsageItem(name, ids[name], *rest) for name, rest in joined.items()])


def _from_slots(body: UsageBody) -> booking.Usage:
    """Look up whose the names are. Raises InvalidInputError for columns that do not fit together."""
    count = len(body.users)
    slots = [Slot(*slot) for slot in body.slots] + _unpacked(body.packed)
    if len(body.newest) != count or len(set(body.users)) != count:
        raise _wrong("newest", "as many as users, each of whom comes once")
    for number, slot in enumerate(slots):
        lengths = {len(column) for column in (slot.down, slot.requests, slot.users)}
        lengths |= {len(column) for column in (slot.sites, slot.up, slot.cached) if column}
        if len(lengths) != 1 or max(slot.users, default=0) >= max(count, 1):
            raise _wrong(f"slots.{number}", "columns of one length, and numbers of users that are there")
    numbers = [each[0] for each in body.periods] + [each[0] for each in body.domains]
    if max(numbers, default=-1) >= count:
        raise _wrong("periods", "numbers of users that are there")
    periods: defaultdict[int, list[int]] = defaultdict(list)
    for name, starts in body.periods:
        periods[name] += starts
    ids = user_ids_of(body.users)
    return booking.Usage(body.users, [ids[name] for name in body.users], body.newest, slots, periods, body.domains)


def _unpacked(body: PackedBody | None) -> list[Slot]:
    if body is None:
        return []
    try:
        return packed.unpack(body.slots, body.numbers, most=SIZE_MAX - 1)
    except ValueError as error:
        raise _wrong("packed", str(error)) from None


def _wrong(place: str, what: str) -> InvalidInputError:
    return InvalidInputError("The body is not what this address takes.", fields={place: what})
