"""Schedules that repeat every n weeks, on a weekday of the month, on dates or for new people; and one skipped run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PERIODS = "period IN ('daily', 'weekly', 'monthly', 'ordinal', 'dates', 'first_seen')"


def upgrade() -> None:
    """Make the columns of this step; both databases end with the same."""
    for column in (
        sa.Column("every_weeks", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("anchor", sa.Date(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=True),
        sa.Column("month_weekday", sa.Integer(), nullable=True),
        sa.Column("dates", sa.Text(), nullable=False, server_default=""),
        sa.Column("skipped", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("skip_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skip_changed_by", sa.String(length=600), nullable=False, server_default=""),
    ):
        op.add_column("schedules", column)
    # Weeks of a schedule from before count from its first day, or from the day on which it was made.
    op.execute("UPDATE schedules SET anchor = coalesce(starts_on, date(created_at))")
    with op.batch_alter_table("schedules") as batch_op:
        batch_op.alter_column("anchor", existing_type=sa.Date(), nullable=False)
        batch_op.drop_constraint(op.f("ck_schedules_period"), type_="check")
        batch_op.create_check_constraint(op.f("ck_schedules_period"), PERIODS)
        batch_op.create_check_constraint(op.f("ck_schedules_every_weeks"), "every_weeks BETWEEN 1 AND 52")


def downgrade() -> None:
    """Schedules that only this step can say have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")
