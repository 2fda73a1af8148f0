"""The table of refunds: what people asked to have back for print jobs, and what became of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime
from app.ledger.models import only_where


class Refund(Base):
    """A request to have the charge of a job back; or, where not `asked`, what an administrator gave back unasked.

    `state`: "open", "approved" (`amount` millionths were given back, once for each job), "refused" (`answer` says why)
    or "withdrawn". `user_id`: whose job it is. `decided_by` names who decided.
    """

    __tablename__ = "refunds"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    job_id: Mapped[int] = mapped_column(BigInt, ForeignKey("print_jobs.id"))
    user_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(String(10), default="open")
    asked: Mapped[bool] = mapped_column(default=True)
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    amount: Mapped[int] = mapped_column(BigInt, default=0)
    answer: Mapped[str] = mapped_column(Text, default="")
    decided_by: Mapped[str] = mapped_column(String(600), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("state IN ('open', 'approved', 'refused', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'approved') = (amount > 0)", name="amount"),
        Index("ix_refunds_job", "job_id"),
        Index("ix_refunds_decided", "decided_at", "id"),
        Index("uq_refunds_open", "job_id", unique=True, **only_where("state = 'open'")),
        Index("uq_refunds_approved", "job_id", unique=True, **only_where("state = 'approved'")),
    )
