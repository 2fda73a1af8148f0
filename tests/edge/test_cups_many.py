"""Many jobs at once, with a real instance: credit for three prints three, and of fifty jobs each is charged once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from app import clock
from app.api import tokens
from app.db import writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.people.models import User
from tests.edge.charged_place import GREY, ChargedPlace
from tests.servers.cups import Cups
from tests.servers.process import make_dir

PAGES = 3
AFFORDED = 3
_numbers = itertools.count(1)


@pytest.fixture
def second(charged_place: ChargedPlace) -> Iterator[Cups]:
    """Another print server of the same instance, with its own token."""
    folder = make_dir("twinpurse-cups2-")
    cups = Cups(folder).start()
    yield cups
    cups.stop()
    shutil.rmtree(folder, ignore_errors=True)


def leave_carol(place: ChargedPlace, micro: int) -> None:
    """Take from carol's purse until so much is left."""

    def take(session: object) -> None:
        carol = session.scalar(select(User).where(User.username == "carol"))  # type: ignore[attr-defined]
        account = accounts.get_account(session, user_id=carol.id)  # type: ignore[arg-type]
        ledger.post(
            session,  # type: ignore[arg-type]
            account_id=account.id,
            amount=micro - account.balance,
            source="adjustment",
            key=f"many:{next(_numbers)}",
            now=clock.now(),
            title="Taken",
            measured=True,
        )

    with place.app.app_context():
        writing(take)


def queues_on(place: ChargedPlace, cups: Cups, server: str, count: int) -> list[tuple[Cups, str]]:
    """Make so many charged queues to the raw printer: the jobs of one queue would not run at once."""
    with place.app.app_context():
        token = writing(lambda session: tokens.make_machine_token(session, name="m", scope="print", now=clock.now()))
    toml = cups.write_edge_toml(place.url, token, server=server, name="many")
    names = [f"many{number}" for number in range(count)]
    for name in names:
        cups.add_queue(name, toml, place.raw.uri, raw=True)
    return [(cups, name) for name in names]


def print_at_once(place: ChargedPlace, queues: list[tuple[Cups, str]]) -> None:
    """Print one job of carol's on each queue at once, with credit for three; exactly three come out and are charged."""
    place.behave()
    leave_carol(place, AFFORDED * PAGES * GREY)
    document, before = place.document("many", PAGES), place.last_entry()
    with ThreadPoolExecutor(len(queues)) as pool:
        numbers = list(pool.map(lambda queue: queue[0].print_file(queue[1], "carol", document, "essay"), queues))
    ended = [
        cups.wait_job(number, "completed", "canceled", timeout_s=60)
        for (cups, _), number in zip(queues, numbers, strict=True)
    ]
    assert sorted(state for state, _ in ended) == ["canceled"] * (len(queues) - AFFORDED) + ["completed"] * AFFORDED
    assert all("Not printed" in why for state, why in ended if state == "canceled")
    place.cups.wait_for(lambda: place.books(before).entries == AFFORDED, "three are charged")
    seen = place.books(before)
    assert (seen.charged, seen.money, seen.holds) == (AFFORDED * PAGES, AFFORDED * PAGES * GREY, 0)
    assert place.came_out() == AFFORDED * PAGES


def test_ten_at_once_with_credit_for_three_on_two_servers(charged_place: ChargedPlace, second: Cups) -> None:
    queues = queues_on(charged_place, charged_place.cups, "print-a", 5) + queues_on(charged_place, second, "print-b", 5)
    print_at_once(charged_place, queues)


@pytest.mark.long
def test_ten_at_once_with_credit_for_three_on_one_server(charged_place: ChargedPlace) -> None:
    print_at_once(charged_place, queues_on(charged_place, charged_place.cups, "print-c", 10))


@pytest.mark.long
def test_a_burst_of_fifty_on_one_queue_is_all_charged(charged_place: ChargedPlace) -> None:
    place = charged_place
    ((cups, queue),) = queues_on(place, place.cups, "print-d", 1)
    place.behave()
    document, before = place.document("burst", PAGES), place.last_entry()
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: cups.print_file(queue, "alice", document), range(50)))
    for number in numbers:
        cups.wait_job(number, "completed", timeout_s=120)
    seen = place.books(before)
    assert (seen.entries, seen.charged, seen.holds) == (50, 50 * PAGES, 0)
    assert place.came_out() == 50 * PAGES
