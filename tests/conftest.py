"""Fixtures for everything: an instance in a folder of its own, on SQLite or PostgreSQL, with the usual cast."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import inspect

from app import clock
from app.db import db, writing
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.people import service as people
from app.settings import Settings
from directory.interface import Person
from directory.memory import MemoryDirectory, MemoryPerson
from tests import made_once
from tests.servers.postgres import Postgres

made_once.keep()
PORTAL_KEY = "portal-key-of-the-tests-0123456789abcdef"
CAST = (
    ("alice", "Alice Andersson", ("Students",)),
    ("bob", "Bob Brown", ("Students",)),
    ("carol", "Carol Clark", ("Staff",)),
    ("admin", "Ada Min", ("Administrators",)),
)


def person(username: str, display_name: str, groups: tuple[str, ...]) -> Person:
    """One of the cast as the directory would describe them."""
    return Person(
        directory_id=str(uuid.uuid5(uuid.NAMESPACE_DNS, username)),
        dn=f"uid={username},ou=people,dc=example,dc=org",
        username=username,
        display_name=display_name,
        email=f"{username}@example.org",
        groups=groups,
    )


@pytest.fixture
def cast() -> MemoryDirectory:
    """The in-memory directory: alice and bob (Students), carol (Staff), admin (Administrators)."""
    return MemoryDirectory([MemoryPerson(person(*row), f"demo-{row[0]}") for row in CAST])


def upgraded(folder: Path, **plan: object) -> None:
    """Make an instance in `folder` and run the migrations on its database."""
    make_folder(folder, Plan(charges=("print",), **plan))  # type: ignore[arg-type]
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def empty_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row, to be copied: the migrations take longer than most tests."""
    folder = tmp_path_factory.mktemp("template")
    upgraded(folder)
    return folder / "twinpurse.db"


@pytest.fixture
def make_instance(tmp_path: Path, cast: MemoryDirectory, empty_books: Path) -> Iterator[Callable[..., Flask]]:
    """A function that makes an instance: make_instance(charges=("print",), mode="enforce", database_url="", ...)."""
    made: list[Flask] = []

    def make(**plan: object) -> Flask:
        given = {"charges": ("print",), "secrets": {"portal.key": PORTAL_KEY}} | plan
        folder = tmp_path / f"instance{len(made)}"
        make_folder(folder, Plan(**given))  # type: ignore[arg-type]
        settings = Settings.load(folder)
        if not settings.config.database_url:
            shutil.copy(empty_books, folder / "twinpurse.db")
        app = create_app(settings, directory=cast)
        app.config["TESTING"] = True
        with app.app_context():
            if not inspect(db.engine).has_table("accounts"):
                upgrade(directory=str(MIGRATIONS))
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server for the whole session."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_books(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database with every table and no row, to be copied."""
    postgres.execute("CREATE DATABASE empty_books")
    upgraded(tmp_path_factory.mktemp("template"), database_url=postgres.url("empty_books"))
    return "empty_books"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Run the test twice: on SQLite in the instance's folder, and on a fresh database of a real PostgreSQL."""
    if request.param == "sqlite":
        return ""
    template: str = request.getfixturevalue("postgres_books")
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh_database(template)


@pytest.fixture
def print_app(make_instance: Callable[..., Flask]) -> Flask:
    """An instance that charges print, on SQLite."""
    return make_instance()


@pytest.fixture
def net_app(make_instance: Callable[..., Flask]) -> Flask:
    """An instance that charges the Internet, on SQLite."""
    return make_instance(charges=("internet",))


@pytest.fixture
def known() -> Callable[..., dict[str, int]]:
    """A function that makes the cast known to the instance of the present context; returns name -> user id."""

    def make_known(now: datetime | None = None) -> dict[str, int]:
        return {
            row[0]: writing(
                lambda session, row=row: (
                    people.remember(
                        session, person=person(*row), admin_groups=["Administrators"], now=now or clock.now()
                    ).id
                )
            )
            for row in CAST
        }

    return make_known


DOORS = ("accounts/", "api/", "people/", "purse/", "schedules/test_when.py", "schedules/test_initial.py")
DOORS += ("schedules/test_forecast.py", "schedules/test_service.py", "ledger/test_verify_", "ledger/test_teeth.py")
DOORS += ("ledger/test_machine.py",)
DOORS += (
    "purse/test_kept_page.py",
    "schedules/test_run_control.py",
    "faults/test_clocks.py",
    "jobs/test_ticker.py",
    "printing/",
    "refunds/",
)
DOORS += (
    "ledger/test_partial.py",
    "ledger/test_service.py",
    "schedules/test_runs.py",
    "internet/",
    "radius/",
    "cards/",
    "transfers/",
)
"""What speaks to the database through the books and the runs, which are always tested on both."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave PostgreSQL at the doors to the long tests; begin with the longest: the last decides the end."""
    for item in items:
        if "[postgresql" in item.nodeid and item.nodeid.removeprefix("tests/").startswith(DOORS):
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: "e2e" not in item.path.parts)
