"""Sessions of Wi-Fi and captive portals, as RADIUS accounts for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    with op.batch_alter_table("machine_tokens") as tokens:
        tokens.drop_constraint(op.f("ck_machine_tokens_scope"), type_="check")
        tokens.create_check_constraint(op.f("ck_machine_tokens_scope"), "scope IN ('print', 'internet', 'radius')")
    running = sa.text("ended_at IS NULL")
    op.create_table(
        "radius_sessions",
        sa.Column("id", BIG, nullable=False),
        *(sa.Column(name, sa.String(length=253), nullable=False) for name in ("nas", "nas_identifier")),
        sa.Column("nas_address", sa.String(length=45), nullable=False),
        sa.Column("session_id", sa.String(length=253), nullable=False),
        sa.Column("name_key", sa.String(length=256), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=256), nullable=False),
        sa.Column("user_id", BIG, nullable=True),
        *(sa.Column(name, TIME, nullable=False) for name in ("started_at", "last_at", "seen_at")),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("end_cause", sa.String(length=40), nullable=False),
        *(sa.Column(name, BIG, nullable=False) for name in ("upload", "download", "session_s", "cost")),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("end_asked_at", TIME, nullable=True),
        sa.Column("end_asked_by", sa.String(length=256), nullable=False),
        sa.Column("disconnect_tries", sa.Integer(), nullable=False),
        sa.Column("disconnect_note", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_radius_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_radius_sessions")),
        sa.UniqueConstraint(
            "nas",
            "session_id",
            "name_key",
            "generation",
            name=op.f("uq_radius_sessions_nas_session_id_name_key_generation"),
        ),
    )
    op.create_index(
        "ix_radius_sessions_running",
        "radius_sessions",
        ["nas", "user_id"],
        sqlite_where=running,
        postgresql_where=running,
    )
    op.create_index("ix_radius_sessions_user_id", "radius_sessions", ["user_id"])
    op.create_index("ix_radius_sessions_ended_at", "radius_sessions", ["ended_at"])


def downgrade() -> None:
    """Sessions that were heard of have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")
