"""An instance in a folder of its own for the bench, with durable settings as in real use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade

from app.db import db
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.settings import Settings
from directory.memory import MemoryDirectory


@contextmanager
def instance(*, database_url: str = "", port: int = 8001) -> Iterator[Flask]:
    """Make a print instance, enter its application context, and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="twinpurse-bench-", dir="/tmp"))
    plan = Plan(charges=("print",), database_url=database_url, public_url=f"http://127.0.0.1:{port}")
    make_folder(folder, plan)
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    try:
        with app.app_context():
            upgrade(directory=str(MIGRATIONS))
            yield app
            db.session.remove()
            db.engine.dispose()
    finally:
        shutil.rmtree(folder)
