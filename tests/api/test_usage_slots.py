"""Usage by slot of time, as large batches bring it: charged once, shown by hour, priced by site, unknown names kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, select

from app import clock
from app.db import reading, writing
from app.internet import api, hours, rates, unmatched
from app.internet.hours import Slot, pack, unpack
from app.internet.models import UnmatchedUsage, UsageDomain, UsageHour, UsagePeriod
from app.internet.rate_models import InternetRates, SiteList
from app.settings import settings_of_app
from edge import squid_lines
from tests.api.conftest import INTERNET, Instance

MB = 1_000_000
PER_MB = 10_000
HOUR = 1_795_426_800 - 1_795_426_800 % 3600


def slots_body(number: int, users: list[str], *slots: list[Any], **more: Any) -> dict[str, Any]:
    newest = [HOUR + 5] * len(users)
    body = {"source": "p", "batch": number, "position": {}, "users": users, "newest": newest, "slots": list(slots)}
    return body | more


def hours_of(instance: Instance, name: str) -> list[tuple[int, ...]]:
    with instance.app.app_context():
        plan = rates.load(reading(), settings_of_app())
        while writing(lambda session: hours.add_waiting(session, plan=plan)):
            pass
        rows = select(UsageHour).where(UsageHour.user_id == instance.users[name])
        return [
            (row.site_list_id, row.download, row.upload, row.cached, row.requests, row.charged)
            for row in reading().scalars(rows.order_by(UsageHour.hour, UsageHour.site_list_id))
        ]


def test_slots_become_one_entry_a_person_and_hours(internet: Instance) -> None:
    first = [HOUR, [0, 1, 2], [], [5 * MB, MB, MB], [MB, 0, 0], [0, MB, 0], [9, 1, 1]]
    second = [HOUR + 3600, [0], [], [MB], [], [], [2]]
    body = slots_body(1, ["alice", "bob", "Alice"], first, second)
    assert internet.ok("POST", f"{INTERNET}/usage", body)["booked"] == 2
    assert internet.ok("POST", f"{INTERNET}/usage", body)["booked"] == 0
    [entry] = internet.entries("alice", "internet")
    assert (entry.amount, entry.quantity) == (-8 * PER_MB, 8 * MB)
    assert hours_of(internet, "alice") == [
        (0, 6 * MB, MB, 0, 10, 7 * MB * PER_MB),
        (0, MB, 0, 0, 2, MB * PER_MB),
    ]
    assert hours_of(internet, "bob") == [(0, MB, 0, MB, 1, MB * PER_MB)]


def test_a_proxy_sends_no_time_that_is_refused(internet: Instance) -> None:
    assert squid_lines.LATEST_S == api.LATEST_S
    latest = api.LATEST_S - api.LATEST_S % 3600 - 3600
    body = slots_body(1, ["alice"], [latest, [0], [], [MB], [], [], [1]], newest=[api.LATEST_S - 1])
    assert internet.ok("POST", f"{INTERNET}/usage", body)["booked"] == 1


def test_what_is_too_much_at_once_waits_and_is_added_up(internet: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "AT_ONCE", 1)
    monkeypatch.setattr(hours, "CHUNK", 2)
    slots = [[HOUR + 3600 * n, [0, 1], [], [MB, 7], [], [], [1, 1]] for n in range(5)]
    internet.ok("POST", f"{INTERNET}/usage", slots_body(1, ["alice", "bob"], *slots))
    with internet.app.app_context():
        assert reading().scalar(select(UsageHour.user_id).limit(1)) is None
        assert hours.anything_waits(reading())
    assert len(hours_of(internet, "alice")) == 5
    assert sum(row[1] for row in hours_of(internet, "alice")) == 5 * MB
    assert internet.figures("alice")[0] == MB - 5 * PER_MB


def test_slots_are_packed_and_unpacked() -> None:
    slots = [Slot(HOUR, [1, 2], [], [3, 4], [5, 6], [], [1, 1], [], 7), Slot(1, [9], [8], [0], [], [], [2], [2**70])]
    assert unpack(pack(slots)) == [
        Slot(HOUR, [1, 2], [], [3, 4], [5, 6], [], [1, 1], [], 7),
        Slot(1, [9], [8], [0], [], [], [2], [hours.LARGEST]),
    ]


def priced(instance: Instance) -> None:
    """5 a MB, nothing for list 3, 100 for each quarter of an hour."""
    row = {"id": 1, "model": "both", "price_per_mb_down": 5, "price_per_period": 100, "changed_at": clock.now()}
    with instance.app.app_context():
        writing(lambda s: s.execute(insert(InternetRates), [row | {"top_domains": True}]))
        writing(
            lambda s: s.execute(insert(SiteList), [{"id": 3, "name": "x", "percent": 0, "domains": "free.example"}])
        )


def test_sites_periods_and_domains(internet: Instance) -> None:
    priced(internet)
    table = internet.call("GET", f"{INTERNET}/table")
    told = table.get_json()
    assert (told["period_s"], told["sites"], told["untimed"], told["domains"]) == (
        900,
        [[3, ["free.example"]]],
        [3],
        True,
    )
    assert (
        internet.call("GET", f"{INTERNET}/table", headers={"If-None-Match": table.headers["ETag"]}).status_code == 304
    )
    slot = [HOUR, [0, 0], [0, 3], [2 * MB, 9 * MB], [], [], [1, 1]]
    more = {"periods": [[0, [HOUR + 10, HOUR + 20, HOUR + 900]]], "domains": [[0, HOUR, "a.example", 2 * MB]]}
    internet.ok("POST", f"{INTERNET}/usage", slots_body(1, ["alice"], slot, **more))
    internet.ok("POST", f"{INTERNET}/usage", slots_body(2, ["alice"], slot, **more))
    assert internet.figures("alice")[0] == MB - 2 * 2 * 5 - 2 * 100
    with internet.app.app_context():
        assert len(reading().scalars(select(UsagePeriod.period)).all()) == 2
        [domain] = reading().scalars(select(UsageDomain))
        assert (domain.domain, domain.bytes) == ("a.example", 4 * MB)


def test_unknown_names_are_priced_by_what_they_used_when_they_are_assigned(internet: Instance) -> None:
    priced(internet)
    slot = [HOUR, [0, 1, 1], [0, 0, 3], [MB, 2 * MB, 9 * MB], [], [], [1, 1, 1]]
    body = slots_body(1, ["alice", "mallory"], slot, periods=[[1, [HOUR]]])
    assert internet.ok("POST", f"{INTERNET}/usage", body)["booked"] == 1
    with internet.app.app_context():
        [kept] = reading().scalars(select(UnmatchedUsage))
        assert (kept.bytes, kept.requests) == (11 * MB, 2)
        assert json.loads(kept.uses)["periods"] == [HOUR]
        plan = rates.load(reading(), settings_of_app())
        assert [each.cost for each in unmatched.list_kept(reading(), plan=plan)] == [10]
        done = writing(
            lambda session: unmatched.assign_chunk(
                session, names=["mallory"], user_id=internet.users["bob"], plan=plan, by="x", now=clock.now()
            )
        )
    assert (done.rows, done.charged) == (1, 2 * 5 + 100)
    assert hours_of(internet, "bob") == [(0, 2 * MB, 0, 0, 1, 110 * MB), (3, 9 * MB, 0, 0, 1, 0)]


@pytest.mark.parametrize(
    "change",
    [
        {"newest": []},
        {"users": ["alice", "alice"], "newest": [1, 1]},
        {"slots": [[HOUR, [0, 0], [], [1], [], [], [1]]]},
        {"slots": [[HOUR, [1], [], [1], [], [], [1]]]},
        {"slots": [[HOUR, [0], [], [-1], [], [], [1]]]},
        {"slots": [[HOUR, [0], [], [1]]]},
        {"periods": [[1, [HOUR]]]},
        {"domains": [[0, HOUR, "", 1]]},
    ],
)
def test_what_does_not_fit_together_is_refused(make_api: Any, change: dict[str, Any]) -> None:
    instance = make_api(charges=("internet",))
    body = slots_body(1, ["alice"], [HOUR, [0], [], [1], [], [], [1]]) | change
    assert instance.call("POST", f"{INTERNET}/usage", body).status_code == 422
    assert instance.ok("GET", f"{INTERNET}/position?source=p") == {"batch": 0, "position": None}
