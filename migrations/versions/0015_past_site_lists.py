"""What lists of sites were before their last changes and before they were deleted, so that these can be taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    op.create_table(
        "past_site_lists",
        sa.Column("id", BIG, nullable=False),
        sa.Column("site_list_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("always_open", sa.Boolean(), nullable=False),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("changed_by", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_site_lists")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_past_site_lists_site_list_id", "past_site_lists", ["site_list_id"])
    if op.get_bind().dialect.name == "sqlite":
        _number_lists_once()


def downgrade() -> None:
    """What lists were has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _number_lists_once() -> None:
    """Have SQLite give no list the number of one that was deleted, as PostgreSQL does; use of before speaks of it."""
    with op.batch_alter_table("site_lists", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
        pass
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'site_lists'")
    op.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'site_lists', max("
        "(SELECT coalesce(max(id), 0) FROM site_lists), (SELECT coalesce(max(site_list_id), 0) FROM usage_hours))"
    )
