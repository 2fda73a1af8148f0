"""The table that says what becomes of document titles."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime


class PrintPrivacy(Base):
    """The only row; without it titles are shown and kept.

    `hidden`: only its owner reads a job's title. `keep_days`: titles are blanked so many days after the job was sent;
    0 keeps them.
    """

    __tablename__ = "print_privacy"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    hidden: Mapped[bool] = mapped_column(default=False)
    keep_days: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(600), default="")

    __table_args__ = (CheckConstraint("keep_days >= 0", name="keep_days"),)
