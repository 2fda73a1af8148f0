"""What an instance needs and whether it has it: questions for `twinpurse check` and the health page."""

from __future__ import annotations

from pathlib import Path

import redis
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from app.db import db
from app.jobs.queue import Jobs

NO_TABLES = "the database has no tables yet"


def database_problem() -> str:
    """Return what is wrong with the database of the current app; "" when it answers and is up to date."""
    config = AlembicConfig()
    config.set_main_option("script_location", current_app.extensions["migrate"].directory)
    newest = ScriptDirectory.from_config(config).get_current_head()
    if db.engine.dialect.name == "sqlite" and not Path(db.engine.url.database or "").exists():
        return NO_TABLES  # to look into it would make it
    try:
        with db.engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as exc:
        return f"the database does not answer ({type(exc).__name__})"
    if present is None:
        return NO_TABLES
    return "" if present == newest else f"the database is at step {present}, this program needs {newest}"


def remedy(problem: str, folder: Path) -> str:
    """Return what to do about a database problem, to stand behind it."""
    return ": see database_url" if "does not answer" in problem else f": twinpurse upgrade {folder}"


def queue_problem(app: Flask | None = None) -> str:
    """Return what is wrong with the queue; "" when it answers."""
    jobs: Jobs = (app or current_app).extensions["twinpurse.jobs"]
    try:
        jobs.connection.ping()
    except redis.RedisError as exc:
        return f"redis_url: Redis does not answer ({type(exc).__name__})"
    return ""
