"""Schedules of before go through the migrations with their groups and runs, and keep when they fall due."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from flask_migrate import upgrade
from sqlalchemy import text

from app.db import db, reading
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.schedules import service
from app.settings import Settings
from directory.memory import MemoryDirectory
from tests.servers.postgres import Postgres

BEFORE = """
INSERT INTO groups (id, name, name_key) VALUES (1, 'Students', 'students');
INSERT INTO schedules (id, name, everyone, amount, top_up, period, weekdays, time_of_day, time_zone, starts_on,
  catch_up, settled_until, version, form_id, created_at, updated_at) VALUES
  (1, 'Weekly', {no}, 2000000, 'add', 'weekly', '0', '07:00', 'Europe/Berlin', NULL, 'last',
   '2027-03-17 12:00:00', 1, 'form', '2027-03-17 12:00:00', '2027-03-17 12:00:00'),
  (2, 'Monthly', {no}, 2000000, 'add', 'monthly', '', '07:00', 'Europe/Berlin', '2027-05-01', 'last',
   '2027-03-17 12:00:00', 1, NULL, '2027-03-17 12:00:00', '2027-03-17 12:00:00');
INSERT INTO schedule_groups (schedule_id, group_id) VALUES (1, 1);
INSERT INTO runs (id, schedule_id, occurrence, due_at, state, title, amount, top_up, everyone, cursor, considered,
  credited, total, error, created_at) VALUES
  (1, 1, '2027-03-15T07:00', '2027-03-15 06:00:00', 'done', 'Weekly', 2000000, 'add', {no}, 9, 3, 2, 4000000, '',
   '2027-03-15 06:00:00');
INSERT INTO run_groups (run_id, group_id) VALUES (1, 1)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables: a file in the instance's folder, or one of a real PostgreSQL."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh_database()


def test_what_was_there_goes_on(tmp_path: object, empty_url: str) -> None:
    folder = tmp_path / "instance"  # type: ignore[operator]
    make_folder(folder, Plan(charges=("print",), database_url=empty_url))
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    with app.app_context():
        upgrade(directory=str(MIGRATIONS), revision="0002")
        no = "0" if db.engine.dialect.name == "sqlite" else "false"
        with db.engine.begin() as connection:
            for statement in BEFORE.format(no=no).split(";"):
                connection.execute(text(statement))
        upgrade(directory=str(MIGRATIONS))
        with db.engine.connect() as connection:
            for table in ("schedule_groups", "runs", "run_groups"):
                assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 1, table  # noqa: S608
            assert connection.execute(text("SELECT people, started_at, asked_by FROM runs")).one() == (3, None, "")
            if not empty_url:
                assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
                assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        weekly, monthly = (service.get(reading(), schedule_id=number) for number in (1, 2))
        assert [group.name for group in weekly.groups] == ["Students"]
        assert (weekly.every_weeks, weekly.anchor, weekly.skipped) == (1, date(2027, 3, 17), "")
        assert monthly.anchor == date(2027, 5, 1)
        coming = service.upcoming(weekly, now=datetime(2027, 3, 17, 12, tzinfo=UTC), count=1)
        assert coming[0].identity == "2027-03-22T07:00"
        db.session.remove()
        db.engine.dispose()
