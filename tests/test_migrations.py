"""The migrations lead to exactly the tables that the program speaks of, with the triggers that keep entries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import clock, health
from app.db import db, writing
from app.factory import MIGRATIONS
from app.ledger import service as ledger
from app.ledger.models import Account
from app.money import MICRO

TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = 'entries'::regclass AND NOT tgisinternal",
}
EXPECTED = {
    "sqlite": {"entries_no_update", "entries_no_delete"},
    "postgresql": {"entries_no_change", "entries_no_truncate"},
}


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str) -> Flask:
    """An instance whose database was made by the migrations, on each database."""
    return make_instance(database_url=database_url)


def test_an_upgraded_database_does_not_differ_from_the_models(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []
        assert health.database_problem() == ""


def test_the_triggers_that_keep_entries_are_there(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        name = db.engine.dialect.name
        assert set(connection.execute(text(TRIGGERS[name])).scalars()) == EXPECTED[name]


def test_upgrading_again_changes_nothing(app: Flask) -> None:
    with app.app_context():
        account_id = writing(make_entry)
        upgrade(directory=str(MIGRATIONS))
        with db.engine.connect() as connection:
            assert connection.execute(text("SELECT balance FROM accounts")).scalars().all() == [MICRO]
            kept = connection.execute(text("SELECT account_id FROM entries")).scalars().all()
    assert kept == [account_id]


@pytest.mark.parametrize("statement", ["UPDATE entries SET amount = 0", "DELETE FROM entries", "TRUNCATE entries"])
def test_no_statement_changes_or_removes_an_entry(app: Flask, statement: str) -> None:
    with app.app_context():
        writing(make_entry)
        if statement.startswith("TRUNCATE"):
            statement = "TRUNCATE entries CASCADE" if db.engine.dialect.name == "postgresql" else "DELETE FROM entries"
        with db.engine.connect() as connection, pytest.raises(DBAPIError, match="never changed or deleted"):
            connection.execute(text(statement))


def test_the_first_step_is_not_undone(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(SystemExit):
            downgrade(directory=str(MIGRATIONS), revision="base")
        assert health.database_problem() == ""


def test_a_database_from_a_newer_program_is_named(app: Flask) -> None:
    with app.app_context():
        writing(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        assert "9999" in health.database_problem()


def make_entry(session: object) -> int:
    """Make one shared account with one entry, and return the account's id."""
    account = Account(kind="shared", name="Art room", created_at=clock.now())
    session.add(account)  # type: ignore[attr-defined]
    session.flush()  # type: ignore[attr-defined]
    ledger.post(
        session,  # type: ignore[arg-type]
        account_id=account.id,
        amount=MICRO,
        source="adjustment",
        key="k",
        now=clock.now(),
        title="t",
    )
    return account.id
