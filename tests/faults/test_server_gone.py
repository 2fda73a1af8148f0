"""PostgreSQL is stopped without a goodbye, as by a power cut, and comes back: we are half way in our work, or have a
pool of dead connections. What was acknowledged is there; the next request works; nothing is done twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.db import reading, writing, writing_at_once
from app.ledger.models import Account
from tests.conftest import upgraded
from tests.faults.conftest import Purse, charge_one
from tests.servers.postgres import Postgres

POOLED = 4


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server that keeps what it has acknowledged, as real ones do; the other tests' servers need not."""
    with Postgres(fast=False) as server:
        server.execute("CREATE DATABASE empty_books")
        upgraded(tmp_path_factory.mktemp("template"), database_url=server.url("empty_books"))
        yield server


@pytest.fixture
def purse(make_instance: Callable[..., Flask], durable: Postgres) -> Iterator[Purse]:
    """A purse of 100.00 on that server."""
    app = make_instance(database_url=durable.fresh_database("empty_books"))
    with app.app_context():
        found = Purse(app)
        yield found
        found.check()


def stop_at_once(server: Postgres) -> None:
    """What `pg_ctl stop -m immediate` does: no checkpoint; the next start recovers from the log."""
    server.child.stop(signal.SIGQUIT)


def start(server: Postgres) -> None:
    """Start it again and wait until it answers."""
    server.child.start()
    deadline = time.monotonic() + 30
    while True:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, server.child.log_tail()
            time.sleep(0.05)
        else:
            return


def fill_pools(purse: Purse, round_: int) -> None:
    """Let every pool have several connections open at a time, and then idle."""
    gate = Barrier(POOLED)

    def use(number: int) -> None:
        def work(session: Any) -> None:
            session.execute(text("SELECT 1"))
            gate.wait(20)

        with purse.app.app_context():
            writing(work)
            reading().get_one(Account, purse.account_id)
            gate.wait(20)
            purse.charge(f"pool:{round_}:{number}", writing_at_once)

    with ThreadPoolExecutor(POOLED) as pool:
        list(pool.map(use, range(POOLED)))


@pytest.mark.long
def test_the_next_request_works_whatever_door_it_comes_through(purse: Purse, durable: Postgres) -> None:
    acknowledged = 0
    for round_, way in enumerate((writing, writing_at_once, None)):
        fill_pools(purse, round_)
        acknowledged += POOLED
        stop_at_once(durable)
        start(durable)
        if way is None:
            assert reading().get_one(Account, purse.account_id).sequence == 1 + acknowledged
        else:
            acknowledged += 1
            assert purse.charge(f"next:{round_}", way).sequence == 1 + acknowledged
    assert purse.figures() == (100 - acknowledged, 0)


@pytest.mark.parametrize("way", [writing, writing_at_once])
def test_work_that_is_half_way_is_done_once(purse: Purse, durable: Postgres, way: Callable[..., Any]) -> None:
    tries = []

    def work(session: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            session.execute(text("SELECT 1"))
            if way is writing:
                charge_one(session, purse.account_id, "job")
            stop_at_once(durable)
            start(durable)
        return charge_one(session, purse.account_id, "job")

    acknowledged = purse.charge("before", way).key
    assert way(work).key == "job"
    assert purse.keys() == ["open", acknowledged, "job"]
    assert purse.figures() == (98, 0)
