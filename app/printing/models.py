"""The table of print jobs, a row for each run of a job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime


class PrintJob(Base):
    """One run of a job. A new run begins only after the last one was captured, so a retry costs nothing.

    `state`: held (may print), waiting (not decided: not counted), cancelled (refused), released (ended unpaid),
    printed (captured). `attempt` counts the holds of this run. Pages are impressions, copies included.
    """

    __tablename__ = "print_jobs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    server: Mapped[str] = mapped_column(String(80))
    job_uuid: Mapped[str] = mapped_column(String(100))
    run: Mapped[int]
    job_number: Mapped[int]
    printer: Mapped[str] = mapped_column(String(128))
    username: Mapped[str] = mapped_column(String(256))
    user_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(Text, default="")
    pages_counted: Mapped[int | None]
    pages_printed: Mapped[int | None]
    price_per_page: Mapped[int] = mapped_column(BigInt)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text, default="")
    attempt: Mapped[int] = mapped_column(default=1)
    hold_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("holds.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("server", "job_uuid", "run"),
        CheckConstraint("state IN ('held', 'waiting', 'cancelled', 'released', 'printed')", name="state"),
        Index("ix_print_jobs_user", "user_id", "id"),
    )
