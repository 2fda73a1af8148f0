"""The database itself refuses to change entries, and a verification notices when it no longer does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, one_moment
from app.ledger.verify import verify

REFUSES = "the database no longer refuses to change entries"
DAMAGE = {
    "sqlite": [
        ("DROP TRIGGER entries_no_delete", "the trigger entries_no_delete is gone"),
        (
            "CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries WHEN 0 "
            "BEGIN SELECT RAISE(ABORT, 'entries are never changed or deleted'); END",
            "the trigger entries_no_update was changed",
        ),
        (
            "CREATE TRIGGER skim AFTER INSERT ON entries BEGIN UPDATE accounts SET balance = balance + 1; END",
            "skim on entries",
        ),
    ],
    "postgresql": [
        ("DROP TRIGGER entries_no_truncate ON entries", "the trigger entries_no_truncate is gone"),
        ("ALTER TABLE entries DISABLE TRIGGER entries_no_change", "the trigger entries_no_change is disabled"),
        ("ALTER TABLE entries ENABLE REPLICA TRIGGER entries_no_change", "the trigger entries_no_change is disabled"),
        (
            "CREATE OR REPLACE FUNCTION refuse_entry_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN OLD; END $$",
            "the trigger entries_no_change was changed",
        ),
        (
            "CREATE TRIGGER skim AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION refuse_entry_change()",
            "skim on accounts",
        ),
    ],
}
CASES = [(name, *case) for name, cases in DAMAGE.items() for case in cases]


@pytest.mark.parametrize(
    ("database_url", "damage", "named"), CASES, indirect=["database_url"], ids=[case[2] for case in CASES]
)
def test_a_trigger_that_is_not_as_it_was_made_is_named(
    make_instance: Callable[..., Flask], database_url: str, damage: str, named: str
) -> None:
    with make_instance(database_url=database_url).app_context():
        with db.engine.connect() as connection:
            if "WHEN 0" in damage:
                connection.execute(text("DROP TRIGGER entries_no_update"))
            connection.execute(text(damage))
            connection.commit()
        with one_moment() as session:
            differences = [str(one) for one in verify(session).differences]
        assert any(named in line for line in differences), differences
        expected = "a trigger that is not ours" if "skim" in damage else REFUSES
        assert all(expected in line for line in differences)
