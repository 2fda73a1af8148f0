"""An instance in a folder of its own for the bench, with durable settings as in real use."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade

from app.db import db
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.settings import CONFIG_FILE, Settings
from directory.memory import MemoryDirectory
from tests.servers.postgres import Postgres


@contextmanager
def instance(
    *, database_url: str = "", port: int = 8001, charges: tuple[str, ...] = ("print",), domains: str = "[]"
) -> Iterator[Flask]:
    """Make an instance, enter its context, and remove it at the end. `domains`: the directory's, as TOML."""
    folder = Path(tempfile.mkdtemp(prefix="twinpurse-bench-", dir="/tmp"))
    plan = Plan(charges=charges, database_url=database_url, public_url=f"http://127.0.0.1:{port}")
    make_folder(folder, plan)
    config = folder / CONFIG_FILE
    config.write_text(config.read_text("utf-8").replace("\ndomains = []", f"\ndomains = {domains}"), "utf-8")
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    try:
        with app.app_context():
            upgrade(directory=str(MIGRATIONS))
            yield app
            db.session.remove()
            db.engine.dispose()
    finally:
        shutil.rmtree(folder)


class Place:
    """Books that were filled once, of which each measurement gets a fresh copy in an instance's folder of its own."""

    def __init__(self, folder: Path, server: Postgres | None, books: str) -> None:
        self._folder, self._server, self._books = folder, server, books
        self._numbers = itertools.count(1)
        self._last = ""

    def fresh(self) -> Path:
        """Return a folder with a copy of the filled books; the copy of before is thrown away."""
        folder = self._folder / f"copy{next(self._numbers)}"
        for old in self._folder.glob("copy*"):
            shutil.rmtree(old)
        if self._server is None:
            make_folder(folder, Plan(charges=("print",)))
            shutil.copy(self._books, folder / "twinpurse.db")
            os.sync()
            return folder
        if self._last:
            self._server.execute(f"DROP DATABASE {self._last}")
        url = self._server.fresh_database(self._books)
        self._server.execute("CHECKPOINT")
        self._last = url.rsplit("/", 1)[1]
        make_folder(folder, Plan(charges=("print",), database_url=url))
        return folder


@contextmanager
def filled(server: Postgres | None, fill: Callable[[], None]) -> Iterator[Place]:
    """Fill books in the instance's context, on PostgreSQL or (None) SQLite; then hand out copies of them."""
    url = server.fresh_database() if server else ""
    with instance(database_url=url) as app:
        fill()
        vacuum()
        folder = app.extensions["twinpurse.settings"].folder
        if server is None:
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.session.remove()
        db.engine.dispose()
        yield Place(folder, server, url.rsplit("/", 1)[1] if server else str(folder / "twinpurse.db"))


def vacuum() -> None:
    """Tell the database how its tables look now, as its own service does after a while."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if db.engine.dialect.name == "sqlite" else "VACUUM ANALYZE")
