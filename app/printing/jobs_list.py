"""Lists of print jobs, newest first, by whatever an address asks for; a page at a time, however many there are.

Each condition but the title has an index in the order of the list. Titles are searched a stretch at a time: a page says
how far back it has looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, lazyload

from app.db import is_postgresql
from app.people.models import User
from app.printing.models import Printer, PrintJob

STRETCH: Final = 20_000
"""So many jobs are looked through for a title in one go."""


@dataclass(frozen=True)
class Selection:
    """Which jobs: of a user, or sent under a name that nobody has; `since` (inclusive), `until` (exclusive) when sent.

    `title`: a part of it.
    """

    user_id: int | None = None
    nobody: str = ""
    printer: str = ""
    server: str = ""
    state: str = ""
    since: datetime | None = None
    until: datetime | None = None
    title: str = ""


@dataclass(frozen=True)
class Row:
    """A job in a list, and whose it is."""

    job: PrintJob
    user: User | None


@dataclass(frozen=True)
class Place:
    """A place in the list: that of one job."""

    created_at: datetime
    job_id: int


@dataclass(frozen=True)
class Page:
    """A part of a list. `following`: where the next part begins, None at the end.

    `looked_until`: how far back was looked for a title; None when that was all the way, or the page is full.
    """

    rows: list[Row]
    following: Place | None = None
    looked_until: datetime | None = None


def place_of(session: Session, *, job_id: int | None) -> Place | None:
    """Return the place of a job; None where there is no such job."""
    row = session.execute(select(PrintJob.created_at, PrintJob.id).where(PrintJob.id == job_id)).first()
    return Place(*row) if row else None


def read_page(session: Session, *, selection: Selection, limit: int, after: Place | None = None) -> Page:
    """Return at most `limit` jobs that stand after a place, newest first."""
    if not selection.title:
        rows = _rows(session, selection, after, limit + 1)
        more = len(rows) > limit
        return Page(rows[:limit], _place(rows[limit - 1].job) if more else None)
    edge = _edge(session, selection, after)
    rows = _rows(session, selection, after, limit + 1, until=edge)
    if len(rows) > limit:
        return Page(rows[:limit], _place(rows[limit - 1].job))
    return Page(rows, edge, edge.created_at if edge else None)


def read_all(session: Session, *, selection: Selection, chunk: int) -> Iterator[list[Row]]:
    """Yield every job of a selection, newest first, at most `chunk` at a time."""
    after: Place | None = None
    while True:
        page = read_page(session, selection=selection, limit=chunk, after=after)
        if page.rows:
            yield page.rows
        if page.following is None:
            return
        after = page.following
        session.expunge_all()  # a long file is not kept in memory


def known_printers(session: Session) -> tuple[list[str], list[str]]:
    """Return the names of all printers and of all print servers."""
    rows = session.execute(select(Printer.server, Printer.name)).all()
    return sorted({name for _, name in rows}), sorted({server for server, _ in rows})


def find_printer(session: Session, *, name: str, server: str = "") -> Printer | None:
    """Return a printer of that name; where several print servers have one, that of `server` or of the first."""
    query = select(Printer).where(Printer.name == name)
    if server:
        query = query.where(Printer.server == server)
    return session.scalars(query.order_by(Printer.server).limit(1)).first()


def _rows(
    session: Session, selection: Selection, after: Place | None, limit: int, until: Place | None = None
) -> list[Row]:
    query = (
        select(PrintJob, User)
        .outerjoin(User, User.id == PrintJob.user_id)
        .options(lazyload(User.groups))
        .where(*_conditions(session, selection, after))
        .order_by(PrintJob.created_at.desc(), PrintJob.id.desc())
        .limit(limit)
    )
    if selection.title:
        query = query.where(_titled(selection.title))
    if until is not None:
        query = query.where(
            PrintJob.created_at >= until.created_at,
            or_(PrintJob.created_at > until.created_at, PrintJob.id >= until.job_id),
        )
    return [Row(job, user) for job, user in session.execute(query)]


def _edge(session: Session, selection: Selection, after: Place | None) -> Place | None:
    """The last job of the next stretch; None where the list ends before."""
    row = session.execute(
        select(PrintJob.created_at, PrintJob.id)
        .where(*_conditions(session, selection, after))
        .order_by(PrintJob.created_at.desc(), PrintJob.id.desc())
        .offset(STRETCH - 1)
        .limit(1)
    ).first()
    return Place(*row) if row else None


def _conditions(session: Session, selection: Selection, after: Place | None) -> list[ColumnElement[bool]]:
    found = _equal(session, selection)
    if selection.nobody:
        found.append(PrintJob.user_id.is_(None))
    if selection.since is not None:
        found.append(PrintJob.created_at >= selection.since)
    if selection.until is not None:
        found.append(PrintJob.created_at < selection.until)
    if after is not None:
        same = and_(PrintJob.created_at == after.created_at, PrintJob.id < after.job_id)
        found += [PrintJob.created_at <= after.created_at, or_(PrintJob.created_at < after.created_at, same)]
    return found


def _equal(session: Session, selection: Selection) -> list[ColumnElement[bool]]:
    """The conditions that name one value each, those first that leave fewest jobs.

    SQLite, which keeps no statistics, would as soon take the index of what most jobs are: it gets the first alone.
    """
    is_rare = selection.state != "printed"
    asked: list[tuple[Any, Any]] = [
        (PrintJob.user_id, selection.user_id),
        (PrintJob.username, selection.nobody or None),
        (PrintJob.state, selection.state if selection.state and is_rare else None),
        (PrintJob.printer, selection.printer or None),
        (PrintJob.server, selection.server or None),
        (PrintJob.state, None if is_rare else selection.state),
    ]
    given = [(column, value) for column, value in asked if value is not None]
    if is_postgresql(session):
        return [column == value for column, value in given]
    return [
        (column if number == 0 else func.coalesce(column, "")) == value for number, (column, value) in enumerate(given)
    ]


def _titled(part: str) -> ColumnElement[bool]:
    """SQLite's lower() knows ASCII only: other letters are compared as they are there."""
    return or_(
        func.lower(PrintJob.title).contains(part.lower(), autoescape=True),
        PrintJob.title.contains(part, autoescape=True),
    )


def _place(job: PrintJob) -> Place:
    return Place(job.created_at, job.id)
