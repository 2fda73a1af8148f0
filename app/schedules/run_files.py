"""Lists of people as CSV files that a spreadsheet opens as they were meant, made part by part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app import money
from app.schedules import forecast, reports
from app.schedules.models import Run
from app.schedules.reach import Credit
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _

PART = 5_000
"""People that are in memory at a time."""

FORECAST_HEAD = (N_("username"), N_("name"), N_("balance now"), N_("credit"), N_("balance after"))
CREDITED_HEAD = (
    N_("username"),
    N_("name"),
    N_("credit"),
    N_("balance after"),
    N_("booked"),
    N_("entry"),
    N_("taken back"),
)
COMPARED = {"new": N_("new"), "gone": N_("gone"), "same": N_("same")}


def forecast_parts(session: Session, *, credit: Credit, last: Run | None, decimals: int) -> Iterator[str]:
    """Yield the list of what a run would do now; beside the run `last` it tells who is new, gone or the same."""
    head = FORECAST_HEAD if last is None else (*FORECAST_HEAD, N_("beside the last run"))
    yield BOM + as_csv([[_(word) for word in head]])
    after = 0
    while lines := forecast.lines(session, credit=credit, last=last, after=after, limit=PART):
        yield as_csv(_forecast_row(line, decimals) for line in lines)
        after = lines[-1].user_id
    key, begun = "", False
    while last is not None and (key or not begun):
        lines, key = forecast.lines_gone(session, credit=credit, last=last, after=key, limit=PART)
        begun = True
        yield as_csv(_forecast_row(line, decimals) for line in lines)


def credited_parts(session: Session, *, run: Run, zone: ZoneInfo, decimals: int) -> Iterator[str]:
    """Yield the list of the people whom a run credited."""
    yield BOM + as_csv([[_(word) for word in CREDITED_HEAD]])
    after = ""
    while found := reports.list_credited_by_key(session, run=run, after=after, limit=PART):
        yield as_csv(_credited_row(one, zone, decimals) for one in found)
        after = found[-1].key


def _forecast_row(line: forecast.Line, decimals: int) -> list[str]:
    row = [
        guarded(line.username),
        guarded(line.name),
        money.plain(line.balance, decimals),
        money.plain(line.moved, decimals),
        money.plain(line.balance + line.moved, decimals),
    ]
    return [*row, _(COMPARED[line.compared])] if line.compared else row


def _credited_row(one: reports.Credited, zone: ZoneInfo, decimals: int) -> list[str]:
    return [
        guarded(one.username),
        guarded(one.name),
        money.plain(one.amount, decimals),
        money.plain(one.balance_after, decimals),
        _moment(one.booked_at, zone),
        str(one.entry_id),
        _("yes") if one.taken_back else "",
    ]


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
