"""The door for the service beside CUPS: /api/v1/print/orders and /queues."""

from __future__ import annotations

from typing import Any, Literal

from flask import Blueprint, request
from pydantic import Field

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import reading, writing
from app.errors import InvalidInputError
from app.printing import orders, reports
from app.printing.api import JOB_MAX

blueprint = Blueprint("print_server_api", __name__, url_prefix="/api/v1/print")

SERVER_MAX = 80
QUEUES_MAX = 5_000


class DoneBody(Body):
    """What became of an order."""

    server: Text = Field(min_length=1, max_length=SERVER_MAX)
    do: Literal["resume", "cancel"]
    done: bool
    note: Text = Field(default="", max_length=500)


class QueueBody(Body):
    """A queue of the print server. `device_uri` without user and password."""

    name: Text = Field(min_length=1, max_length=128)
    device_uri: Text = Field(max_length=2_000)
    charged: bool
    shared: bool | None = None
    error_policy: Text = Field(default="", max_length=40)


class QueuesBody(Body):
    """A print server's report of itself."""

    server: Text = Field(min_length=1, max_length=SERVER_MAX, pattern="^[^:]+$")
    queues: list[QueueBody] = Field(max_length=QUEUES_MAX)
    faults: list[Text] = Field(default=[], max_length=50)
    waiting: int = Field(default=0, ge=0, lt=2**31)


@blueprint.get("/orders")
@machine("print")
def list_orders() -> dict[str, Any]:
    """Say what a print server shall do with jobs in its queues."""
    server = request.args.get("server", "")
    if not 1 <= len(server) <= SERVER_MAX or "\0" in server:
        raise InvalidInputError("Name the print server, at most 80 characters.", fields={"server": "required"})
    found = orders.list_orders(reading(), server=server)
    return {
        "orders": [
            {"job": one.job, "number": one.number, "printer": one.printer, "do": one.verb, "reason": one.reason}
            for one in found
        ]
    }


@blueprint.post(f"/orders/<int(max={JOB_MAX}):job_id>")
@machine("print")
def note_done(job_id: int) -> dict[str, Any]:
    """Take in what became of an order."""
    body = read_body(DoneBody)
    writing(
        lambda session: orders.note_done(
            session, server=body.server, job_id=job_id, verb=body.do, done=body.done, note=body.note, now=clock.now()
        )
    )
    return {}


@blueprint.post("/queues")
@machine("print")
def keep_report() -> dict[str, Any]:
    """Keep what a print server says of its queues."""
    body = read_body(QueuesBody)
    seen = [reports.QueueSeen(**queue.model_dump()) for queue in body.queues]
    writing(
        lambda session: reports.keep(
            session, server=body.server, queues=seen, faults=body.faults, waiting=body.waiting, now=clock.now()
        )
    )
    return {}
