"""Printers and what print servers report of them; jobs that wait, say what they are, and what they cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    _printers()
    for column in (
        sa.Column("waits_for", sa.String(length=10), nullable=False, server_default=""),
        sa.Column("order", sa.String(length=10), nullable=False, server_default=""),
        sa.Column("document", sa.Text(), nullable=False, server_default=""),
        sa.Column("copies", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("duplex", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("sheets", sa.Integer(), nullable=True),
        sa.Column("colour_pages", sa.Integer(), nullable=True),
        sa.Column("paper", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("terms", sa.Text(), nullable=False, server_default=""),
        sa.Column("cost", BIG, nullable=False, server_default="0"),
        sa.Column("estimated", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("print_key", sa.String(length=100), nullable=True),
        sa.Column("host", sa.String(length=256), nullable=False, server_default=""),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("released_at", TIME, nullable=True),
        sa.Column("released_by", sa.String(length=256), nullable=False, server_default=""),
        sa.Column("title_removed_at", TIME, nullable=True),
    ):
        op.add_column("print_jobs", column)
    op.execute("UPDATE print_jobs SET cost = coalesce(pages_printed, pages_counted, 0) * price_per_page")
    with op.batch_alter_table("print_jobs") as batch_op:
        batch_op.create_check_constraint(
            op.f("ck_print_jobs_waits_for"), "waits_for IN ('', 'release', 'count', 'directory')"
        )
        batch_op.create_check_constraint(op.f("ck_print_jobs_order"), "\"order\" IN ('', 'resume', 'cancel')")
        batch_op.create_unique_constraint(op.f("uq_print_jobs_print_key"), ["print_key"])
    op.create_index("ix_print_jobs_updated", "print_jobs", ["updated_at"])
    for name, column_name, condition in (
        ("ix_print_jobs_order", "server", "\"order\" <> ''"),
        ("ix_print_jobs_waiting", "expires_at", "state = 'waiting'"),
    ):
        only = sa.text(condition)
        op.create_index(name, "print_jobs", [column_name], sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    """Jobs that wait have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _printers() -> None:
    op.create_table(
        "printers",
        sa.Column("id", BIG, nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("group_name", sa.String(length=80), nullable=False),
        sa.Column("away", sa.String(length=10), nullable=False),
        sa.Column("release", sa.Boolean(), nullable=False),
        sa.Column("release_minutes", sa.Integer(), nullable=False),
        sa.Column("device_uri", sa.Text(), nullable=False),
        sa.Column("charged", sa.Boolean(), nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=True),
        sa.Column("reported_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("away IN ('hold', 'print', 'refuse')", name=op.f("ck_printers_away")),
        sa.CheckConstraint("release_minutes > 0", name=op.f("ck_printers_release_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printers")),
        sa.UniqueConstraint("server", "name", name=op.f("uq_printers_server_name")),
    )
    op.create_table(
        "print_servers",
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("reported_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_print_servers")),
    )
