"""Unknown names: what they used is kept, assigned to a person once, or dismissed; by hand and thousands at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from app import clock
from app.db import reading, writing
from app.errors import InvalidInputError
from app.internet import unmatched
from app.internet.models import UnmatchedUsage
from app.ledger.models import Entry
from app.money import MICRO
from app.people import aliases
from app.people.models import UserName
from app.printing.models import PrintJob
from app.quarantine import service
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory, MemoryPerson
from tests.api.conftest import INTERNET, PRINT, Instance, batch, item, job
from tests.conftest import person
from tests.web.browsing import Browser, signed_in

MB = 1_000_000
PER_MB = 10_000
PAGE = "/admin/people/unknown"


@pytest.fixture
def both(make_api: Callable[..., Instance], database_url: str) -> Instance:
    """An instance whose one purse pays for both."""
    return make_api(charges=("print", "internet"), database_url=database_url)


@pytest.fixture
def monitored(make_api: Callable[..., Instance]) -> Instance:
    """One that counts and never refuses."""
    return make_api(charges=("print", "internet"), mode="monitor")


def names(instance: Instance) -> list[service.UnknownName]:
    with instance.app.app_context():
        settings = instance.app.extensions["twinpurse.settings"]
        return service.list_names(reading(), settings=settings, now=clock.now())


def use(instance: Instance, number: int, *items: dict[str, object], **more: str) -> None:
    instance.ok("POST", f"{INTERNET}/usage", batch(number, *items, **more))


def office(instance: Instance) -> Browser:
    return signed_in(instance.app, "admin")


def post(browser: Browser, name: service.UnknownName, verb: str, **fields: Any) -> Any:
    fields = {field: str(value) for field, value in fields.items()}
    return browser.send(f"{PAGE}/{name.handle}/{verb}", "/", **fields)


def test_what_an_unknown_name_used_is_charged_once_to_whom_it_is_assigned(both: Instance) -> None:
    use(both, 1, item("mallory", 5 * MB, at="2026-11-20T10:00:00Z"), item("bob"))
    use(both, 2, item("Mallory", 2 * MB, at="2026-11-21T10:00:00Z"))
    use(both, 1, item("mallory", 33, at="2026-11-21T11:00:00Z"), source="proxy2")
    [name] = names(both)
    assert (name.key, name.machines, name.size_bytes, name.rows) == ("mallory", ["proxy1", "proxy2"], 7 * MB + 33, 3)
    assert (name.first_at, name.last_at) == (
        datetime(2026, 11, 20, 10, tzinfo=UTC),
        datetime(2026, 11, 21, 11, tzinfo=UTC),
    )
    browser = office(both)
    page = browser.text(PAGE)
    assert "mallory 7.0 MB proxy1, proxy2" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "1 unknown name waits" in browser.text("/admin/people")
    assert "Alice Andersson" in browser.text(f"{PAGE}/{name.handle}?q=ali")
    answer = post(browser, name, "assign", user_id=both.users["alice"])
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/people/{both.users['alice']}")
    booked = both.entries("alice", "internet")
    assert sorted(entry.amount for entry in booked) == [-5 * PER_MB, -2 * PER_MB]
    assert {entry.event_at.isoformat() for entry in booked} == {
        "2026-11-20T10:00:00+00:00",
        "2026-11-21T10:00:00+00:00",
    }
    assert {entry.kind for entry in booked} == {"measured"}
    assert post(browser, name, "assign", user_id=both.users["alice"]).status_code == 404
    assert (names(both), len(both.entries("alice", "internet"))) == ([], 2)
    use(both, 3, item("MALLORY", 2 * MB - 33))
    assert both.figures("alice")[0] == -9 * PER_MB  # what was cut off before is not lost
    with both.app.app_context():
        kept = reading().execute(select(UnmatchedUsage.assigned_to_id, UnmatchedUsage.settled_by)).all()
        assert set(map(tuple, kept)) == {(both.users["alice"], "Ada Min (admin)")}


def test_what_is_dismissed_is_charged_to_nobody_and_kept_with_the_reason(both: Instance) -> None:
    use(both, 1, item("guest-tv", 50 * MB))
    [name] = names(both)
    browser = office(both)
    assert post(browser, name, "dismiss", reason=" ").status_code == 422
    assert post(browser, name, "dismiss", reason="The screen in the hall").status_code == 303
    assert names(both) == []
    with both.app.app_context():
        [row] = reading().scalars(select(UnmatchedUsage))
        assert (row.reason, row.settled_by, row.assigned_to_id) == ("The screen in the hall", "Ada Min (admin)", None)
        assert reading().scalar(select(func.count()).select_from(Entry)) == 0
    use(both, 2, item("guest-tv", MB))
    [again] = names(both)
    assert again.size_bytes == MB


def test_a_name_of_somebody_cannot_be_given_to_another(both: Instance) -> None:
    use(both, 1, item("mallory", MB))
    [name] = names(both)
    with both.app.app_context():
        make = {"user_id": both.users["bob"], "name": "mallory", "domains": (), "by": "Ada", "now": clock.now()}
        writing(lambda session: aliases.add(session, **make))
    [name] = names(both)
    assert name.holder is not None
    assert name.holder.username == "bob"
    browser = office(both)
    assert "By now this is a name of Bob Brown" in browser.text(f"{PAGE}/{name.handle}")
    refused = post(browser, name, "assign", user_id=both.users["alice"])
    assert (refused.status_code, "another name of Bob Brown" in refused.text) == (422, True)
    assert both.entries("alice", "internet") == []
    assert post(browser, name, "assign", user_id=both.users["bob"]).status_code == 303
    assert [entry.amount for entry in both.entries("bob", "internet")] == [-PER_MB]
    assert post(browser, name, "assign", user_id=10**9).status_code == 404


def test_two_administrators_at_the_same_moment_charge_one_person_once(both: Instance) -> None:
    for number in range(1, 6):
        use(both, number, item("mallory", MB), item("Mallory", MB))
    [name] = names(both)
    settings = both.app.extensions["twinpurse.settings"]

    def assign(to: str) -> int:
        with both.app.app_context():
            try:
                return service.assign(
                    name, user_id=both.users[to], settings=settings, by="Ada", now=clock.now()
                ).charged
            except InvalidInputError:
                return 0

    with ThreadPoolExecutor(4) as pool:
        charged = list(pool.map(assign, ("alice", "bob", "alice", "bob")))
    assert sum(charged) == 10 * PER_MB
    assert sorted((both.figures("alice")[0], both.figures("bob")[0])) == [-10 * PER_MB, 0]
    assert names(both) == []


def test_who_came_into_the_directory_meanwhile_keeps_their_name(both: Instance, cast: MemoryDirectory) -> None:
    use(both, 1, item("nina", MB))
    [name] = names(both)
    browser = office(both)
    cast.failure = DirectoryUnavailableError("away")
    refused = post(browser, name, "assign", user_id=both.users["alice"])
    assert (refused.status_code, "does not answer" in refused.text) == (503, True)
    cast.failure = None
    cast.put(MemoryPerson(person("nina", "Nina New", ()), "secret"))
    refused = post(browser, name, "assign", user_id=both.users["alice"])
    assert (refused.status_code, "the name of Nina New" in refused.text) == (422, True)
    assert both.figures("alice") == (0, 0)


def test_refused_jobs_of_an_unknown_name_stand_there_and_go_to_the_person(both: Instance) -> None:
    for number in range(3):
        assert both.ok("POST", PRINT, job(user="mallory", job_uuid=str(number)))["decision"] == "cancel"
    [name] = names(both)
    assert (name.refused, name.has_charges, name.machines) == (3, False, ["cups1"])
    assert post(office(both), name, "assign", user_id=both.users["alice"]).status_code == 303
    assert (names(both), both.figures("alice")) == ([], (0, 0))
    with both.app.app_context():
        owners = set(reading().scalars(select(PrintJob.user_id)))
        assert owners == {both.users["alice"]}
    both.credit("alice", MICRO)
    assert both.ok("POST", PRINT, job(user="mallory", job_uuid="9"))["decision"] == "print"


def printed(instance: Instance, user: str, uuid: str, pages: int) -> None:
    asked = instance.ok("POST", PRINT, job(user=user, job_uuid=uuid, pages=pages))
    done = instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": pages})
    assert done["charged_micro"] == 0


def test_what_monitor_mode_let_print_is_charged_when_the_name_is_assigned(monitored: Instance) -> None:
    printed(monitored, "mallory", "1", 4)
    printed(monitored, "trent", "2", 7)
    found = {name.key: name for name in names(monitored)}
    assert (found["mallory"].pages, found["mallory"].cost) == (4, 200_000)
    browser = office(monitored)
    assert post(browser, found["trent"], "dismiss", reason="A test page").status_code == 303
    assert post(browser, found["mallory"], "assign", user_id=monitored.users["alice"]).status_code == 303
    assert [(entry.amount, entry.quantity) for entry in monitored.entries("alice", "print")] == [(-200_000, 4)]
    assert names(monitored) == []


def test_thousands_of_rows_are_one_pass_that_can_be_interrupted(
    both: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rows(both, "mallory", 3_000)
    [name] = names(both)
    monkeypatch.setattr(unmatched.assign_chunk, "__kwdefaults__", {"limit": 1_000})
    whole, calls = service.internet.assign_chunk, []

    def dies(session: Any, **asked: Any) -> Any:
        calls.append(1)
        done = whole(session, **asked)
        if len(calls) == 2:
            raise RuntimeError("the machine goes down")
        return done

    monkeypatch.setattr(service.internet, "assign_chunk", dies)
    settings = both.app.extensions["twinpurse.settings"]
    asked = {"user_id": both.users["alice"], "settings": settings, "by": "Ada", "now": clock.now()}
    with both.app.app_context():
        with pytest.raises(RuntimeError, match="goes down"):
            service.assign(name, **asked)
        [left] = names(both)
        assert (left.rows, left.holder and left.holder.username) == (2_000, "alice")
        began = time.monotonic()
        assert service.assign(left, **asked).rows == 2_000
        assert time.monotonic() - began < 5
        assert reading().get(UserName, "mallory") is not None
    assert both.figures("alice") == (-3_000 * PER_MB, 0)
    assert len({entry.key for entry in both.entries("alice", "internet")}) == 3_000


def add_rows(instance: Instance, username: str, count: int) -> None:
    row = {"source": "proxy9", "username": username, "bytes": MB, "requests": 1, "at": clock.now()}
    with instance.app.app_context():
        writing(
            lambda session: session.execute(
                insert(UnmatchedUsage), [row | {"batch": number} for number in range(count)]
            )
        )


def test_the_list_as_a_file_and_odd_names_do_no_harm(both: Instance) -> None:
    use(both, 1, item("=cmd|' /C calc'!A0", MB), item("<script>alert(1)</script>", MB), item("a\0b", 8))
    browser = office(both)
    text = browser.get(f"{PAGE}/names.csv").get_data(as_text=True)
    assert text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}name,machines,first,last,bytes")
    assert "\r\n'=cmd|' /c calc'!a0,proxy1," in text
    assert "<script>alert" not in browser.get(PAGE).text
    assert [browser.get(f"{PAGE}/{name.handle}").status_code for name in names(both)] == [200] * 3
    assert browser.get(f"{PAGE}/nothing").status_code == 404
