"""Runs the migrations inside an application context (Flask-Migrate); the same steps serve SQLite and PostgreSQL."""

from __future__ import annotations

from alembic import context
from flask import current_app


def run() -> None:
    """Run the migrations on the instance's database, in one transaction."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=database.metadata, render_as_batch=True, compare_type=True
        )
        with context.begin_transaction():
            context.run_migrations()


run()
