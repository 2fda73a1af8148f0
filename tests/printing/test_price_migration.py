"""Print jobs of before price lists keep their price: those on hold, and those of unknown names."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask_migrate import upgrade
from sqlalchemy import text

from app import clock
from app.db import db, reading, writing
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.ledger import accounts
from app.printing import charging, unmatched
from app.settings import Settings
from directory.memory import MemoryDirectory
from tests.servers.postgres import Postgres

AT = "'2027-03-17 12:00:00'"
BEFORE = f"""
INSERT INTO users (id, directory_id, username, display_name, email, created_at, refreshed_at) VALUES
  (1, 'd1', 'alice', 'Alice', '', {AT}, {AT});
INSERT INTO accounts (id, kind, name, user_id, balance, reserved, floor, sequence, created_at) VALUES
  (1, 'user', 'alice', 1, 0, 210000, NULL, 0, {AT});
INSERT INTO holds (id, account_id, amount, source, key, state, created_at, expires_at) VALUES
  (1, 1, 210000, 'print', 'k', 'open', {AT}, '2099-01-01 00:00:00');
INSERT INTO print_jobs (id, server, job_uuid, run, job_number, printer, username, user_id, title, pages_counted,
  pages_printed, price_per_page, state, reason, attempt, hold_id, created_at, updated_at) VALUES
  (1, 'cups1', 'u1', 1, 1, 'Library 1', 'alice', 1, 'Essay', 3, NULL, 70000, 'held', '', 1, 1, {AT}, {AT}),
  (2, 'cups1', 'u2', 1, 2, 'Library 1', 'mallory', NULL, 'Essay', 3, 4, 60000, 'printed', '', 1, NULL, {AT}, {AT})
"""  # noqa: S608


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh_database()


@pytest.mark.long
def test_jobs_of_before_keep_their_price(tmp_path: Path, empty_url: str) -> None:
    folder = tmp_path / "instance"
    make_folder(folder, Plan(charges=("print",), database_url=empty_url))
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    with app.app_context():
        upgrade(directory=str(MIGRATIONS), revision="0006")
        with db.engine.begin() as connection:
            for statement in BEFORE.split(";"):
                connection.execute(text(statement))
        upgrade(directory=str(MIGRATIONS))
        charged = writing(lambda session: charging.capture(session, job_id=1, run=1, pages=2, now=clock.now()))
        assert charged == (140_000, 2)
        assert accounts.get_account(reading(), user_id=1).balance == -140_000
        [seen] = unmatched.list_seen(reading(), now=clock.now())
        assert (seen.username, seen.pages, seen.cost) == ("mallory", 4, 240_000)
        db.session.remove()
        db.engine.dispose()
