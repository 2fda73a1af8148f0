"""People for years: roles, status, other names, local people, devices, tries by address, and the people sync."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    _roles_and_status()
    _names_and_devices()
    _sessions_and_tries()
    _passes()
    _takings()
    with op.batch_alter_table("schedules") as batch_op:
        batch_op.drop_constraint(op.f("ck_schedules_top_up"), type_="check")
        batch_op.create_check_constraint(op.f("ck_schedules_top_up"), "top_up IN ('add', 'cap', 'reset', 'lower')")
    for column in (
        sa.Column("assigned_to_id", BIG, nullable=True),
        sa.Column("settled_at", TIME, nullable=True),
        sa.Column("settled_by", sa.String(length=256), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("unmatched_usage", column)
    with op.batch_alter_table("unmatched_usage") as batch_op:
        batch_op.create_foreign_key(op.f("fk_unmatched_usage_assigned_to_id"), "users", ["assigned_to_id"], ["id"])
    open_only = sa.text("settled_at IS NULL")
    op.create_index(
        "ix_unmatched_usage_open",
        "unmatched_usage",
        ["username", "source"],
        sqlite_where=open_only,
        postgresql_where=open_only,
    )


def downgrade() -> None:
    """Roles, other names and local people have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _roles_and_status() -> None:
    for column in (
        sa.Column("role", sa.String(length=10), nullable=False, server_default=""),
        sa.Column("status", sa.String(length=10), nullable=False, server_default="active"),
        sa.Column("status_since", TIME, nullable=True),
        sa.Column("origin", sa.String(length=10), nullable=False, server_default="directory"),
    ):
        op.add_column("users", column)
    op.execute("UPDATE users SET role = 'admin' WHERE is_admin")
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("is_admin")
        batch_op.create_check_constraint(op.f("ck_users_role"), "role IN ('', 'auditor', 'helper', 'admin')")
        batch_op.create_check_constraint(op.f("ck_users_status"), "status IN ('active', 'disabled', 'gone')")
        batch_op.create_check_constraint(op.f("ck_users_origin"), "origin IN ('directory', 'local')")
    op.create_index("ix_users_status", "users", ["status"])
    # A sync writes hundreds of thousands of these at once; users and groups are never deleted.
    with op.batch_alter_table("memberships") as batch_op:
        batch_op.drop_constraint(op.f("fk_memberships_user_id"), type_="foreignkey")
        batch_op.drop_constraint(op.f("fk_memberships_group_id"), type_="foreignkey")


def _names_and_devices() -> None:
    op.create_table(
        "user_names",
        sa.Column("name_key", sa.String(length=256), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("made_by", sa.String(length=256), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('alias', 'former')", name=op.f("ck_user_names_kind")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_names_user_id")),
        sa.PrimaryKeyConstraint("name_key", name=op.f("pk_user_names")),
    )
    op.create_index(op.f("ix_user_names_user_id"), "user_names", ["user_id"])
    op.create_table(
        "local_passwords",
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("made_by", sa.String(length=256), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_local_passwords_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_local_passwords")),
    )
    op.create_table(
        "devices",
        sa.Column("id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_devices_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_devices_token_hash")),
    )
    op.create_index(op.f("ix_devices_user_id"), "devices", ["user_id"])


def _sessions_and_tries() -> None:
    for column in (
        sa.Column("address", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("agent", sa.String(length=256), nullable=False, server_default=""),
        sa.Column("way", sa.String(length=10), nullable=False, server_default="password"),
    ):
        op.add_column("login_sessions", column)
    op.create_index(op.f("ix_login_sessions_user_id"), "login_sessions", ["user_id"])
    # Tries that were counted by name alone say nothing about addresses; who waits may try again at once, this one time.
    op.drop_table("sign_in_failures")
    op.create_table(
        "sign_in_failures",
        sa.Column("name_key", sa.String(length=256), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name_key", "address", name=op.f("pk_sign_in_failures")),
    )


def _passes() -> None:
    op.create_table(
        "directory_syncs",
        sa.Column("id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("busy", sa.Integer(), nullable=True),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("asked_by", sa.String(length=600), nullable=False),
        sa.Column("decided_by", sa.String(length=600), nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("alive_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        *(
            sa.Column(name, BIG, nullable=False)
            for name in ("read", "active", "added", "renamed", "changed", "groups", "disabled", "gone", "back")
        ),
        sa.Column("left_out", BIG, nullable=False),
        sa.Column("applied", BIG, nullable=False),
        sa.Column("cursor", BIG, nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('full', 'changes', 'preview')", name=op.f("ck_directory_syncs_kind")),
        sa.CheckConstraint(
            "state IN ('reading', 'waiting', 'applying', 'done', 'failed', 'cancelled', 'discarded')",
            name=op.f("ck_directory_syncs_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_syncs")),
        sa.UniqueConstraint("busy", name=op.f("uq_directory_syncs_busy")),
    )
    op.create_table(
        "sync_people",
        sa.Column("sync_id", BIG, nullable=False),
        sa.Column("directory_id", sa.String(length=256), nullable=False),
        sa.Column("username", sa.String(length=256), nullable=False),
        sa.Column("display_name", sa.String(length=256), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("group_numbers", sa.Text(), nullable=False),
        sa.Column("group_count", sa.Integer(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sync_id", "directory_id", name=op.f("pk_sync_people")),
    )
    op.create_table(
        "sync_groups",
        sa.Column("number", BIG, nullable=False),
        sa.Column("sync_id", BIG, nullable=False),
        sa.Column("name_key", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sync_groups")),
    )
    op.create_table(
        "sync_changes",
        sa.Column("id", BIG, nullable=False),
        sa.Column("sync_id", BIG, nullable=False),
        sa.Column("directory_id", sa.String(length=256), nullable=False),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("username", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("now", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "what IN ('added', 'renamed', 'changed', 'groups', 'disabled', 'gone', 'back', 'left_out')",
            name=op.f("ck_sync_changes_what"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_changes")),
    )
    op.create_index("ix_sync_changes_sync", "sync_changes", ["sync_id", "what", "id"])
    op.create_table(
        "directory_places",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_directory_places")),
    )


def _takings() -> None:
    op.create_table(
        "takings",
        sa.Column("id", BIG, nullable=False),
        sa.Column("form_id", sa.String(length=64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by", sa.String(length=600), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("total", BIG, nullable=False),
        sa.Column("reversed_at", TIME, nullable=True),
        sa.Column("reversed_by", sa.String(length=600), nullable=False),
        sa.Column("reversed_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takings")),
        sa.UniqueConstraint("form_id", name=op.f("uq_takings_form_id")),
    )
