"""The tables of e-mail: what waits to be sent and what became of it, and how the mail server answered last."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime
from app.ledger.models import only_where


class Mail(Base):
    """One e-mail to one person. Written in the transaction of what it tells of; sent later, by the worker.

    `kind`: "low", "empty" or "test". `state`: "waiting", "sent" (a mail server took it) or "failed" (given up, `reason`
    says why). `next_at`: not tried before; moved on before each try, so that a worker that dies in one leaves the mail
    to the next. `token` makes its Message-ID, the same at every try. `text` is blanked when it has been sent or given
    up.
    """

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    address: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(256), default="")
    language: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        CheckConstraint("kind IN ('low', 'empty', 'test')", name="kind"),
        CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
        Index("ix_mails_waiting", "next_at", **only_where("state = 'waiting'")),
        Index("ix_mails_ended", "ended_at", **only_where("state <> 'waiting'")),
    )


class MailServer(Base):
    """The only row says how the mail server does. `failures` in a row; while there are some, `next_at` is the next try.

    `problem`: why it took nothing at the last try, in the server's words; "" while it works.
    """

    __tablename__ = "mail_server"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
