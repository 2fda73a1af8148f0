"""What proxies are told: everybody's standing with its changes, and which running connections shall end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError
from app.internet import running
from app.internet.rate_models import InternetRates, RateForUser, SiteList
from app.internet.running_models import RunningEnd, RunningReport
from app.internet.standing import StandingTable
from app.jobs import ticker
from app.people.models import User
from edge.client import Answer
from edge.standing import Standing
from tests.api.conftest import INTERNET, Instance, batch, item

MB = 1_000_000


class Door:
    """An instance as a proxy's helper reaches it."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        answer = self._instance.call("GET", f"/api/v1{path}")
        return Answer(answer.status_code, {}, answer.get_json() or {})


def standing(instance: Instance, since: str = "") -> dict[str, object]:
    return instance.ok("GET", f"{INTERNET}/standing?since={since}")


def report(instance: Instance, *rows: list[object], source: str = "proxy1") -> list[str]:
    found: list[str] = instance.ok("POST", f"{INTERNET}/running", {"source": source, "connections": rows})["end"]
    return found


def row(
    key: str = "5001/1795431414096", user: str = "alice", host: str = "video.example.org", **changes: int
) -> list[object]:
    sizes = {"download": 5 * MB, "upload": 0, "pending_download": 0, "pending_upload": 0} | changes
    return [key, user, host, 1_795_431_414, *sizes.values()]


def rates(instance: Instance, *more: object, **values: object) -> None:
    plan = {"version": 40, "price_per_mb_down": 10_000, "price_per_mb_up": 10_000} | values
    with instance.app.app_context():

        def work(session: object) -> None:
            session.merge(InternetRates(id=1, changed_at=clock.now(), **plan))  # type: ignore[attr-defined]
            session.add_all(more)  # type: ignore[attr-defined]

        writing(work)


def test_standing_says_who_may_go_on_and_what_changed(internet: Instance) -> None:
    first = internet.call("GET", f"{INTERNET}/standing")
    body = first.get_json()
    version = body.pop("version")
    assert body == {
        "mode": "enforce",
        "domains": [],
        "open": ["127.0.0.1"],
        "closed": [],
        "full": True,
        "users": {"admin": False, "alice": True, "bob": False, "carol": False},
    }
    tag = {"If-None-Match": first.headers["ETag"]}
    same = internet.call("GET", f"{INTERNET}/standing", headers=tag)
    assert (same.status_code, same.get_data()) == (304, b"")
    assert internet.call("GET", f"{INTERNET}/standing?since={version}").status_code == 304
    internet.ok("POST", f"{INTERNET}/usage", batch(1, item(size_bytes=99 * MB)))
    assert internet.call("GET", f"{INTERNET}/standing?since={version}").status_code == 304
    internet.ok("POST", f"{INTERNET}/usage", batch(2, item(size_bytes=MB)))
    internet.credit("bob", 1)
    found = standing(internet, version)
    assert (found["full"], found["users"]) == (False, {"alice": False, "bob": True})
    changed = internet.call("GET", f"{INTERNET}/standing", headers=tag)
    assert (changed.status_code, changed.get_json()["users"]["alice"]) == (200, False)
    assert standing(internet, "another.3")["full"] is True


def test_what_changes_many_changes_the_list(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    internet.credit("alice", MB)
    version = str(standing(internet)["version"])
    with internet.app.app_context():
        writing(lambda session: session.execute(update(User).where(User.username == "alice").values(status="disabled")))
    found = standing(internet, version)
    assert found["users"] == {"alice": False}
    rates(internet, RateForUser(user_id=internet.users["bob"], percent=0), at_empty="slow")
    found = standing(internet, str(found["version"]))
    assert found["users"] == {"admin": "slow", "bob": True, "carol": "slow"}, "bob pays nothing; alice is disabled"
    assert internet.ok("GET", f"{INTERNET}/standing/carol")["how"] == "slow"
    assert internet.ok("GET", f"{INTERNET}/standing/alice")["allowed"] is False
    assert internet.ok("GET", f"{INTERNET}/standing/bob")["how"] == ""
    rates(
        internet,
        SiteList(name="Intranet", percent=0, always_open=True, domains="example.org"),
        at_empty="stop",
        version=41,
    )
    assert standing(internet)["open"] == ["127.0.0.1", "example.org"]


def test_below_an_open_site_the_longest_counts(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    before = internet.call("GET", f"{INTERNET}/standing").headers["ETag"]
    lists = [
        SiteList(id=1, name="Open", percent=100, always_open=True, domains="example.org\nchess.games.example.org\n::1"),
        SiteList(id=2, name="Dear", percent=200, domains="games.example.org\norg\nother.test"),
    ]
    rates(internet, *lists)
    found = internet.call("GET", f"{INTERNET}/standing", headers={"If-None-Match": before})
    body = found.get_json()
    assert body["open"] == ["127.0.0.1", "::1", "chess.games.example.org", "example.org"]
    assert body["closed"] == ["games.example.org"]
    helper = Standing(Door(internet))
    helper.refresh()
    hosts = ["example.org", "a.example.org", "games.example.org", "a.games.example.org", "chess.games.example.org"]
    hosts += ["::1", "other.test"]
    is_open = [helper.is_open(host) for host in hosts]
    assert is_open == [True, True, False, False, True, True, False]
    rows = [row(f"{number}/{number}", "bob", host) for number, host in enumerate(hosts)]
    ended = set(report(internet, *rows))
    assert is_open == [f"{number}/{number}" not in ended for number in range(len(hosts))]

    def open_games(session: Session) -> None:
        session.execute(update(SiteList).values(always_open=True))
        session.execute(update(InternetRates).values(version=41))

    with internet.app.app_context():
        writing(open_games)
    again = internet.call("GET", f"{INTERNET}/standing", headers={"If-None-Match": found.headers["ETag"]})
    assert (again.status_code, again.get_json()["closed"]) == (200, [])


def test_looking_again_reads_nobody(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    with internet.app.app_context():
        settings = internet.app.extensions["twinpurse.settings"]
        table = StandingTable()
        version = table.tell(reading(), settings=settings).version
        table._full_at = float("inf")
        table._read_all = table._read_some = None  # type: ignore[assignment, method-assign]
        assert table.tell(reading(), settings=settings, since=version).users is None


def test_a_connection_ends_when_what_is_pending_empties_the_purse(internet: Instance) -> None:
    assert report(internet, row(pending_download=99 * MB)) == []
    assert report(internet, row(pending_download=60 * MB), row("2/2", pending_upload=40 * MB), row("3/3", "Bob")) == [
        "2/2",
        "3/3",
        "5001/1795431414096",
    ], "all of alice's, and bob has nothing"
    assert report(internet, row("4/4", "nobody", pending_download=999 * MB)) == []


def test_what_is_free_or_open_or_left_to_end_goes_on(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    internet.credit("alice", MB)
    lists = [
        SiteList(id=1, name="Videos", percent=0, domains="example.org\nfree.test"),
        SiteList(id=2, name="Open", percent=100, always_open=True, domains="open.test"),
    ]
    rates(internet, *lists, RateForUser(user_id=internet.users["carol"], percent=0))
    assert (
        report(internet, row(pending_download=500 * MB), row("2/2", "carol", "a.test", pending_download=500 * MB)) == []
    )
    assert report(internet, row("3/3", "bob", "www.open.test"), row("4/4", "bob", "127.0.0.1")) == []
    assert report(internet, row("5/5", "bob", "notopen.test")) == ["5/5"]
    rates(internet, running="leave", version=42)
    assert report(internet, row("5/5", "bob", "notopen.test")) == []
    rates(internet, running="end", at_empty="warn", version=43)
    assert report(internet, row("5/5", "bob", "notopen.test")) == []


def test_an_administrator_ends_one_and_hosts_are_forgotten(internet: Instance) -> None:
    assert report(internet, row(), row("2/2", "nobody"), source="p2") == []
    now = clock.now()
    with internet.app.app_context():
        second, first = running.list_running(reading(), now=now)
        assert (first.source, first.name, first.host, first.download) == (
            "p2",
            "Alice Andersson",
            "video.example.org",
            5 * MB,
        )
        assert first.user_id == internet.users["alice"]
        assert (second.name, second.user_id, second.ending) == ("nobody", None, False)
        writing(lambda session: running.ask_end(session, connection_id="2/2", by="admin", now=now, source="p2"))
        assert running.list_running(reading(), now=now)[0].ending
        with pytest.raises(NotFoundError):
            writing(lambda session: running.ask_end(session, connection_id="9/9", by="admin", now=now))
    assert report(internet, row(), row("2/2", "nobody"), source="p2") == ["2/2"]
    assert report(internet, row(), source="p2") == []
    with internet.app.app_context():
        assert reading().scalar(select(func.count()).select_from(RunningEnd)) == 0
        assert running.list_running(reading(), now=now + timedelta(seconds=20)) == []
    ticker.tick(internet.app, holder="t", now=now + timedelta(minutes=2))
    with internet.app.app_context():
        assert reading().scalar(select(func.count()).select_from(RunningReport)) == 0


def test_odd_reports_are_refused(make_api: Callable[..., Instance]) -> None:
    internet = make_api(charges=("internet",))
    for bad in (row("x"), row(user=""), row(download=-1), row()[:7], row(download=2**53)):
        answer = internet.call("POST", f"{INTERNET}/running", {"source": "p", "connections": [bad]})
        assert answer.status_code == 422, bad
