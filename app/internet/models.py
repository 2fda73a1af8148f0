"""The tables of usage: how far each proxy's log is booked, what was cut off, and usage of unknown names."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
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


class UnmatchedUsage(Base):
    """Usage under a name that the directory does not know; kept until it is assigned to somebody or dismissed."""

    __tablename__ = "unmatched_usage"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    source: Mapped[str] = mapped_column(String(80))
    batch: Mapped[int] = mapped_column(BigInt)
    username: Mapped[str] = mapped_column(String(256))
    bytes: Mapped[int] = mapped_column(BigInt)
    requests: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    assigned_to_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"))
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by: Mapped[str] = mapped_column(String(256), default="")
    reason: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        UniqueConstraint("source", "batch", "username"),
        Index("ix_unmatched_usage_open", "username", "source", **only_where("settled_at IS NULL")),
    )
