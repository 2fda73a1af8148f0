"""Verbs of lists of sites: made, changed, deleted; a change taken back, a deleted list taken back.

What a list was is kept before it is changed (`rate_site_past`). Taking a change back is a change like any other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFoundError, WrongStateError
from app.internet import rate_changes, rate_site_past
from app.internet.rate_models import InternetRates, PastSiteList, SiteList
from app.internet.rate_site_past import Either
from app.settings import Settings
from language import N_, _, _n

NAMED_MAX: Final = 5
CHANGED_MEANWHILE = N_("Somebody has changed this list since the page was opened.")
NOT_AMONG_DELETED = N_("This list is not among the deleted ones any more.")


def save_site_list(
    session: Session,
    *,
    site_list_id: int | None,
    name: str,
    percent: int,
    always_open: bool,
    domains: tuple[str, ...],
    settings: Settings,
    by: str,
    now: datetime,
) -> SiteList:
    """Make or change a list of sites. Raises NotFoundError; WrongStateError when another has its name."""
    said = SiteList(name=name, percent=percent, always_open=always_open, domains="\n".join(domains))

    def apply(_row: InternetRates) -> None:
        _refuse_name(session, name, besides=site_list_id)
        if site_list_id is None:
            session.add(said)
        else:
            _turn(session, get_site_list(session, site_list_id=site_list_id), said, by=by, now=now)

    rate_changes.change(session, apply, settings=settings, by=by, now=now)
    return session.scalars(select(SiteList).where(SiteList.name == name)).one()


def delete_site_list(session: Session, *, site_list_id: int, settings: Settings, by: str, now: datetime) -> str:
    """Take a list of sites away and return its name; what was charged by it stays. Raises NotFoundError."""
    names = []

    def apply(_row: InternetRates) -> None:
        found = get_site_list(session, site_list_id=site_list_id)
        names.append(found.name)
        rate_site_past.keep(session, found, deleted=True, by=by, now=now)
        session.delete(found)

    rate_changes.change(session, apply, settings=settings, by=by, now=now)
    return names[0]


def undo(
    session: Session, *, site_list_id: int, past_id: int, newest: int, settings: Settings, by: str, now: datetime
) -> SiteList:
    """Make a list what it was before one of its last changes: all that came after it are taken back with it.

    `past_id`: of what is kept from before that change; `newest`: the same of the last change that was seen. Raises
    NotFoundError; WrongStateError after another change, or when its name or domains are in another list by now.
    """

    def apply(_row: InternetRates) -> None:
        found = get_site_list(session, site_list_id=site_list_id)
        states = rate_site_past.states(session, site_list_id=site_list_id)
        chosen = next((each for each in states if each.id == past_id), None)
        if chosen is None or states[0].id != newest:
            raise WrongStateError(_(CHANGED_MEANWHILE))
        _refuse_taken(session, chosen)
        _turn(session, found, chosen, by=by, now=now)

    rate_changes.change(session, apply, settings=settings, by=by, now=now)
    return get_site_list(session, site_list_id=site_list_id)


def restore(session: Session, *, past_id: int, settings: Settings, by: str, now: datetime) -> SiteList:
    """Take a deleted list back as it was, with its id. Raises WrongStateError as `undo` does, or when it is back."""
    ids = []

    def apply(_row: InternetRates) -> None:
        chosen = session.get(PastSiteList, past_id)
        if chosen is None or not chosen.deleted:
            raise WrongStateError(_(NOT_AMONG_DELETED))
        _refuse_taken(session, chosen)
        ids.append(chosen.site_list_id)
        session.add(_become(SiteList(id=chosen.site_list_id), chosen))
        session.delete(chosen)

    rate_changes.change(session, apply, settings=settings, by=by, now=now)
    return get_site_list(session, site_list_id=ids[0])


def get_site_list(session: Session, *, site_list_id: int) -> SiteList:
    """Return a list of sites. Raises NotFoundError."""
    found = session.get(SiteList, site_list_id)
    if found is None:
        raise NotFoundError(_("There is no such list of sites."))
    return found


def taken_domains(session: Session, *, besides: int | None) -> dict[str, str]:
    """Return the domains of all other lists of sites with the lists' names."""
    lists = session.execute(select(SiteList.name, SiteList.domains).where(SiteList.id != (besides or 0)))
    return {domain: name for name, text in lists for domain in text.split("\n") if domain}


def _turn(session: Session, found: SiteList, said: Either, *, by: str, now: datetime) -> None:
    """Make a list what is said, and keep what it was where that was anything else."""
    if not rate_site_past.is_same(found, said):
        rate_site_past.keep(session, found, by=by, now=now)
    _become(found, said)


def _become(found: SiteList, said: Either) -> SiteList:
    found.name, found.percent, found.always_open = said.name, said.percent, said.always_open
    found.domains = said.domains
    return found


def _refuse_name(session: Session, name: str, *, besides: int | None) -> None:
    same = session.scalar(select(SiteList.id).where(SiteList.name == name))
    if same is not None and same != besides:
        raise WrongStateError(_("Another list is called “%(name)s”.", name=name))


def _refuse_taken(session: Session, past: PastSiteList) -> None:
    """Refuse what would give two lists one name, or one domain two prices."""
    _refuse_name(session, past.name, besides=past.site_list_id)
    taken = taken_domains(session, besides=past.site_list_id)
    doubled = [each for each in rate_site_past.domains_of(past) if each in taken]
    said = [_("“%(name)s” is in the list “%(list)s” already", name=each, list=taken[each]) for each in doubled]
    more = len(doubled) - NAMED_MAX
    if doubled:
        sentences = [f"{each}." for each in said[:NAMED_MAX]]
        sentences += [_n("And %(num)s more like these.", "And %(num)s more like these.", more)] if more > 0 else []
        raise WrongStateError(" ".join(sentences))
