"""Runs that are asked for, stopped, resumed and taken back, how many people they reach, and when they began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = "state IN ('waiting', 'running', 'done', 'cancelled', 'reversing', 'reversed')"


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    with op.batch_alter_table("runs") as batch_op:
        for column in _columns():
            batch_op.add_column(column)
        batch_op.alter_column("occurrence", existing_type=sa.String(length=16), type_=sa.String(length=64))
        batch_op.drop_constraint(op.f("ck_runs_state"), type_="check")
        batch_op.create_check_constraint(op.f("ck_runs_state"), STATES)
    op.execute("UPDATE runs SET people = considered WHERE state = 'done'")
    op.create_table(
        "run_events",
        sa.Column("id", BIG, nullable=False),
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("by", sa.String(length=600), nullable=False),
        sa.Column("considered", sa.Integer(), nullable=False),
        sa.CheckConstraint("what IN ('cancelled', 'resumed', 'reversed')", name=op.f("ck_run_events_what")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_events_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_events")),
    )
    op.create_index(op.f("ix_run_events_run_id"), "run_events", ["run_id"])


def downgrade() -> None:
    """Runs that were stopped or taken back have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("asked_by", sa.String(length=600), nullable=False, server_default=""),
        sa.Column("people", sa.Integer(), nullable=True),
        sa.Column("reversed_key", sa.String(length=300), nullable=False, server_default=""),
        sa.Column("reversed_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reversed_total", BIG, nullable=False, server_default="0"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
    ]
