"""What the Internet costs now and cost before: read from the tables, for whoever books use or shows prices.

`load` gives a Plan, which prices use; `percents` says what share people pay; `claim_periods` which periods nobody has
paid yet; `edge_table` what a proxy's programs need in order to sum up use. 1 MB is 1,000,000 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.db import one_of
from app.internet.models import UsagePeriod
from app.internet.rate_models import InternetRates, PastRates, RateForGroup, RateForUser, RateHours, SiteList
from app.internet.rate_rules import FULL, MB, Hours, Plan, Terms, Use, flat, period_start, slot_seconds
from app.internet.rate_sites import host_name
from app.people.models import Membership
from app.settings import Settings

STANDARD_PORTS = {"http": 80, "https": 443}
NEVER_HELD = datetime.fromtimestamp(0, UTC)
"""The end of rates that were replaced before anything was booked: they are kept to be taken back, and price nothing."""

__all__ = ["Plan", "Use", "claim_periods", "edge_table", "load", "percents"]


def load(session: Session, settings: Settings) -> Plan:
    """Return the plan of now; one question to the database where nobody made rates, some small ones else."""
    row = session.get(InternetRates, 1)
    if row is None:
        return Plan(flat(settings.config.internet.price_per_mb), settings.zone)
    people = session.execute(
        select(RateForGroup.group_id.label("id")).union_all(select(RateForUser.user_id)).limit(1)
    ).first()
    terms = terms_of(session, row)
    return Plan(
        terms, settings.zone, version=str(row.version), past=_past(session, terms), has_people=people is not None
    )


def _past(session: Session, terms: Terms) -> tuple[tuple[int, Terms], ...]:
    """The terms of before and until when they held, oldest first; left out are those that changed no price."""
    held = select(PastRates.until, PastRates.terms).where(PastRates.until > NEVER_HELD)
    rows = session.execute(held.order_by(PastRates.until, PastRates.version))
    kept: list[tuple[int, Terms]] = []
    for until, text in reversed(rows.all()):
        before = terms_from_json(text)
        if before != (kept[-1][1] if kept else terms):
            kept.append((int(until.timestamp()), before))
    return tuple(reversed(kept))


def terms_of(session: Session, row: InternetRates) -> Terms:
    """Return the terms that the tables hold now."""
    by_data, by_time = row.model != "time", row.model != "data"
    hours = session.scalars(select(RateHours).order_by(RateHours.position, RateHours.id))
    sites = session.execute(select(SiteList.id, SiteList.percent))
    return Terms(
        down=row.price_per_mb_down if by_data else 0,
        up=row.price_per_mb_up if by_data else 0,
        per_period=row.price_per_period if by_time else 0,
        period_s=row.period_minutes * 60 if by_time else 0,
        cached_free=row.cached_free,
        hours=tuple(
            Hours(each.name, each.weekdays, each.start_minute, each.end_minute, each.percent) for each in hours
        ),
        sites=dict(sites.all()),
    )


def terms_to_json(terms: Terms) -> str:
    """Return terms as the table of past ones keeps them."""
    hours = [[each.name, each.weekdays, each.start, each.end, each.percent] for each in terms.hours]
    kept = {name: getattr(terms, name) for name in ("down", "up", "per_period", "period_s", "cached_free")}
    return json.dumps({**kept, "hours": hours, "sites": sorted(terms.sites.items())})


def terms_from_json(text: str) -> Terms:
    """Return the terms that `terms_to_json` wrote."""
    kept = json.loads(text)
    hours = tuple(Hours(*each) for each in kept.pop("hours"))
    return Terms(hours=hours, sites=dict(kept.pop("sites")), **kept)


def percents(session: Session, *, user_ids: Iterable[int], plan: Plan) -> dict[int, int]:
    """Return what each person pays of prices, in percent: their own, else the least of their groups', else 100."""
    found = dict.fromkeys(user_ids, FULL)
    if not plan.has_people or not found:
        return found
    ids = list(found)
    by_group = session.execute(
        select(Membership.user_id, RateForGroup.percent)
        .join(RateForGroup, RateForGroup.group_id == Membership.group_id)
        .where(one_of(session, Membership.user_id, ids))
    )
    of_groups: dict[int, int] = {}
    for user_id, percent in by_group:
        of_groups[user_id] = min(percent, of_groups.get(user_id, percent))
    found.update(of_groups)
    mine = one_of(session, RateForUser.user_id, ids)
    found.update(
        (row[0], row[1]) for row in session.execute(select(RateForUser.user_id, RateForUser.percent).where(mine))
    )
    return found


def price_now(session: Session, *, user_id: int, settings: Settings, now: datetime) -> tuple[int, int, int]:
    """Return what one person pays now for 1 MB received from any site and for a period, in millionths; and its seconds.

    0 for what costs nothing.
    """
    plan, instant = load(session, settings), int(now.timestamp())
    percent = percents(session, user_ids=[user_id], plan=plan)[user_id]
    data = plan.price(Use(instant, download=MB), percent) // MB
    return data, plan.price_of_period(instant, percent) // MB, plan.period_s


def claim_periods(session: Session, *, periods: Mapping[int, Iterable[int]], plan: Plan) -> dict[int, tuple[int, ...]]:
    """Return by person the periods that nobody has paid yet, and keep that they are paid now.

    `periods`: user id -> instants in them, in seconds since 1970. The caller has locked the accounts of these people,
    in the order of their ids: whoever else claims for them waits. Empty where time costs nothing.
    """
    if not plan.period_s:
        return {}
    wanted = {user_id: {period_start(each, plan.period_s) for each in starts} for user_id, starts in periods.items()}
    wanted = {user_id: starts for user_id, starts in wanted.items() if starts}
    if not wanted:
        return {}
    earliest, latest = min(map(min, wanted.values())), max(map(max, wanted.values()))
    paid = session.execute(
        select(UsagePeriod.user_id, UsagePeriod.period).where(
            one_of(session, UsagePeriod.user_id, list(wanted)), UsagePeriod.period.between(earliest, latest)
        )
    )
    for user_id, period in paid:
        wanted[user_id].discard(period)
    new = {user_id: tuple(sorted(starts)) for user_id, starts in wanted.items() if starts}
    session.add_all(UsagePeriod(user_id=user_id, period=start) for user_id, starts in new.items() for start in starts)
    session.flush()
    return new


def edge_table(session: Session, settings: Settings, now: datetime | None = None) -> dict[str, Any]:
    """Return what a proxy's programs need to sum use up: how finely, by which lists of sites, what is never charged.

    `slot_s`: seconds of a slot, which begins at a multiple of it in UTC. `period_s`: 0 where time costs nothing.
    `own`: where we serve, as host:port. `untimed`: lists of sites of which use makes no period, since they are free.
    `domains`: whether bytes by domain are wanted. `packed`: that sums may come as `app.internet.packed` reads them.
    """
    row = session.get(InternetRates, 1)
    plan = load(session, settings)
    near = int((now or clock.now()).timestamp())
    lists = session.execute(select(SiteList.id, SiteList.percent, SiteList.domains).order_by(SiteList.id)).all()
    return {
        "version": plan.version,
        "slot_s": slot_seconds(plan.terms.hours, settings.zone, near),
        "period_s": plan.period_s,
        "own": own_hosts(settings),
        "domains": row is not None and row.top_domains,
        "sites": [[each.id, _lines(each.domains)] for each in lists],
        "untimed": [each.id for each in lists if not each.percent],
        "packed": True,
    }


def own_hosts(settings: Settings) -> list[str]:
    """Return where the instance and the portal serve, as "host:port": use of them is never charged.

    What is at a standard port counts at both, since http leads to https. Other ports of the host are not ours.
    """
    found = set()
    for address in (settings.config.public_url, settings.config.portal_url):
        parts = urlsplit(address)
        host = host_name(parts.hostname or "")
        port = parts.port or STANDARD_PORTS.get(parts.scheme, 0)
        ports = set(STANDARD_PORTS.values()) if port in STANDARD_PORTS.values() else {port}
        found |= {f"[{host}]:{each}" if ":" in host else f"{host}:{each}" for each in ports if host}
    return sorted(found)


def always_open(session: Session) -> dict[str, bool]:
    """Return the domains that stay reachable for who has nothing left, as True; as False those below them that do not.

    Of several that hold a host the longest counts, as for prices.
    """
    texts = session.scalars(select(SiteList.domains).where(SiteList.always_open)).all()
    found = dict.fromkeys((domain for text in texts for domain in _lines(text)), True)
    if found:
        others = session.scalars(select(SiteList.domains).where(~SiteList.always_open))
        found |= {domain: False for text in others for domain in _lines(text) if _is_below(domain, found)}
    return found


def _is_below(domain: str, opened: Mapping[str, bool]) -> bool:
    """Whether a domain above this one is open, and it is none of these itself."""
    rest = "" if domain in opened else domain.partition(".")[2]
    while rest and rest not in opened:
        rest = rest.partition(".")[2]
    return bool(rest)


def policies(session: Session) -> tuple[str, str]:
    """Return what happens to who has nothing left ("stop", "slow", "warn"), and to what runs then ("end", "leave")."""
    row = session.get(InternetRates, 1)
    return (row.at_empty, row.running) if row else ("stop", "end")


def _lines(text: str) -> Sequence[str]:
    return text.split("\n") if text else []
