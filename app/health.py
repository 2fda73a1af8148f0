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
from language import N_, _

NO_TABLES = N_("the database has no tables yet")


def database_problem() -> str:
    """Return what is wrong with the database of the current app; "" when it answers and is up to date."""
    config = AlembicConfig()
    config.set_main_option("script_location", current_app.extensions["migrate"].directory)
    newest = ScriptDirectory.from_config(config).get_current_head()
    if db.engine.dialect.name == "sqlite" and not Path(db.engine.url.database or "").exists():
        return _(NO_TABLES)  # to look into it would make it
    try:
        with db.engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as exc:
        return _("the database does not answer (%(error)s)", error=type(exc).__name__)
    if present is None:
        return _(NO_TABLES)
    if present == newest:
        return ""
    return _("the database is at step %(present)s, this program needs %(newest)s", present=present, newest=newest)


def remedy(problem: str, folder: Path) -> str:
    """Return what to do about a database problem, to stand behind it on the command line, which speaks English."""
    return ": see database_url" if "does not answer" in problem else f": twinpurse upgrade {folder}"


def queue_problem(app: Flask | None = None) -> str:
    """Return what is wrong with the queue; "" when it answers."""
    jobs: Jobs = (app or current_app).extensions["twinpurse.jobs"]
    try:
        jobs.connection.ping()
    except redis.RedisError as exc:
        return _("redis_url: Redis does not answer (%(error)s)", error=type(exc).__name__)
    return ""
