"""What lists of sites were before their last changes and before they were deleted: kept, bounded, and said in short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute as Attribute
from sqlalchemy.orm import Session

from app.internet import rate_words as words
from app.internet.rate_models import PastSiteList, SiteList
from language import _, _n

STATES_KEPT: Final = 10
DELETED_KEPT: Final = 20

Either = SiteList | PastSiteList


@dataclass(frozen=True)
class Change:
    """A change of a list of sites. `past_id`: of what the list was before; `what`: what it changed, in short.

    `differs`: whether the list is now anything else than it was before this change.
    """

    past_id: int
    by: str
    at: datetime
    what: str
    differs: bool


@dataclass(frozen=True)
class Deleted:
    """A list of sites that was deleted. `past_id`: of what is kept of it."""

    past_id: int
    name: str
    percent: int
    count: int
    by: str
    at: datetime


def keep(session: Session, found: SiteList, *, deleted: bool = False, by: str, now: datetime) -> None:
    """Keep what a list is before it is changed or deleted, and forget what is too old to be kept beside."""
    past = PastSiteList(
        site_list_id=found.id,
        name=found.name,
        percent=found.percent,
        always_open=found.always_open,
        domains=found.domains,
        deleted=deleted,
        changed_at=now,
        changed_by=by[:256],
    )
    session.add(past)
    session.flush()
    of_list, newest = PastSiteList.site_list_id == found.id, PastSiteList.id.desc()
    old = select(PastSiteList.id).where(of_list).order_by(newest).offset(STATES_KEPT)
    gone = select(PastSiteList.site_list_id).where(PastSiteList.deleted).order_by(newest).offset(DELETED_KEPT)
    session.execute(delete(PastSiteList).where(PastSiteList.id.in_(old)))
    session.execute(delete(PastSiteList).where(PastSiteList.site_list_id.in_(gone)))


def states(session: Session, *, site_list_id: int) -> list[PastSiteList]:
    """Return what a list was before each of its last changes, newest first."""
    query = select(PastSiteList).where(PastSiteList.site_list_id == site_list_id)
    return list(session.scalars(query.order_by(PastSiteList.id.desc())))


def changes(session: Session, found: SiteList) -> list[Change]:
    """Return the last changes of a list that there is, newest first."""
    made: list[Change] = []
    after: Either = found
    for past in states(session, site_list_id=found.id):
        what, differs = difference_in_words(past, after), not is_same(past, found)
        made.append(Change(past.id, past.changed_by, past.changed_at, what, differs))
        after = past
    return made


def lately_deleted(session: Session) -> list[Deleted]:
    """Return the lists that were deleted and can be taken back, newest first."""
    past = PastSiteList
    query = select(past.id, past.name, past.percent, count_of(past.domains), past.changed_by, past.changed_at)
    return [Deleted(*row) for row in session.execute(query.where(past.deleted).order_by(past.id.desc()))]


def count_of(domains: Attribute[str]) -> ColumnElement[int]:
    """Return how many domains a column holds, for a query that does not read them all."""
    newlines = func.length(domains) - func.length(func.replace(domains, "\n", ""))
    return case((domains == "", 0), else_=newlines + 1)


def domains_of(found: Either) -> list[str]:
    """Return the domains of a list."""
    return found.domains.split("\n") if found.domains else []


def is_same(old: Either, new: Either) -> bool:
    """Whether two states of a list say the same, in whatever order their domains stand."""
    if (old.name, old.percent, old.always_open) != (new.name, new.percent, new.always_open):
        return False
    return old.domains == new.domains or set(domains_of(old)) == set(domains_of(new))


def difference_in_words(old: Either, new: Either) -> str:
    """Return what became of a list in short: "free instead of half the price; 3 sites more, 1 site less"."""
    said = []
    if old.name != new.name:
        said.append(_("“%(now)s” instead of “%(before)s”", now=new.name, before=old.name))
    if old.percent != new.percent:
        now, before = words.percent_in_words(new.percent), words.percent_in_words(old.percent)
        said.append(_("%(now)s instead of %(before)s", now=now, before=before))
    if old.domains != new.domains:
        said += _sites_in_words(set(domains_of(old)), set(domains_of(new)))
    if old.always_open != new.always_open:
        opened = _("stays open for who has nothing left")
        said.append(opened if new.always_open else _("no longer stays open for who has nothing left"))
    return "; ".join(said)


def _sites_in_words(old: set[str], new: set[str]) -> list[str]:
    more, less, said = len(new - old), len(old - new), []
    if more:
        said.append(_n("1 site more", "%(num)s sites more", more))
    if less:
        said.append(_n("1 site less", "%(num)s sites less", less))
    return [", ".join(said)] if said else []
