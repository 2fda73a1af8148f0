"""The door for proxies: usage is booked exactly once, nothing is lost to rounding, and everybody's standing is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.internet import booking, rates
from app.internet.models import UnmatchedUsage
from app.money import MICRO
from app.schedules import service as schedules
from app.settings import settings_of_app
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory
from tests.api.conftest import INTERNET, Instance, batch, item

MB = 1_000_000
PER_MB = 10_000
SIZES = {"alice": 1, "bob": 1000}


def book(instance: Instance, number: int, *items: dict[str, object], **more: str) -> dict[str, object]:
    return instance.ok("POST", f"{INTERNET}/usage", batch(number, *items, **more))


def position(instance: Instance, source: str = "proxy1") -> dict[str, object]:
    return instance.ok("GET", f"{INTERNET}/position?source={source}")


def test_a_batch_moves_the_place_and_the_purse_together(internet: Instance) -> None:
    assert position(internet) == {"batch": 0, "position": None}
    assert book(internet, 1, item(size_bytes=5 * MB)) == {"batch": 1, "position": {"offset": 100}, "booked": 1}
    assert position(internet) == {"batch": 1, "position": {"offset": 100}}
    assert position(internet, "proxy2") == {"batch": 0, "position": None}
    assert internet.figures("alice") == (MICRO - 5 * PER_MB, 0)
    [entry] = internet.entries("alice", "internet")
    assert (entry.quantity, entry.kind, entry.event_at) == (5 * MB, "measured", datetime(2026, 11, 20, 10, tzinfo=UTC))


def test_a_batch_that_comes_again_is_answered_and_books_nothing(internet: Instance) -> None:
    book(internet, 1, item())
    book(internet, 2, item())
    for number in (1, 2):
        assert book(internet, number, item()) == {"batch": 2, "position": {"offset": 200}, "booked": 0}
    assert internet.figures("alice") == (MICRO - 2 * PER_MB, 0)


def test_a_batch_that_leaves_one_out_is_refused_and_changes_nothing(internet: Instance) -> None:
    book(internet, 1, item())
    answer = internet.call("POST", f"{INTERNET}/usage", batch(3, item()))
    assert (answer.status_code, answer.get_json()["error"], answer.get_json()["batch"]) == (409, "wrong_state", 1)
    assert position(internet)["batch"] == 1
    assert len(internet.entries("alice", "internet")) == 1


def test_two_followers_that_race_with_the_same_batches_book_each_once(internet: Instance) -> None:
    def follow(_number: int) -> None:
        for number in range(1, 9):
            internet.call("POST", f"{INTERNET}/usage", batch(number, item(), item("bob")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(follow, range(4)))
    assert position(internet)["batch"] == 8
    assert internet.figures("alice") == (MICRO - 8 * PER_MB, 0)
    assert internet.figures("bob") == (-8 * PER_MB, 0)


def test_two_proxies_that_bring_the_same_people_at_once_lose_nothing(internet: Instance) -> None:
    def follow(source: str) -> None:
        for number in range(1, 11):
            book(internet, number, item(size_bytes=33), item("bob", 33), source=source)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(follow, ["p1", "p2", "p3", "p4"]))
    assert internet.figures("alice")[0] == MICRO - 40 * 33 * PER_MB // MB
    assert sum(entry.quantity or 0 for entry in internet.entries("bob", "internet")) <= 40 * 33


def test_a_thousand_single_bytes_cost_what_a_thousand_bytes_cost(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    at = datetime(2026, 11, 20, tzinfo=UTC)
    single, thousand = (booking.UsageItem(name, internet.users[name], size, 1, at) for name, size in SIZES.items())

    def drip(session: Session) -> None:
        for number in range(1, 1001):
            items = [single, thousand] if number == 1000 else [single]
            usage = booking.usage_of(items)
            booking.book(session, source="p", batch=number, position={}, usage=usage, plan=plan, now=clock.now())

    with internet.app.app_context():
        plan = rates.load(reading(), settings_of_app())
        writing(drip)
    assert internet.figures("alice") == internet.figures("bob") == (-1000 * PER_MB // MB, 0)
    assert sum(entry.quantity or 0 for entry in internet.entries("alice", "internet")) == 1000


def test_unknown_names_are_kept_aside_and_one_persons_names_are_joined(internet: Instance) -> None:
    strange = [item("mallory", 5), item("mallory", 6), item("Mallory", 7), item("a\0b", 8), item("-", 9)]
    answer = book(internet, 1, item("Alice", MB), item("alice", MB), item(" ALICE", MB), *strange)
    assert answer["booked"] == 1
    assert [(entry.amount, entry.quantity) for entry in internet.entries("alice", "internet")] == [
        (-3 * PER_MB, 3 * MB)
    ]
    with internet.app.app_context():
        kept = reading().execute(select(UnmatchedUsage.username, UnmatchedUsage.bytes, UnmatchedUsage.requests)).all()
    assert sorted(map(tuple, kept)) == sorted(
        [("mallory", 11, 8), ("Mallory", 7, 4), ("a\N{REPLACEMENT CHARACTER}b", 8, 4), ("-", 9, 4)]
    )


def test_the_largest_counts_fit(internet: Instance) -> None:
    most = {"requests": 2**31 - 1, "bytes": 2**53 - 1}
    assert book(internet, 1, item("mallory", **most), item("mallory", **most), item("alice", **most))["batch"] == 1


def test_a_refusal_is_explained_with_the_next_credit(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    path = f"{INTERNET}/standing/Alice"
    found = internet.ok("GET", path)
    assert (found["user"], found["allowed"], found["details_url"]) == ("alice", False, "http://127.0.0.1:8002/")
    assert found["message"].startswith("Your Internet purse is empty: $0.00 left. No credit is planned.")
    with internet.app.app_context():
        zone = internet.app.extensions["twinpurse.settings"].zone
        tomorrow = (clock.now().astimezone(zone) + timedelta(days=1)).date()
        terms = schedules.Terms(
            name="Monthly Internet money",
            everyone=True,
            groups=(),
            amount=10 * MICRO,
            top_up="add",
            cap=None,
            period="daily",
            weekdays=(),
            month_day=None,
            time_of_day="00:05",
            time_zone=str(zone),
            starts_on=tomorrow,
        )
        writing(lambda session: schedules.create(session, terms=terms, now=clock.now()))
    assert "Next credit: +$10.00 on Tomorrow 00:05." in internet.ok("GET", path)["message"]
    assert "\n" not in internet.ok("GET", path)["message"]
    internet.credit("alice", 1)
    assert internet.ok("GET", path) | {"details_url": ""} == {
        "user": "alice",
        "allowed": True,
        "how": "",
        "message": "",
        "messages": {},
        "details_url": "",
    }
    assert internet.call("GET", f"{INTERNET}/standing/mallory").status_code == 404


def test_in_monitor_mode_everybody_may_go_on(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",), mode="monitor")
    book(internet, 1, item(size_bytes=500 * MB))
    standing = internet.ok("GET", f"{INTERNET}/standing")
    assert (standing["mode"], set(standing["users"].values())) == ("monitor", {True})
    assert internet.ok("GET", f"{INTERNET}/standing/alice")["allowed"] is True


@pytest.mark.parametrize("source", ["", "x" * 81, "a%00b"])
def test_a_source_must_have_a_name(internet: Instance, source: str) -> None:
    assert internet.call("GET", f"{INTERNET}/position?source={source}").status_code == 422


def test_what_held_money_pays_for_is_not_there_for_the_internet(make_api: Callable[..., Instance]) -> None:
    shared = make_api(charges=("print", "internet"))
    shared.credit("alice", 100_000)
    body = {"server": "s", "printer": "p", "user": "alice", "job_id": 1, "job_uuid": "1", "pages": 2}
    assert shared.ok("POST", "/api/v1/print/jobs", body)["decision"] == "print"
    assert shared.ok("GET", f"{INTERNET}/standing/alice")["allowed"] is False


def test_one_purse_pays_for_both(make_api: Callable[..., Instance], database_url: str) -> None:
    shared = make_api(charges=("print", "internet"), database_url=database_url)
    shared.credit("alice", MICRO)
    body = {"server": "s", "printer": "p", "user": "alice", "job_id": 1, "job_uuid": "1", "pages": 4}
    asked = shared.ok("POST", "/api/v1/print/jobs", body)
    shared.ok("POST", f"/api/v1/print/jobs/{asked['job']}/capture", {"run": 1, "pages": 4})
    book(shared, 1, item(size_bytes=30 * MB))
    assert shared.figures("alice") == (MICRO - 200_000 - 300_000, 0)
    book(shared, 2, item(size_bytes=50 * MB))
    refused = shared.ok("POST", "/api/v1/print/jobs", body | {"job_uuid": "2", "pages": 1})
    assert refused["decision"] == "cancel"


def test_a_new_name_stops_nobodys_usage_while_the_directory_is_away(internet: Instance, cast: MemoryDirectory) -> None:
    cast.failure = DirectoryUnavailableError("away")
    before, _ = internet.figures("alice")
    internet.ok("POST", f"{INTERNET}/usage", batch(1, item("alice"), item("guest")))
    assert internet.figures("alice")[0] == before - 10_000
    with internet.app.app_context():
        kept = reading().scalars(select(UnmatchedUsage)).all()
        assert [(row.username, row.bytes) for row in kept] == [("guest", MB)]
