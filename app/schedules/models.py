"""The tables of schedules and their runs. UNIQUE(schedule, occurrence) is what makes a run happen once."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, BigInt, UtcDateTime
from app.people.models import Group


class Schedule(Base):
    """Who is credited how much, when. Amounts in millionths; `time_of_day` "HH:MM" on the wall clock of `time_zone`.

    `weekdays` holds digits, Monday is 0 ("02" is Monday and Wednesday). `settled_until`: every occurrence up to this
    instant has its run or was passed over on purpose.
    """

    __tablename__ = "schedules"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    everyone: Mapped[bool] = mapped_column(default=False)
    amount: Mapped[int] = mapped_column(BigInt)
    top_up: Mapped[str] = mapped_column(String(10))
    cap: Mapped[int | None] = mapped_column(BigInt)
    period: Mapped[str] = mapped_column(String(10))
    weekdays: Mapped[str] = mapped_column(String(7), default="")
    month_day: Mapped[int | None]
    time_of_day: Mapped[str] = mapped_column(String(5))
    time_zone: Mapped[str] = mapped_column(String(64))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    catch_up: Mapped[str] = mapped_column(String(10), default="last")
    settled_until: Mapped[datetime] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    form_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    groups: Mapped[list[Group]] = relationship(secondary="schedule_groups", order_by="Group.name_key", lazy="selectin")

    __table_args__ = (
        CheckConstraint("top_up IN ('add', 'cap', 'reset')", name="top_up"),
        CheckConstraint("period IN ('daily', 'weekly', 'monthly')", name="period"),
        CheckConstraint("catch_up IN ('all', 'last', 'none')", name="catch_up"),
        CheckConstraint("amount >= 0", name="amount"),
    )


class ScheduleGroup(Base):
    """A schedule credits the users of a group."""

    __tablename__ = "schedule_groups"

    schedule_id: Mapped[int] = mapped_column(BigInt, ForeignKey("schedules.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInt, ForeignKey("groups.id"), primary_key=True)


class Run(Base):
    """One occurrence of a schedule being credited. Everything it needs is copied, so that an edit cannot split it.

    `occurrence` is the local date-time "YYYY-MM-DDTHH:MM", the occurrence's identity. `cursor` is the last user id
    that was dealt with: a run goes on from there, whoever does it.
    """

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(BigInt, ForeignKey("schedules.id"))
    occurrence: Mapped[str] = mapped_column(String(16))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    title: Mapped[str] = mapped_column(String(80))
    amount: Mapped[int] = mapped_column(BigInt)
    top_up: Mapped[str] = mapped_column(String(10))
    cap: Mapped[int | None] = mapped_column(BigInt)
    everyone: Mapped[bool]
    cursor: Mapped[int] = mapped_column(BigInt, default=0)
    considered: Mapped[int] = mapped_column(default=0)
    credited: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(BigInt, default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("schedule_id", "occurrence"),
        CheckConstraint("state IN ('waiting', 'running', 'done')", name="state"),
        Index("ix_runs_state", "state"),
    )


class RunGroup(Base):
    """A run credits the users of a group."""

    __tablename__ = "run_groups"

    run_id: Mapped[int] = mapped_column(BigInt, ForeignKey("runs.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInt, ForeignKey("groups.id"), primary_key=True)
