"""What the Internet costs: rates, hours, lists of sites, who pays less; and usage by hour, period and domain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    _usage()
    _rates()


def downgrade() -> None:
    """Usage by hour has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _usage() -> None:
    op.create_table(
        "usage_hours",
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("hour", TIME, nullable=False),
        *(sa.Column(name, BIG, nullable=False) for name in ("site_list_id", "download", "upload", "cached")),
        *(sa.Column(name, BIG, nullable=False) for name in ("requests", "charged")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_hours_user_id")),
        sa.PrimaryKeyConstraint("user_id", "hour", "site_list_id", name=op.f("pk_usage_hours")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_periods",
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("period", BIG, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_periods_user_id")),
        sa.PrimaryKeyConstraint("user_id", "period", name=op.f("pk_usage_periods")),
    )
    op.create_table(
        "usage_domains",
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_domains_user_id")),
        sa.PrimaryKeyConstraint("user_id", "day", "domain", name=op.f("pk_usage_domains")),
    )
    op.create_index("ix_usage_domains_day", "usage_domains", ["day"])
    op.create_table(
        "usage_waiting",
        sa.Column("id", BIG, nullable=False),
        sa.Column("slots", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_waiting")),
    )
    op.add_column("unmatched_usage", sa.Column("uses", sa.Text(), nullable=False, server_default=""))


def _rates() -> None:
    op.create_table(
        "internet_rates",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=10), nullable=False),
        *(sa.Column(f"price_per_{what}", BIG, nullable=False) for what in ("mb_down", "mb_up", "period")),
        sa.Column("period_minutes", sa.Integer(), nullable=False),
        sa.Column("cached_free", sa.Boolean(), nullable=False),
        sa.Column("at_empty", sa.String(length=10), nullable=False),
        sa.Column("running", sa.String(length=10), nullable=False),
        sa.Column("top_domains", sa.Boolean(), nullable=False),
        sa.Column("top_domains_days", sa.Integer(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("changed_by", sa.String(length=256), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_internet_rates_id")),
        sa.CheckConstraint("model IN ('data', 'time', 'both')", name=op.f("ck_internet_rates_model")),
        sa.CheckConstraint("at_empty IN ('stop', 'slow', 'warn')", name=op.f("ck_internet_rates_at_empty")),
        sa.CheckConstraint("running IN ('end', 'leave')", name=op.f("ck_internet_rates_running")),
        sa.CheckConstraint("period_minutes > 0", name=op.f("ck_internet_rates_period_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_internet_rates")),
    )
    op.create_table(
        "past_rates",
        sa.Column("version", BIG, autoincrement=False, nullable=False),
        sa.Column("until", TIME, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("terms", "rates")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_past_rates")),
    )
    op.create_table(
        "rate_hours",
        sa.Column("id", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("weekdays", sa.String(length=7), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("start_minute", "end_minute", "percent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_hours")),
    )
    op.create_table(
        "site_lists",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("always_open", sa.Boolean(), nullable=False),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_site_lists_name")),
    )
    for table, key, of in (("rates_for_groups", "group_id", "groups"), ("rates_for_users", "user_id", "users")):
        op.create_table(
            table,
            sa.Column(key, BIG, nullable=False),
            sa.Column("percent", sa.Integer(), nullable=False),
            sa.ForeignKeyConstraint([key], [f"{of}.id"], name=op.f(f"fk_{table}_{key}")),
            sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{table}")),
        )
