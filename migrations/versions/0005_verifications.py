"""Verifications keep how long they took, all differences by account and entry, and what the next one compares with."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    for column in (
        sa.Column("took_ms", BIG, nullable=False, server_default="0"),
        sa.Column("difference_count", BIG, nullable=False, server_default="0"),
        sa.Column("accepted", sa.Text(), nullable=False, server_default=""),
        sa.Column("entries_until", BIG, nullable=True),
        sa.Column("sources", sa.Text(), nullable=False, server_default=""),
        sa.Column("seal", sa.String(length=64), nullable=True),
        sa.Column("follows_id", BIG, nullable=True),
    ):
        op.add_column("verifications", column)
    op.create_index("uq_verifications_follows", "verifications", ["follows_id"], unique=True)
    op.create_table(
        "entry_blocks",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("digest", BIG, nullable=False),
        sa.Column("by_id", BIG, nullable=False),
        sa.Column("by_account", BIG, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_entry_blocks")),
    )
    _rewrite_differences()


def downgrade() -> None:
    """What verifications keep has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _rewrite_differences() -> None:
    """A line of text for each difference becomes a list of fields; the line stays, as what differs."""
    bind = op.get_bind()
    for row_id, lines in bind.execute(
        sa.text("SELECT id, differences FROM verifications WHERE differences <> ''")
    ).all():
        found = [
            {"what": line, "account_id": None, "entry_id": None, "expected": None, "found": None}
            for line in lines.splitlines()
        ]
        bind.execute(
            sa.text("UPDATE verifications SET differences = :text, difference_count = :count WHERE id = :id"),
            {"text": json.dumps(found), "count": len(found), "id": row_id},
        )
