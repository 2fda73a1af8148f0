"""An instance on each database with the cast in it, and the terms of a schedule with one thing changed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.db import reading
from app.ledger.models import Account
from app.ledger.verify import verify
from app.money import MICRO
from app.schedules.terms import Terms

WEEKLY = Terms(
    name="Weekly print money",
    everyone=False,
    groups=("Students",),
    amount=2 * MICRO,
    top_up="add",
    cap=None,
    period="weekly",
    weekdays=(0,),
    month_day=None,
    time_of_day="07:00",
    time_zone="Europe/Berlin",
)
"""$2 to Students every Monday at 07:00 in Berlin."""


@pytest.fixture
def house(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> Iterator[dict[str, int]]:
    """The cast's user ids, in an instance on each database; at the end of every test a verification finds nothing."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        yield known()
        reading().rollback()
        assert verify(reading()).differences == []


@pytest.fixture
def pupils(house: dict[str, int]) -> dict[str, int]:
    """Seven users of the group Pupils, beside the cast; name -> user id."""
    from tests.schedules.pupils import known_pupils  # it uses the terms above

    assert house
    return known_pupils()


def balances(users: dict[str, int]) -> dict[str, int]:
    """Name -> balance in whole units, as the database has it now."""
    reading().rollback()
    rows = dict(reading().execute(select(Account.user_id, Account.balance)).all())
    return {name: rows[user_id] // MICRO for name, user_id in users.items()}


def at_once(work: Callable[[], Any], count: int = 2) -> list[Any]:
    """Do the same work in several threads of the present application; return what each returned."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def run(_number: int) -> Any:
        with app.app_context():
            return work()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def sign_in(browser: FlaskClient, name: str) -> None:
    """Sign in through the form."""
    token = csrf(browser.get("/sign-in"))
    answer = browser.post("/sign-in", data={"csrf_token": token, "username": name, "password": f"demo-{name}"})
    assert answer.status_code == 303, answer.text


def csrf(page: TestResponse) -> str:
    """The token in the page's first form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return found[1]


def words(page: TestResponse) -> str:
    """The page's text as people read it."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.text)))
