"""The table of what administrators say of printing: every version of the price book and of the limits, as JSON."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime


class PrintRules(Base):
    """One version of the "prices" or of the "limits", whole; the highest counts, and none is ever changed.

    `note`: what was changed, in words; `restores`: the version that this one brought back, which has no note.
    """

    __tablename__ = "print_rules"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(String(300), default="")
    restores: Mapped[int | None]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String(512), default="")

    __table_args__ = (
        UniqueConstraint("kind", "version"),
        CheckConstraint("kind IN ('prices', 'limits')", name="kind"),
    )
