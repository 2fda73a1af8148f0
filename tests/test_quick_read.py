"""One row past the session: the same values, what is not there, and a database that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import bindparam, column, select, table

from app.db import reading
from app.errors import UnavailableError
from app.people.models import User
from app.quick_read import QuickRow

SOMEBODY = QuickRow(
    select(User.id, User.display_name, User.created_at, User.status_since)
    .where(User.username == bindparam("name"), User.status == "active")
    .limit(1)
)
NOWHERE = QuickRow(select(column("id")).select_from(table("no_such_table")))


def test_a_row_has_the_types_of_its_columns_and_errors_are_words(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]], database_url: str
) -> None:
    with make_instance(database_url=database_url).app_context():
        at = datetime(2026, 11, 23, 10, 31, 0, 123456, tzinfo=UTC)
        users = known(at)
        alice = reading().get_one(User, users["alice"])
        assert SOMEBODY.read(name="alice") == (alice.id, "Alice Andersson", at, None)
        assert SOMEBODY.read(name="nobody' OR 1=1 --") is None
        with pytest.raises(UnavailableError):
            NOWHERE.read()
        assert SOMEBODY.read(name="bob") is not None
