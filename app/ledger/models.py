"""The tables of the books. The migrations add triggers that refuse to change or delete an entry."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime


class Account(Base):
    """One purse in the books. `balance` and `reserved` are caches that verification recomputes.

    Amounts are millionths of the instance's unit. `floor` is the lowest balance that guarded entries may reach; NULL
    means unrestricted. `reserved` is the sum of the open holds; available = balance - reserved.
    """

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(256))
    user_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"), unique=True)
    balance: Mapped[int] = mapped_column(BigInt, default=0)
    reserved: Mapped[int] = mapped_column(BigInt, default=0)
    floor: Mapped[int | None] = mapped_column(BigInt, default=0)
    sequence: Mapped[int] = mapped_column(BigInt, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("kind IN ('user', 'shared')", name="kind"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("(kind = 'user') = (user_id IS NOT NULL)", name="owner"),
    )

    @property
    def available(self) -> int:
        """What may be spent now, in millionths: the balance less what is held."""
        return self.balance - self.reserved


class Entry(Base):
    """One movement between an account and a source. Written once.

    `amount` is signed, from the account's side, in millionths: minus is a charge. `overrun` is the part of a measured
    entry that lies below the floor. `event_at` is when it happened, `created_at` when it was written.
    """

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInt, ForeignKey("accounts.id"))
    sequence: Mapped[int] = mapped_column(BigInt)
    amount: Mapped[int] = mapped_column(BigInt)
    balance_after: Mapped[int] = mapped_column(BigInt)
    source: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(10))
    overrun: Mapped[int] = mapped_column(BigInt, default=0)
    quantity: Mapped[int | None] = mapped_column(BigInt)
    key: Mapped[str] = mapped_column(String(300), unique=True)
    reverses_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("entries.id"), unique=True)
    hold_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("holds.id"))
    event_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("account_id", "sequence"),
        CheckConstraint("kind IN ('guarded', 'measured')", name="kind"),
        CheckConstraint("overrun >= 0", name="overrun"),
        Index("ix_entries_hold", "hold_id"),
    )


class EntryNote(Base):
    """What an entry is about, in words for people. Beside the entry, so that it can be blanked after a time."""

    __tablename__ = "entry_notes"

    entry_id: Mapped[int] = mapped_column(BigInt, ForeignKey("entries.id"), primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, default="")


class Hold(Base):
    """An amount set aside before it is spent; it ends once: captured, released or expired."""

    __tablename__ = "holds"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInt, ForeignKey("accounts.id"))
    amount: Mapped[int] = mapped_column(BigInt)
    source: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(300), unique=True)
    state: Mapped[str] = mapped_column(String(10), default="open")
    captured: Mapped[int | None] = mapped_column(BigInt)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("state IN ('open', 'captured', 'released', 'expired')", name="state"),
        Index("ix_holds_open", "account_id", "state"),
        Index("ix_holds_expiry", "state", "expires_at"),
    )


class Verification(Base):
    """The result of one verification of the books; `differences` holds a line for each."""

    __tablename__ = "verifications"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    accounts: Mapped[int] = mapped_column(BigInt)
    entries: Mapped[int] = mapped_column(BigInt)
    differences: Mapped[str] = mapped_column(Text)
