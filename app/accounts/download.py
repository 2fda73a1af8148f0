"""A statement as a CSV file that a spreadsheet opens as it was meant: text stays text, numbers are plain decimals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import flask

from app import money
from app.accounts import discretion
from app.db import reading
from app.ledger import statement
from app.ledger.statement import Line, Selection
from app.settings import Settings
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _

HEAD: Final = (
    N_("booked"), N_("happened"), N_("what"), N_("details"), N_("source"), N_("quantity"), N_("amount"), N_("balance"),
    N_("entry"), N_("reverses"),
)  # fmt: skip
CHUNK: Final = 1000


def respond(
    *, account_id: int, selection: Selection, name: str, settings: Settings, now: datetime, own: bool = True
) -> flask.Response:
    """Return the lines of an account as a file called after `name` and the day, sent as they are read.

    `own`: whether its owner asks; others do not read what is private.
    """

    def parts() -> Iterator[str]:
        yield head()
        before: int | None = None
        while lines := statement.lines(
            reading(), account_id=account_id, limit=CHUNK, before_sequence=before, selection=selection
        ):
            told = lines if own else discretion.as_others_read(reading(), lines=lines)
            yield rows(told, zone=settings.zone, decimals=settings.unit.decimals)
            before = lines[-1].sequence

    day = now.astimezone(settings.zone).date().isoformat()
    response = flask.Response(flask.stream_with_context(parts()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{day}.csv"'
    return response


def head() -> str:
    """Return the beginning of the file: its mark and the names of its columns."""
    return BOM + as_csv([[_(column) for column in HEAD]])


def rows(lines: Iterable[Line], *, zone: ZoneInfo, decimals: int) -> str:
    """Return a row for each line; amounts in the unit, exact, at least `decimals` figures after the point."""
    return as_csv(
        (
            line.booked_at.astimezone(zone).isoformat(timespec="seconds"),
            line.at.astimezone(zone).isoformat(timespec="seconds"),
            guarded(line.title),
            guarded(line.detail),
            line.source,
            "" if line.quantity is None else str(line.quantity),
            money.plain(line.amount, decimals),
            money.plain(line.balance, decimals),
            str(line.entry_id),
            "" if line.reverses_id is None else str(line.reverses_id),
        )
        for line in lines
    )
