"""The tables of cards: batches that were made at once, the cards, and wrong codes that people typed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime
from app.ledger.models import only_where


class CardBatch(Base):
    """Cards of one amount (millionths), made at once. `form_id` makes sending the form twice the same as once."""

    __tablename__ = "card_batches"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    form_id: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    amount: Mapped[int] = mapped_column(BigInt)
    count: Mapped[int]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String(600))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    voided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    voided_by: Mapped[str] = mapped_column(String(600), default="")

    __table_args__ = (CheckConstraint("amount > 0", name="amount"), CheckConstraint("count > 0", name="count"))


class Card(Base):
    """One card, known by a hash of its code: who reads the database cannot redeem it. `number` counts in the batch."""

    __tablename__ = "cards"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInt, ForeignKey("card_batches.id"))
    number: Mapped[int]
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    redeemed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    redeemed_by_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"))

    __table_args__ = (
        UniqueConstraint("batch_id", "number"),
        Index("ix_cards_redeemed_by_id", "redeemed_by_id", **only_where("redeemed_by_id IS NOT NULL")),
    )


class WrongCode(Base):
    """How many codes that are no card's somebody has typed since `since`."""

    __tablename__ = "wrong_codes"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime] = mapped_column(UtcDateTime)
