"""The page of groups: who is in them, which role they give, and which schedules credit them; and the same as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import flask
from flask import Blueprint, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import auditor
from app.db import reading
from app.people import groups, rules
from app.people.models import Group
from app.schedules.models import Schedule, ScheduleGroup
from app.settings import settings_of_app
from app.web.addresses import read_text
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _

PAGE = 50
PART = 1_000
"""Groups that are in memory at a time while the file is made."""

QUERY_LENGTH_MAX = 100
NAME_LENGTH_MAX = 256
HEAD = (N_("group"), N_("active people"), N_("role"), N_("schedules"))
ROLE_WORDS = {"admin": N_("Administrator"), "helper": N_("Helper"), "auditor": N_("Auditor")}
ROLE_KEYS = {"admin": "admin_groups", "helper": "helper_groups", "auditor": "auditor_groups"}

blueprint = Blueprint("groups", __name__, url_prefix="/admin/groups")


@dataclass(frozen=True)
class Row:
    """A group in the list."""

    group: Group
    count: int
    role: str
    schedules: tuple[Schedule, ...]


@blueprint.get("")
@auditor
def list_groups() -> str:
    """List the groups that are known here, by name, or those that match a search."""
    session = reading()
    query = read_text(request.args, "q", QUERY_LENGTH_MAX).strip()
    after = read_text(request.args, "after", NAME_LENGTH_MAX)
    found = groups.list_groups(session, query=query, after=after, limit=PAGE + 1)
    return flask.render_template(
        "schedules/groups.html",
        rows=_rows(session, found[:PAGE]),
        query=query,
        after=after,
        more=found[PAGE - 1][0].name_key if len(found) > PAGE else "",
        total=groups.count_groups(session),
        matching=groups.count_groups(session, query=query),
        unknown=_unknown(session),
        role_words=ROLE_WORDS,
    )


@blueprint.get("/groups.csv")
@auditor
def download_groups() -> Response:
    """Give all groups as a file."""
    day = clock.now().astimezone(settings_of_app().zone).date().isoformat()
    response = flask.Response(flask.stream_with_context(_parts()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="groups-{settings_of_app().config.id}-{day}.csv"'
    return response


def _parts() -> Iterator[str]:
    yield BOM + as_csv([[_(word) for word in HEAD]])
    after = ""
    while found := groups.list_groups(reading(), after=after, limit=PART):
        yield as_csv(_cells(row) for row in _rows(reading(), found))
        after = found[-1][0].name_key


def _cells(row: Row) -> tuple[str, ...]:
    names = ", ".join(schedule.name for schedule in row.schedules)
    return guarded(row.group.name), str(row.count), _(ROLE_WORDS[row.role]) if row.role else "", guarded(names)


def _rows(session: Session, found: Iterable[tuple[Group, int]]) -> list[Row]:
    listed = list(found)
    using = _schedules_of(session, [group.id for group, _count in listed])
    return [Row(group, count, _role_of(group.name), using.get(group.id, ())) for group, count in listed]


def _schedules_of(session: Session, group_ids: list[int]) -> dict[int, tuple[Schedule, ...]]:
    query = (
        select(ScheduleGroup.group_id, Schedule)
        .join(Schedule, Schedule.id == ScheduleGroup.schedule_id)
        .where(ScheduleGroup.group_id.in_(group_ids), Schedule.deleted_at.is_(None), Schedule.everyone.is_(False))
        .order_by(Schedule.name, Schedule.id)
    )
    using: dict[int, tuple[Schedule, ...]] = {}
    for group_id, schedule in session.execute(query):
        using[group_id] = (*using.get(group_id, ()), schedule)
    return using


def _role_of(name: str) -> str:
    directory = settings_of_app().config.directory
    return rules.role_of(
        [name],
        admin_groups=directory.admin_groups,
        helper_groups=directory.helper_groups,
        auditor_groups=directory.auditor_groups,
    )


def _unknown(session: Session) -> list[tuple[str, str]]:
    """The groups that config.toml gives a role and that nobody known here is in: (key, name)."""
    directory = settings_of_app().config.directory
    named = [(key, name) for key in ROLE_KEYS.values() for name in getattr(directory, key)]
    keys = {rules.name_key(name) for _key, name in named}
    known = set(session.scalars(select(Group.name_key).where(Group.name_key.in_(keys))))
    return [(key, name) for key, name in named if rules.name_key(name) not in known]
