"""The tables of the books. The migrations add triggers that refuse to change or delete an entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Table, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime

KEY = String(300).with_variant(String(300, collation="C"), "postgresql")
"""A key is compared byte by byte: quicker than by any language's rules, and one prefix is one range of the index."""


def only_where(condition: str) -> dict[str, Any]:
    """Return the options of an index that holds only the rows of `condition`, on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Account(Base):
    """One purse in the books. `balance` and `reserved` are caches that verification recomputes.

    Amounts are millionths of the instance's unit. `floor` is the lowest balance that guarded entries may reach; NULL
    means unrestricted. It follows the instance's default unless `floor_is_own`. `reserved` is the sum of the open
    holds; available = balance - reserved. A closed account takes no more guarded charges and holds.
    """

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(256))
    user_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"), unique=True)
    balance: Mapped[int] = mapped_column(BigInt, default=0)
    reserved: Mapped[int] = mapped_column(BigInt, default=0)
    floor: Mapped[int | None] = mapped_column(BigInt.evaluates_none(), default=0)
    floor_is_own: Mapped[bool] = mapped_column(default=False)
    sequence: Mapped[int] = mapped_column(BigInt, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("kind IN ('user', 'shared')", name="kind"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("(kind = 'user') = (user_id IS NOT NULL)", name="owner"),
        Index("uq_accounts_shared_name", "name", unique=True, **only_where("kind = 'shared'")),
    )

    @property
    def available(self) -> int:
        """What may be spent now, in millionths: the balance less what is held."""
        return self.balance - self.reserved


class AccountDefaults(Base):
    """The only row says what holds for accounts without a limit of their own: `floor` as in Account."""

    __tablename__ = "account_defaults"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    floor: Mapped[int | None] = mapped_column(BigInt.evaluates_none(), default=0)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Note(Base):
    """What entries are about, in words for people. Beside them, so that it can be blanked after a time.

    All entries of one chunk of a scheduled run share a note. `Entry.note_id` is no foreign key: a retention rule may
    delete notes, entries stay, and each charge is spared a look-up that guards no money.
    """

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, default="")


class Entry(Base):
    """One movement between an account and a source. Written once.

    `amount` is signed, from the account's side, in millionths: minus is a charge. `overrun` is the part of a measured
    entry that lies below the floor. `event_at` is when it happened, `created_at` when it was written. `fingerprint` is
    `rules.fingerprint` of what was asked for under `key`; NULL where a scheduled run asked.
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
    key: Mapped[str] = mapped_column(KEY, unique=True)
    fingerprint: Mapped[int | None] = mapped_column(BigInt)
    reverses_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("entries.id"))
    hold_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("holds.id"))
    note_id: Mapped[int | None] = mapped_column(BigInt)
    event_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("account_id", "sequence"),
        CheckConstraint("kind IN ('guarded', 'measured')", name="kind"),
        CheckConstraint("overrun >= 0", name="overrun"),
        # Most entries reverse nothing and were not held: they need not be in these two.
        Index("uq_entries_reverses", "reverses_id", unique=True, **only_where("reverses_id IS NOT NULL")),
        Index("ix_entries_hold", "hold_id", **only_where("hold_id IS NOT NULL")),
    )


class Hold(Base):
    """An amount set aside before it is spent; it ends once: captured, released or expired."""

    __tablename__ = "holds"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInt, ForeignKey("accounts.id"))
    amount: Mapped[int] = mapped_column(BigInt)
    source: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(KEY, unique=True)
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
    """The result of one verification of the books; `differences` holds them as `app.ledger.differences` writes them.

    With a `seal` it is also what the next one compares the past with: the entries up to id `entries_until`, their count
    and sum by source (`sources`), and the sums of `EntryBlock`. `follows_id` is the verification that this one was
    compared with, 0 for the first; `accepted` is why a past that differed was taken as it is.
    """

    __tablename__ = "verifications"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    took_ms: Mapped[int] = mapped_column(BigInt, default=0)
    accounts: Mapped[int] = mapped_column(BigInt)
    entries: Mapped[int] = mapped_column(BigInt)
    difference_count: Mapped[int] = mapped_column(BigInt, default=0)
    differences: Mapped[str] = mapped_column(Text)
    accepted: Mapped[str] = mapped_column(Text, default="")
    entries_until: Mapped[int | None] = mapped_column(BigInt)
    sources: Mapped[str] = mapped_column(Text, default="")
    seal: Mapped[str | None] = mapped_column(String(64))
    follows_id: Mapped[int | None] = mapped_column(BigInt)

    # NULL, where nothing was kept, may stand many times: one verification follows another at most once.
    __table_args__ = (Index("uq_verifications_follows", "follows_id", unique=True),)


class EntryBlock(Base):
    """What the last verification that has a seal keeps of a block of entries, by id: sums, see `app.ledger.sealed`."""

    __tablename__ = "entry_blocks"

    number: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInt)
    amount: Mapped[int] = mapped_column(BigInt)
    digest: Mapped[int] = mapped_column(BigInt)
    by_id: Mapped[int] = mapped_column(BigInt)
    by_account: Mapped[int] = mapped_column(BigInt)


ACCOUNTS: Final = cast(Table, Account.__table__)
NOTES: Final = cast(Table, Note.__table__)
ENTRIES: Final = cast(Table, Entry.__table__)
"""The bare tables, for what the books write in bulk or in steps of their own: rows, not objects."""
