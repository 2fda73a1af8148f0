"""The triggers by which the database itself refuses to change or delete an entry."""

from __future__ import annotations

from alembic import op


def refuse_changes() -> None:
    """Put the triggers on `entries`: a mistake is reversed, never edited."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER entries_no_{verb.lower()} BEFORE {verb} ON entries "
                "BEGIN SELECT RAISE(ABORT, 'entries are never changed or deleted'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_entry_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'entries are never changed or deleted'; END $$"
    )
    op.execute(
        "CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_entry_change()"
    )
    op.execute(
        "CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_entry_change()"
    )


def allow_changes() -> None:
    """Take the triggers off, for a migration that gives the table another shape; it must put them back."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER entries_no_{verb}")
        return
    for name in ("entries_no_change", "entries_no_truncate"):
        op.execute(f"DROP TRIGGER {name} ON entries")
