"""The tables of the Internet: usage by hour, how far each log is booked, what was cut off, usage of unknown names."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime
from app.ledger.models import only_where


class UsagePosition(Base):
    """The place in a source's log up to which usage is booked, moved in the transaction that books it."""

    __tablename__ = "usage_positions"

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    batch: Mapped[int] = mapped_column(BigInt, default=0)
    position: Mapped[str] = mapped_column(Text, default="null")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UsageCarry(Base):
    """What rounding cut off a user's usage: `rest` in millionths of a millionth, and bytes not yet on an entry."""

    __tablename__ = "usage_carries"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    rest: Mapped[int] = mapped_column(BigInt, default=0)
    bytes: Mapped[int] = mapped_column(BigInt, default=0)


class UsageHour(Base):
    """What one person used in one hour of one kind of site; the pages' figures. No address of a page is ever here.

    `hour` is the hour's beginning. `site_list_id` is 0 where no list of sites applies. Sizes in bytes: `download`
    holds `cached` too. `charged` in millionths of a millionth, before what is carried. SQLite keeps the rows in the
    order of the key: one person's lie together, and sums by person need no sorting. An index on the hour would mislead
    its planner.
    """

    __tablename__ = "usage_hours"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    site_list_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    download: Mapped[int] = mapped_column(BigInt, default=0)
    upload: Mapped[int] = mapped_column(BigInt, default=0)
    cached: Mapped[int] = mapped_column(BigInt, default=0)
    requests: Mapped[int] = mapped_column(BigInt, default=0)
    charged: Mapped[int] = mapped_column(BigInt, default=0)

    __table_args__ = ({"sqlite_with_rowid": False},)


class UsagePeriod(Base):
    """A period of time in which a person used the Internet, charged once. `period`: seconds since 1970 at its start."""

    __tablename__ = "usage_periods"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    period: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)


class UsageDomain(Base):
    """What one person received from one domain in a day, kept only where an administrator switched it on."""

    __tablename__ = "usage_domains"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    domain: Mapped[str] = mapped_column(String(253), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInt, default=0)

    __table_args__ = (Index("ix_usage_domains_day", "day"),)


class UsageWaiting(Base):
    """Usage that is booked and not in `usage_hours` yet: an old log brings more at once than a charge should wait for.

    `slots`: see `app.internet.hours.pack`.
    """

    __tablename__ = "usage_waiting"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    slots: Mapped[bytes] = mapped_column(LargeBinary)


class UnmatchedUsage(Base):
    """Usage under a name that the directory does not know; kept until it is assigned to somebody or dismissed.

    `bytes`: down and up. `uses`: JSON, what it consists of, so that it can be priced later: {"slots": [[slot, list of
    sites, down, up, cached, requests], ...], "periods": [...]}; "" for what came before that was kept.
    """

    __tablename__ = "unmatched_usage"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    source: Mapped[str] = mapped_column(String(80))
    batch: Mapped[int] = mapped_column(BigInt)
    username: Mapped[str] = mapped_column(String(256))
    bytes: Mapped[int] = mapped_column(BigInt)
    requests: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    uses: Mapped[str] = mapped_column(Text, default="", server_default="")
    assigned_to_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"))
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by: Mapped[str] = mapped_column(String(256), default="")
    reason: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        UniqueConstraint("source", "batch", "username"),
        Index("ix_unmatched_usage_open", "username", "source", **only_where("settled_at IS NULL")),
    )
