"""Connections that are open now at a proxy, and what shall be ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    op.create_table(
        "running_reports",
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("connections", sa.Text(), nullable=False),
        sa.Column("reported_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_running_reports")),
    )
    op.create_table(
        "running_ends",
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("connection_id", sa.String(length=40), nullable=False),
        sa.Column("asked_by", sa.String(length=600), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", "connection_id", name=op.f("pk_running_ends")),
    )


def downgrade() -> None:
    """What this step brings has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")
