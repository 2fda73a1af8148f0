"""Notes that entries share, fingerprints of requests, limits by default or by account, shared accounts that close.

The entries of before are copied as they are: their words move into `notes`, and they have no fingerprint.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.entry_triggers import allow_changes, refuse_changes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of this step; both databases end with the same."""
    op.create_table(
        "notes",
        sa.Column("id", BIG, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_table(
        "account_defaults",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("floor", BIG, nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_defaults")),
    )
    op.execute("INSERT INTO account_defaults (id, floor, changed_at) VALUES (1, 0, CURRENT_TIMESTAMP)")
    _change_accounts()
    allow_changes()
    _change_entries()
    refuse_changes()


def downgrade() -> None:
    """Booked fingerprints and shared notes have no place in the tables of before."""
    raise RuntimeError("this migration is not undone: restore the backup that was made before it")


def _change_accounts() -> None:
    # Added one by one: SQLite then need not copy the table, which other tables point at.
    op.add_column("accounts", sa.Column("floor_is_own", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("accounts", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "uq_accounts_shared_name",
        "accounts",
        ["name"],
        unique=True,
        sqlite_where=sa.text("kind = 'shared'"),
        postgresql_where=sa.text("kind = 'shared'"),
    )


def _change_entries() -> None:
    op.execute("INSERT INTO notes (id, title, detail) SELECT entry_id, title, detail FROM entry_notes")
    op.drop_table("entry_notes")  # first: SQLite makes `entries` anew, and nothing may point at it then
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval(pg_get_serial_sequence('notes', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM notes))")
        op.execute('ALTER TABLE entries ALTER COLUMN key TYPE VARCHAR(300) COLLATE "C"')
        op.execute('ALTER TABLE holds ALTER COLUMN key TYPE VARCHAR(300) COLLATE "C"')
        # Room on every page for the next version of a row: a balance moves without touching an index.
        op.execute("ALTER TABLE accounts SET (fillfactor = 70)")
    with op.batch_alter_table("entries") as batch_op:
        batch_op.add_column(sa.Column("fingerprint", BIG, nullable=True))
        batch_op.add_column(sa.Column("note_id", BIG, nullable=True))
        batch_op.drop_constraint("uq_entries_reverses_id", type_="unique")
        batch_op.drop_index("ix_entries_hold")
    op.execute("UPDATE entries SET note_id = id WHERE EXISTS (SELECT 1 FROM notes WHERE notes.id = entries.id)")
    for name, column, unique in (("uq_entries_reverses", "reverses_id", True), ("ix_entries_hold", "hold_id", False)):
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, "entries", [column], unique=unique, sqlite_where=condition, postgresql_where=condition)
