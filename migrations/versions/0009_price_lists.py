"""Price lists for printers, what groups pay more or less, and limits of print jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same.

    Jobs of before keep their price, printed or on hold: as terms of one line.
    """
    op.create_table(
        "print_rules",
        sa.Column("id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("made_by", sa.String(length=512), nullable=False),
        sa.CheckConstraint("kind IN ('prices', 'limits')", name=op.f("ck_print_rules_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_rules")),
        sa.UniqueConstraint("kind", "version", name=op.f("uq_print_rules_kind_version")),
    )
    op.execute("""UPDATE print_jobs SET terms = '{"lines":[["",null,null,' || price_per_page || ']]}'""")
    with op.batch_alter_table("print_jobs") as batch_op:
        batch_op.drop_column("price_per_page")


def downgrade() -> None:
    """What this step brings has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")
