"""The tables of notices: what people chose, what they were told, and how far the books were looked through for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime


class NoticeChoice(Base):
    """What one person chose; without a row the instance's settings count.

    `threshold` in millionths: from there down the purse is low to them; 0 for never, NULL as the instance says.
    `by_email` NULL and `language` "": as the instance says.
    """

    __tablename__ = "notice_choices"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    threshold: Mapped[int | None] = mapped_column(BigInt)
    by_email: Mapped[bool | None]
    language: Mapped[str] = mapped_column(String(10), default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (CheckConstraint("threshold IS NULL OR threshold >= 0", name="threshold"),)


class NoticeTold(Base):
    """Somebody whose purse is "low" or "empty" and who was told so; deleted when enough is in it again."""

    __tablename__ = "notices_told"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (CheckConstraint("state IN ('low', 'empty')", name="state"),)


class NoticePlace(Base):
    """The only row: entries up to `entry_id` were looked through; `looked_at` is when that was last done."""

    __tablename__ = "notice_place"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(BigInt)
    looked_at: Mapped[datetime] = mapped_column(UtcDateTime)
