"""Notices: what people chose, what they were told, and e-mails on their way to a mail server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    _mail()
    op.create_table(
        "notice_choices",
        sa.Column("user_id", BIG, autoincrement=False, nullable=False),
        sa.Column("threshold", BIG, nullable=True),
        sa.Column("by_email", sa.Boolean(), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.CheckConstraint("threshold IS NULL OR threshold >= 0", name=op.f("ck_notice_choices_threshold")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notice_choices_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notice_choices")),
    )
    op.create_table(
        "notices_told",
        sa.Column("user_id", BIG, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('low', 'empty')", name=op.f("ck_notices_told_state")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notices_told_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notices_told")),
    )
    op.create_table(
        "notice_place",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("entry_id", BIG, nullable=False),
        sa.Column("looked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_place")),
    )


def downgrade() -> None:
    """What people chose has no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _mail() -> None:
    op.create_table(
        "mails",
        sa.Column("id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('low', 'empty', 'test')", name=op.f("ck_mails_kind")),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed')", name=op.f("ck_mails_state")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mails_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_user_id", "mails", ["user_id"])
    _index("ix_mails_waiting", "next_at", "state = 'waiting'")
    _index("ix_mails_ended", "ended_at", "state <> 'waiting'")
    op.create_table(
        "mail_server",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", TIME, nullable=True),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_server")),
    )


def _index(name: str, column: str, condition: str) -> None:
    only = sa.text(condition)
    op.create_index(name, "mails", [column], sqlite_where=only, postgresql_where=only)
