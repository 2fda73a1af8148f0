"""The tables of what the Internet costs: the rates, hours of the week, lists of sites, and who pays less or nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime


class InternetRates(Base):
    """The only row (id 1) says how use is charged; without it the flat price of the configuration holds.

    `model`: "data", "time", or "both". Prices in millionths: per 1,000,000 bytes down and up, and per period of
    `period_minutes` in which anything was used. `at_empty`: what happens to who has nothing left: "stop", "slow",
    "warn". `running`: what happens then to connections that are open: "end" or "leave". `top_domains`: whether bytes by
    domain are kept, for `top_domains_days`. `version` grows with every change of rates, hours, lists and people.
    """

    __tablename__ = "internet_rates"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    model: Mapped[str] = mapped_column(String(10), default="data")
    price_per_mb_down: Mapped[int] = mapped_column(BigInt, default=0)
    price_per_mb_up: Mapped[int] = mapped_column(BigInt, default=0)
    price_per_period: Mapped[int] = mapped_column(BigInt, default=0)
    period_minutes: Mapped[int] = mapped_column(default=15)
    cached_free: Mapped[bool] = mapped_column(default=False)
    at_empty: Mapped[str] = mapped_column(String(10), default="stop")
    running: Mapped[str] = mapped_column(String(10), default="end")
    top_domains: Mapped[bool] = mapped_column(default=False)
    top_domains_days: Mapped[int] = mapped_column(default=30)
    version: Mapped[int] = mapped_column(BigInt, default=1)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(256), default="")

    __table_args__ = (
        CheckConstraint("id = 1", name="id"),
        CheckConstraint("model IN ('data', 'time', 'both')", name="model"),
        CheckConstraint("at_empty IN ('stop', 'slow', 'warn')", name="at_empty"),
        CheckConstraint("running IN ('end', 'leave')", name="running"),
        CheckConstraint("period_minutes > 0", name="period_minutes"),
    )


class PastRates(Base):
    """Rates that held until `until`, which is when a slot of use began: use from before is priced by them.

    `version`: theirs. `terms`: what prices need, as JSON. `rates`: what an administrator had said, as JSON, for taking
    the change back.
    """

    __tablename__ = "past_rates"

    version: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    terms: Mapped[str] = mapped_column(Text)
    rates: Mapped[str] = mapped_column(Text)


class RateHours(Base):
    """Hours of the week, in the instance's time zone, in which everything costs `percent` of its price.

    `weekdays`: letters "1" (Monday) to "7". `start_minute` and `end_minute` count from midnight, in quarter hours; an
    end that is not after the start lies on the next day. Of two that apply, the one with the lower `position` counts.
    """

    __tablename__ = "rate_hours"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(80))
    weekdays: Mapped[str] = mapped_column(String(7))
    start_minute: Mapped[int]
    end_minute: Mapped[int]
    percent: Mapped[int]


class SiteList(Base):
    """Domains (with all below them) that cost `percent` of the price: 0 is free. The longest suffix that fits counts.

    `always_open`: reachable also by who has nothing left. `domains`: one on a line. No other list gets the id of one
    that was deleted: use of before speaks of it.
    """

    __tablename__ = "site_lists"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    percent: Mapped[int]
    always_open: Mapped[bool] = mapped_column(default=False)
    domains: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = ({"sqlite_autoincrement": True},)


class PastSiteList(Base):
    """What a list of sites was before a change of it, or before it was `deleted`; and who changed it when.

    The newest of a list is what it was before its last change. Ids grow, and none is given twice.
    """

    __tablename__ = "past_site_lists"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    site_list_id: Mapped[int] = mapped_column(BigInt, index=True)
    name: Mapped[str] = mapped_column(String(80))
    percent: Mapped[int]
    always_open: Mapped[bool]
    domains: Mapped[str] = mapped_column(Text)
    deleted: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(256))

    __table_args__ = ({"sqlite_autoincrement": True},)


class RateForGroup(Base):
    """Members of this group pay `percent` of the price, 0 is nothing; who is in several pays the least."""

    __tablename__ = "rates_for_groups"

    group_id: Mapped[int] = mapped_column(BigInt, ForeignKey("groups.id"), primary_key=True)
    percent: Mapped[int]


class RateForUser(Base):
    """One person pays `percent` of the price, whatever their groups."""

    __tablename__ = "rates_for_users"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    percent: Mapped[int]
