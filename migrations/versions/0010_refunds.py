"""Refunds that people ask for, how long document titles are kept, and lists of jobs by whatever they are filtered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    _refunds()
    op.create_table(
        "print_privacy",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("keep_days", sa.Integer(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("changed_by", sa.String(length=600), nullable=False),
        sa.CheckConstraint("keep_days >= 0", name=op.f("ck_print_privacy_keep_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_privacy")),
    )
    for name, columns, condition in (
        ("ix_print_jobs_created", ["created_at", "id"], ""),
        ("ix_print_jobs_person", ["user_id", "created_at", "id"], ""),
        ("ix_print_jobs_nobody", ["username", "created_at", "id"], "user_id IS NULL"),
        ("ix_print_jobs_printer", ["printer", "created_at", "id"], ""),
        ("ix_print_jobs_server", ["server", "created_at", "id"], ""),
        ("ix_print_jobs_state", ["state", "created_at", "id"], ""),
        ("ix_print_jobs_titled", ["created_at"], "title_removed_at IS NULL"),
    ):
        _index(name, "print_jobs", columns, condition)


def downgrade() -> None:
    """What this step brings has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", BIG, nullable=False),
        sa.Column("job_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=600), nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.CheckConstraint("state IN ('open', 'approved', 'refused', 'withdrawn')", name=op.f("ck_refunds_state")),
        sa.CheckConstraint("(state = 'approved') = (amount > 0)", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(["job_id"], ["print_jobs.id"], name=op.f("fk_refunds_job_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refunds_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_job", "refunds", ["job_id"])
    op.create_index("ix_refunds_decided", "refunds", ["decided_at", "id"])
    _index("uq_refunds_open", "refunds", ["job_id"], "state = 'open'", unique=True)
    _index("uq_refunds_approved", "refunds", ["job_id"], "state = 'approved'", unique=True)


def _index(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    only = {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)} if condition else {}
    op.create_index(name, table, columns, unique=unique, **only)
