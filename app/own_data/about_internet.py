"""The parts about somebody's use of the Internet: by hour, by domain where that is kept, sessions of Wi-Fi."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, func, select

from app.internet.models import UnmatchedUsage, UsageCarry, UsageDomain, UsageHour, UsagePeriod
from app.internet.rate_models import RateForUser, SiteList
from app.own_data.parts import Owner, Part
from app.radius.models import RadiusSession

Query = Select[*tuple[Any, ...]]


def _hours(owner: Owner) -> Query:
    return (
        select(
            UsageHour.hour,
            func.coalesce(SiteList.name, "").label("site_list"),
            UsageHour.download.label("bytes_received"),
            UsageHour.upload.label("bytes_sent"),
            UsageHour.cached.label("bytes_from_cache"),
            UsageHour.requests,
            UsageHour.charged,
        )
        .join_from(UsageHour, SiteList, SiteList.id == UsageHour.site_list_id, isouter=True)
        .where(UsageHour.user_id == owner.user_id)
        .order_by(UsageHour.hour, UsageHour.site_list_id)
    )


def _periods(owner: Owner) -> Query:
    mine = select(UsagePeriod.period.label("began_s_since_1970")).where(UsagePeriod.user_id == owner.user_id)
    return mine.order_by(UsagePeriod.period)


def _domains(owner: Owner) -> Query:
    mine = select(UsageDomain.day, UsageDomain.domain, UsageDomain.bytes)
    return mine.where(UsageDomain.user_id == owner.user_id).order_by(UsageDomain.day, UsageDomain.domain)


def _carry(owner: Owner) -> Query:
    return select(UsageCarry.rest.label("not_charged_yet"), UsageCarry.bytes).where(UsageCarry.user_id == owner.user_id)


def _share(owner: Owner) -> Query:
    return select(RateForUser.percent).where(RateForUser.user_id == owner.user_id)


def _unknown(owner: Owner) -> Query:
    return (
        select(
            UnmatchedUsage.source.label("proxy"),
            UnmatchedUsage.username.label("name"),
            UnmatchedUsage.bytes,
            UnmatchedUsage.requests,
            UnmatchedUsage.at,
            UnmatchedUsage.settled_at.label("assigned_at"),
        )
        .where(UnmatchedUsage.assigned_to_id == owner.user_id)
        .order_by(UnmatchedUsage.id)
    )


def _wifi(owner: Owner) -> Query:
    session = RadiusSession
    return (
        select(
            session.nas,
            session.session_id.label("session"),
            session.username.label("name"),
            session.station.label("device"),
            session.address,
            session.started_at,
            session.last_at,
            session.ended_at,
            session.end_cause,
            session.download.label("bytes_received"),
            session.upload.label("bytes_sent"),
            session.session_s.label("seconds"),
            session.cost,
        )
        .where(session.user_id == owner.user_id)
        .order_by(session.id)
    )


PARTS: Final = (
    Part("internet_use", _hours, fine=frozenset({"charged"}), needs="internet"),
    Part("paid_periods", _periods, needs="internet"),
    Part("top_domains", _domains, needs="internet"),
    Part("internet_carry", _carry, fine=frozenset({"not_charged_yet"}), single=True, needs="internet"),
    Part("internet_share_percent", _share, single=True, needs="internet"),
    Part("assigned_names", _unknown, needs="internet"),
    Part("wifi_sessions", _wifi, fine=frozenset({"cost"}), needs="internet"),
)
