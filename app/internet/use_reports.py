"""Who used the Internet how much and what it cost, added up from the hours that are kept; nothing else is read.

Sizes in bytes; `charged` in millionths of a millionth of the unit, before what rounding carries on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, desc, func, select
from sqlalchemy.orm import Session

from app.internet import rate_words as words
from app.internet.models import UsageDomain, UsageHour
from app.internet.rate_models import SiteList
from app.internet.rate_rules import FULL, MB, Plan
from app.people.models import Group, Membership, User
from language import _

DAY = timedelta(days=1)
SUMS = ("download", "upload", "cached", "requests", "whole", "rest")


@dataclass(frozen=True)
class Used:
    """A sum of use."""

    download: int = 0
    upload: int = 0
    cached: int = 0
    requests: int = 0
    charged: int = 0

    @property
    def size(self) -> int:
        """Bytes both ways."""
        return self.download + self.upload

    @property
    def amount(self) -> int:
        """What was charged, in whole millionths."""
        return self.charged // MB

    def __add__(self, other: Used) -> Used:
        return Used(
            self.download + other.download,
            self.upload + other.upload,
            self.cached + other.cached,
            self.requests + other.requests,
            self.charged + other.charged,
        )


@dataclass(frozen=True)
class Span:
    """Local days, the first and the last, and the instants around them."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """When the first day begins."""
        return local_midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """When the day after the last begins."""
        return local_midnight(self.last + DAY, self.zone)

    @property
    def days(self) -> int:
        """How many days there are."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Named:
    """A line of a report: whom or what it is about, how to find it, and what was used."""

    name: str
    detail: str
    used: Used
    id: int = 0
    people: int = 0


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a local day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def of_person(session: Session, *, user_id: int, span: Span) -> list[tuple[datetime, int, Used]]:
    """Return what one person used, as (hour, list of sites, sums), oldest first."""
    query = (
        select(
            UsageHour.hour,
            UsageHour.site_list_id,
            UsageHour.download,
            UsageHour.upload,
            UsageHour.cached,
            UsageHour.requests,
            UsageHour.charged,
        )
        .where(UsageHour.user_id == user_id, UsageHour.hour >= span.start, UsageHour.hour < span.end)
        .order_by(UsageHour.hour)
    )
    return [(row[0], row[1], Used(*row[2:])) for row in session.execute(query)]


def in_all(session: Session, *, span: Span) -> tuple[Used, int]:
    """Return what everybody used, and how many people that were."""
    each = _by_user(span).subquery()
    row = session.execute(select(*(func.sum(each.c[name]) for name in SUMS), func.count()).select_from(each)).one()
    return _used(row[:6]), int(row[6])


def by_person(session: Session, *, span: Span, order: str, limit: int, offset: int = 0) -> list[Named]:
    """Return who used most, by "charged" or "size"."""
    totals = _by_user(span).subquery()
    query = (
        select(User.username, User.display_name, User.id, totals)
        .join(totals, totals.c.user_id == User.id)
        .order_by(*_order(totals, order), User.id)
        .limit(limit)
        .offset(offset)
    )
    return [Named(row[1], row[0], _used(row[4:10]), row[2]) for row in session.execute(query)]


def by_group(session: Session, *, span: Span, order: str, limit: int) -> list[Named]:
    """Return what the members of each group used; somebody in two groups counts in both."""
    totals = _by_user(span).subquery()
    sums = [func.sum(totals.c[name]).label(name) for name in SUMS]
    each = (
        select(Membership.group_id, func.count().label("people"), *sums)
        .join(totals, totals.c.user_id == Membership.user_id)
        .group_by(Membership.group_id)
        .subquery()
    )
    query = (
        select(Group.name, Group.id, each)
        .join(each, each.c.group_id == Group.id)
        .order_by(*_order(each, order), Group.id)
        .limit(limit)
    )
    return [Named(row[0], "", _used(row[4:10]), row[1], int(row[3])) for row in session.execute(query)]


def by_hour(session: Session, *, span: Span) -> list[tuple[datetime, Used]]:
    """Return what everybody used in each hour in which anything was used, oldest first."""
    query = select(UsageHour.hour, *_sums()).where(*_within(span)).group_by(UsageHour.hour).order_by(UsageHour.hour)
    return [(row[0], _used(row[1:7])) for row in session.execute(query)]


def by_site_list(session: Session, *, span: Span) -> list[tuple[int, Used]]:
    """Return what everybody used of each kind of site."""
    query = select(UsageHour.site_list_id, *_sums()).where(*_within(span)).group_by(UsageHour.site_list_id)
    return sorted(((row[0], _used(row[1:7])) for row in session.execute(query)), key=lambda pair: -pair[1].size)


def top_domains(session: Session, *, first: date, last: date, limit: int, user_id: int | None = None) -> list[Named]:
    """Return from which domains most came, of one person or of all; only where that is kept."""
    total = func.sum(UsageDomain.bytes).label("total")
    query = select(UsageDomain.domain, total).where(UsageDomain.day.between(first, last))
    if user_id is not None:
        query = query.where(UsageDomain.user_id == user_id)
    rows = session.execute(query.group_by(UsageDomain.domain).order_by(desc("total"), UsageDomain.domain).limit(limit))
    return [Named(row[0], "", Used(download=int(row[1]))) for row in rows]


def site_list_names(session: Session) -> dict[int, str]:
    """Return list of sites -> its name, of those that there are."""
    return dict(session.execute(select(SiteList.id, SiteList.name)).all())


def reasons(rows: Iterable[tuple[datetime, int, Used]], plan: Plan, names: dict[int, str]) -> list[Named]:
    """Return one person's use by what its price followed from: the kind of site and the hours of the week."""
    found: dict[tuple[str, str], Used] = {}
    for hour, list_id, used in rows:
        instant = int(hour.timestamp())
        terms = plan.terms_at(instant)
        share = terms.sites.get(list_id, FULL)
        other = _("All other sites") if names else _("All sites")
        site = names.get(list_id, _("A list that is no more")) if list_id else other
        if share != FULL:
            site += f" ({words.percent_in_words(share)})"
        percent = plan.percent_at(instant)
        detail = words.percent_in_words(percent) if percent != FULL else ""
        found[site, detail] = found.get((site, detail), Used()) + used
    return sorted(
        (Named(site, detail, used) for (site, detail), used in found.items()), key=lambda each: -each.used.size
    )


def folded(rows: Iterable[tuple[datetime, Used]], keys: Sequence[Any], key_of: Any) -> list[tuple[Any, Used]]:
    """Return sums for each of `keys`, in their order; what belongs to none is left out."""
    found = dict.fromkeys(keys, Used())
    for at, used in rows:
        key = key_of(at)
        if key in found:
            found[key] = found[key] + used
    return list(found.items())


def _by_user(span: Span) -> Select[Any]:
    """Sums by person. Grouped by the person's row: SQLite then reads person by person, and sorts nothing."""
    joined = select(User.id.label("user_id"), *_sums()).join(UsageHour, UsageHour.user_id == User.id)
    return joined.where(*_within(span)).group_by(User.id)


def _within(span: Span) -> tuple[ColumnElement[bool], ...]:
    return UsageHour.hour >= span.start, UsageHour.hour < span.end


def _sums() -> list[Any]:
    """Sums that no 64 bits are too few for: SQLite knows no larger numbers, so prices are added up in two parts."""
    plain = (UsageHour.download, UsageHour.upload, UsageHour.cached, UsageHour.requests)
    return [
        *(func.sum(column).label(column.key) for column in plain),
        func.sum(UsageHour.charged // MB).label("whole"),
        func.sum(UsageHour.charged % MB).label("rest"),
    ]


def _used(row: Sequence[Any]) -> Used:
    download, upload, cached, requests, whole, rest = (int(each or 0) for each in row)
    return Used(download, upload, cached, requests, whole * MB + rest)


def _order(totals: Any, order: str) -> tuple[Any, ...]:
    size = desc(totals.c.download + totals.c.upload)
    return (desc(totals.c.whole), size) if order == "charged" else (size,)
