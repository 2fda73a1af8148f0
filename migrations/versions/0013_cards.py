"""Cards: batches of codes that put an amount into the purse of whoever types one first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    op.create_table(
        "card_batches",
        sa.Column("id", BIG, nullable=False),
        sa.Column("form_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("made_by", sa.String(length=600), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("voided_at", TIME, nullable=True),
        sa.Column("voided_by", sa.String(length=600), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_card_batches_amount")),
        sa.CheckConstraint("count > 0", name=op.f("ck_card_batches_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_batches")),
        sa.UniqueConstraint("form_id", name=op.f("uq_card_batches_form_id")),
    )
    op.create_table(
        "cards",
        sa.Column("id", BIG, nullable=False),
        sa.Column("batch_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("redeemed_at", TIME, nullable=True),
        sa.Column("redeemed_by_id", BIG, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["card_batches.id"], name=op.f("fk_cards_batch_id")),
        sa.ForeignKeyConstraint(["redeemed_by_id"], ["users.id"], name=op.f("fk_cards_redeemed_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_cards_batch_id_number")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_cards_code_hash")),
    )
    redeemed = sa.text("redeemed_by_id IS NOT NULL")
    op.create_index(
        "ix_cards_redeemed_by_id", "cards", ["redeemed_by_id"], sqlite_where=redeemed, postgresql_where=redeemed
    )
    op.create_table(
        "wrong_codes",
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_wrong_codes_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_wrong_codes")),
    )


def downgrade() -> None:
    """Cards that were redeemed have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")
