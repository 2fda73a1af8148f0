"""The tables of printing: printers as print servers name them, and print jobs, a row for each run of a job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime
from app.ledger.models import only_where


class Printer(Base):
    """A queue of a print server, made when a job or a report first names it; administrators say what holds for it.

    Printers of one `group_name` share prices and limits. `away`: what the print server does with jobs while the
    instance does not answer. With `release` a job waits until its owner releases it, at most `release_minutes`.
    `device_uri`, `charged` (whether its jobs come by us) and `shared` are what the print server last reported.
    """

    __tablename__ = "printers"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    server: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(128))
    title: Mapped[str] = mapped_column(String(200), default="")
    group_name: Mapped[str] = mapped_column(String(80), default="")
    away: Mapped[str] = mapped_column(String(10), default="hold")
    release: Mapped[bool] = mapped_column(default=False)
    release_minutes: Mapped[int] = mapped_column(default=240)
    device_uri: Mapped[str] = mapped_column(Text, default="")
    charged: Mapped[bool | None]
    shared: Mapped[bool | None]
    reported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("server", "name"),
        CheckConstraint("away IN ('hold', 'print', 'refuse')", name="away"),
        CheckConstraint("release_minutes > 0", name="release_minutes"),
    )


class PrintServer(Base):
    """A print server as it last reported itself: what it could not do, and the faults of its queues, as JSON."""

    __tablename__ = "print_servers"

    server: Mapped[str] = mapped_column(String(80), primary_key=True)
    report: Mapped[str] = mapped_column(Text, default="{}")
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PrintJob(Base):
    """One run of a job. A new run begins only after the last one was captured, so a retry costs nothing.

    `state`: held (may print), waiting (see `waits_for`), cancelled (refused), released (ended unpaid), printed
    (captured). `waits_for`: "release" (by its owner; its price is held meanwhile), "count" (not countable),
    "directory" (whose it is is not known), "" otherwise. `order` is what the print server shall still do with the job
    in its queue: "resume", "cancel", or nothing.
    `attempt` counts the holds of this run. Pages are impressions, copies included. `document` is what was counted, as
    `app.printing.documents` writes it; `terms` what it costs, as `app.printing.prices` writes it; `cost` in millionths:
    what is held, then what was charged. `estimated`: the printer could not say what it printed. `print_key` names a
    print that happened while the instance was away.
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
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text, default="")
    waits_for: Mapped[str] = mapped_column(String(10), default="")
    order: Mapped[str] = mapped_column(String(10), default="")
    document: Mapped[str] = mapped_column(Text, default="")
    copies: Mapped[int] = mapped_column(default=1)
    duplex: Mapped[bool] = mapped_column(default=False)
    sheets: Mapped[int | None]
    colour_pages: Mapped[int | None]
    paper: Mapped[str] = mapped_column(String(40), default="")
    terms: Mapped[str] = mapped_column(Text, default="")
    cost: Mapped[int] = mapped_column(BigInt, default=0)
    estimated: Mapped[bool] = mapped_column(default=False)
    print_key: Mapped[str | None] = mapped_column(String(100), unique=True)
    host: Mapped[str] = mapped_column(String(256), default="")
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_by: Mapped[str] = mapped_column(String(256), default="")
    title_removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(default=1)
    hold_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("holds.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("server", "job_uuid", "run"),
        CheckConstraint("state IN ('held', 'waiting', 'cancelled', 'released', 'printed')", name="state"),
        CheckConstraint("waits_for IN ('', 'release', 'count', 'directory')", name="waits_for"),
        CheckConstraint("\"order\" IN ('', 'resume', 'cancel')", name="order"),
        Index("ix_print_jobs_user", "user_id", "id"),
        Index("ix_print_jobs_order", "server", **only_where("\"order\" <> ''")),
        Index("ix_print_jobs_waiting", "expires_at", **only_where("state = 'waiting'")),
        Index("ix_print_jobs_updated", "updated_at"),
        # Lists of jobs are read newest first, whatever they are filtered by; titles are blanked oldest first.
        Index("ix_print_jobs_created", "created_at", "id"),
        Index("ix_print_jobs_person", "user_id", "created_at", "id"),
        Index("ix_print_jobs_nobody", "username", "created_at", "id", **only_where("user_id IS NULL")),
        Index("ix_print_jobs_printer", "printer", "created_at", "id"),
        Index("ix_print_jobs_server", "server", "created_at", "id"),
        Index("ix_print_jobs_state", "state", "created_at", "id"),
        Index("ix_print_jobs_titled", "created_at", **only_where("title_removed_at IS NULL")),
    )
