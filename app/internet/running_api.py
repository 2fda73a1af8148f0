"""The door by which proxies say what runs: /api/v1/internet/running."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import writing
from app.internet import running
from app.internet.standing_api import table_of_app
from app.settings import settings_of_app

blueprint = Blueprint("running_api", __name__, url_prefix="/api/v1/internet")

CONNECTIONS_MAX = 20_000
Size = Annotated[int, Field(ge=0, lt=2**53)]
Key = Annotated[str, Field(pattern="^[0-9]{1,5}/[0-9]{1,15}$")]
Name = Annotated[Text, Field(min_length=1, max_length=256)]
Host = Annotated[Text, Field(max_length=255)]
Row = tuple[Key, Name, Host, Annotated[int, Field(ge=0, lt=2**33)], Size, Size, Size, Size]


class RunningBody(Body):
    """What runs through a proxy now."""

    source: Text = Field(min_length=1, max_length=80, pattern="^[^:]+$")
    connections: list[Row] = Field(max_length=CONNECTIONS_MAX)


@blueprint.post("/running")
@machine("internet")
def report_running() -> dict[str, Any]:
    """Keep what runs, and say what shall be ended."""
    body, settings = read_body(RunningBody), settings_of_app()
    connections = [running.Connection(*row) for row in body.connections]
    end = writing(
        lambda session: running.report(
            session,
            source=body.source,
            connections=connections,
            table=table_of_app(),
            settings=settings,
            now=clock.now(),
        )
    )
    return {"end": end}
