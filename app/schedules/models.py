"""The tables of schedules and their runs. UNIQUE(schedule, occurrence) is what makes a run happen once."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, BigInt, UtcDateTime
from app.people.models import Group


class Schedule(Base):
    """Who is credited how much, when. Amounts in millionths; `time_of_day` "HH:MM" on the wall clock of `time_zone`.

    The "when" is `rules.Recurrence`: `weekdays` holds digits, Monday is 0 ("02" is Monday and Wednesday); `dates`, days
    as "2027-03-01" with blanks between. `anchor` is kept, so that an edit does not move the weeks that count.
    `skipped` is the identity of the occurrence that is left out, or "", even when that has passed; `skip_changed_at`
    and `skip_changed_by` say who skipped, or took it back, last. `settled_until`: every occurrence up to this instant
    has its run or was passed over on purpose.
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
    every_weeks: Mapped[int] = mapped_column(default=1)
    anchor: Mapped[date]
    month_day: Mapped[int | None]
    ordinal: Mapped[int | None]
    month_weekday: Mapped[int | None]
    dates: Mapped[str] = mapped_column(Text, default="")
    time_of_day: Mapped[str] = mapped_column(String(5))
    time_zone: Mapped[str] = mapped_column(String(64))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    catch_up: Mapped[str] = mapped_column(String(10), default="last")
    skipped: Mapped[str] = mapped_column(String(16), default="")
    skip_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    skip_changed_by: Mapped[str] = mapped_column(String(600), default="")
    settled_until: Mapped[datetime] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    form_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    groups: Mapped[list[Group]] = relationship(secondary="schedule_groups", order_by="Group.name_key", lazy="selectin")

    __table_args__ = (
        CheckConstraint("top_up IN ('add', 'cap', 'reset', 'lower')", name="top_up"),
        CheckConstraint("period IN ('daily', 'weekly', 'monthly', 'ordinal', 'dates', 'first_seen')", name="period"),
        CheckConstraint("every_weeks BETWEEN 1 AND 52", name="every_weeks"),
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

    `occurrence` is its identity: the local date-time "YYYY-MM-DDTHH:MM", or "now:" and the id of the form by which
    `asked_by` had it run at once. `cursor` is the last user id that was dealt with: a run goes on from there, whoever
    does it. `people` is how many it reached when it began. "reversing" and "reversed": what it credited is taken back;
    `reversed_key` is how far, `reversed_count` and `reversed_total` (millionths, as signed as the credits) how much.
    """

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(BigInt, ForeignKey("schedules.id"))
    occurrence: Mapped[str] = mapped_column(String(64))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    title: Mapped[str] = mapped_column(String(80))
    amount: Mapped[int] = mapped_column(BigInt)
    top_up: Mapped[str] = mapped_column(String(10))
    cap: Mapped[int | None] = mapped_column(BigInt)
    everyone: Mapped[bool]
    asked_by: Mapped[str] = mapped_column(String(600), default="")
    people: Mapped[int | None]
    cursor: Mapped[int] = mapped_column(BigInt, default=0)
    considered: Mapped[int] = mapped_column(default=0)
    credited: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(BigInt, default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    reversed_key: Mapped[str] = mapped_column(String(300), default="")
    reversed_count: Mapped[int] = mapped_column(default=0)
    reversed_total: Mapped[int] = mapped_column(BigInt, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("schedule_id", "occurrence"),
        CheckConstraint("state IN ('waiting', 'running', 'done', 'cancelled', 'reversing', 'reversed')", name="state"),
        Index("ix_runs_state", "state"),
    )

    @property
    def key_prefix(self) -> str:
        """What the keys of this run's entries begin with; the user's id follows."""
        return f"allocation:{self.schedule_id}:{self.occurrence}:"


class RunGroup(Base):
    """A run credits the users of a group."""

    __tablename__ = "run_groups"

    run_id: Mapped[int] = mapped_column(BigInt, ForeignKey("runs.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInt, ForeignKey("groups.id"), primary_key=True)


class RunEvent(Base):
    """Somebody stopped a run, let it go on, or had it taken back: `what` is "cancelled", "resumed" or "reversed".

    `considered` is how many people the run had dealt with at that time.
    """

    __tablename__ = "run_events"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInt, ForeignKey("runs.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    what: Mapped[str] = mapped_column(String(10))
    by: Mapped[str] = mapped_column(String(600))
    considered: Mapped[int]

    __table_args__ = (CheckConstraint("what IN ('cancelled', 'resumed', 'reversed')", name="what"),)
