"""Runs the migrations inside an application context (Flask-Migrate); the same steps serve SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.runtime.migration import MigrationContext
from flask import current_app
from sqlalchemy.engine import Connection


def run() -> None:
    """Run the migrations on the instance's database: in one transaction, or on SQLite each in its own."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection, _tables_can_be_made_anew(connection):
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=True,
            compare_type=True,
            on_version_apply=_check_references,
        )
        with context.begin_transaction():
            context.run_migrations()


@contextmanager
def _tables_can_be_made_anew(connection: Connection) -> Iterator[None]:
    """Let SQLite drop a table that others point at, to rename its new shape to it (its manual, lang_altertable, 7).

    The setting has no effect inside a transaction, so it is made on the driver's connection, before one begins.
    """
    driver = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite" or driver is None:
        yield
        return
    driver.execute("PRAGMA foreign_keys=OFF").close()
    try:
        yield
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON").close()


def _check_references(*, ctx: MigrationContext, **_about: object) -> None:
    """Refuse a step, before it is committed, that leaves rows pointing at nothing; PostgreSQL refuses by itself."""
    if ctx.connection is not None and ctx.dialect.name == "sqlite":
        broken = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"the migration would leave rows that point at nothing: {broken[:5]}")


run()
