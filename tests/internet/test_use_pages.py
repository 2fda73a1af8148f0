"""Internet use: sums against independent ones, on both databases; the pages, the file, and what is kept of domains."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.internet import running, use_privacy, use_reports
from app.internet.models import UsageDomain, UsageHour
from app.internet.rate_changes import Rates
from app.internet.rate_rules import Hours
from app.internet.standing_api import table_of_app
from app.internet.tasks import forget_domains
from app.internet.use_reports import Span
from app.jobs.ticker import tick
from app.ledger import accounts
from app.ledger import service as ledger
from app.settings import settings_of_app
from tests.internet.conftest import Save, at
from tests.web.browsing import Browser, signed_in

BERLIN = ZoneInfo("Europe/Berlin")
BILLION = 10**9
USE = "/admin/internet-use"


def test_sums_equal_independent_ones(
    make_instance: Callable[..., Flask], database_url: str, known: Callable[..., dict[str, int]]
) -> None:
    """Random hours around a local day that has 25 of them, with charges that only two 64-bit numbers hold."""
    chance = random.Random(7)  # noqa: S311
    app = make_instance(charges=("internet",), database_url=database_url)
    with app.app_context():
        people = known()
        start = datetime(2026, 10, 24, 12, tzinfo=UTC)
        rows = [
            UsageHour(
                user_id=user_id,
                hour=start + timedelta(hours=hour),
                site_list_id=site,
                download=chance.randrange(BILLION),
                upload=chance.randrange(BILLION),
                cached=chance.randrange(1000),
                requests=chance.randrange(100),
                charged=chance.randrange(4 * 10**18, 5 * 10**18),
            )
            for user_id in people.values()
            for hour in range(48)
            for site in (0, 5)
            if chance.random() < 0.7
        ]
        facts = [
            (row.user_id, row.hour, row.site_list_id, row.download + row.upload, row.charged, row.requests)
            for row in rows
        ]
        writing(lambda session: session.add_all(rows))
        span = Span(date(2026, 10, 25), date(2026, 10, 25), BERLIN)
        assert span.end - span.start == timedelta(hours=25)
        facts = [fact for fact in facts if fact[1].astimezone(BERLIN).date() == span.first]
        session = reading()
        total, count = use_reports.in_all(session, span=span)
        assert (total.size, total.charged) == (sum(fact[3] for fact in facts), sum(fact[4] for fact in facts))
        assert count == len({fact[0] for fact in facts})
        sizes = Counter[int]()
        for fact in facts:
            sizes[fact[0]] += fact[3]
        shown = use_reports.by_person(session, span=span, order="size", limit=2)
        assert [(row.id, row.used.size) for row in shown] == sizes.most_common(2)
        rest = use_reports.by_person(session, span=span, order="size", limit=9, offset=2)
        assert [(row.id, row.used.size) for row in rest] == sizes.most_common()[2:]
        students = next(
            row for row in use_reports.by_group(session, span=span, order="size", limit=9) if row.people == 2
        )
        assert students.used.size == sizes[people["alice"]] + sizes[people["bob"]]
        by_hour = use_reports.folded(
            use_reports.by_hour(session, span=span), list(range(24)), lambda when: when.astimezone(BERLIN).hour
        )
        twice = sum(fact[3] for fact in facts if fact[1].astimezone(BERLIN).hour == 2)
        assert dict(by_hour)[2].size == twice
        by_site = dict(use_reports.by_site_list(session, span=span))
        assert by_site[5].requests == sum(fact[5] for fact in facts if fact[2] == 5)
        mine = use_reports.of_person(session, user_id=people["bob"], span=span)
        assert sum(used.size for _, _, used in mine) == sizes[people["bob"]]


def test_people_read_what_they_used_what_it_cost_and_why(
    net_app: Flask,
    people: dict[str, int],
    save: Save,
    save_list: Callable[..., int],
    use: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Wednesday: today, its week and its month; the kind of site and the hours that made the price."""
    with net_app.app_context():
        save(Rates(down=10_000, hours=(Hours("Evening", "1234567", 1080, 1320, 50),)), at("2026-01-01T00:00+00:00"))
        free = save_list("Library", 0, "library.example", now=at("2026-01-01T00:00+00:00"))
        alice = people["alice"]
        use(alice, "2026-11-18T10:00+01:00", download=5_000_000, upload=100_000, charged=50_000 * 10**6)
        use(alice, "2026-11-18T19:00+01:00", download=4_000_000, charged=20_000 * 10**6)
        use(alice, "2026-11-16T09:00+01:00", free, download=7_000_000, cached=2_000_000)
        use(alice, "2026-11-01T00:00+01:00", download=1_000_000, charged=10_000 * 10**6)
        use(alice, "2026-10-31T23:00+01:00", download=900_000_000)
        use(people["bob"], "2026-11-18T10:00+01:00", download=800_000_000)
    monkeypatch.setattr(clock, "now", lambda: at("2026-11-18T20:30+01:00"))
    browser = signed_in(net_app, "alice")
    page = browser.text("/internet-use")
    assert "Today 9.1 MB $0.07 This week 16 MB $0.07 This month 17 MB $0.08" in page
    assert "Library (free) the usual price 7.0 MB – free" in page
    assert "All other sites half the price 4.0 MB – $0.02" in page
    assert "2.0 MB of it came from the proxy’s own store" in page
    assert "Which sites you visit is not kept." in page
    assert "Now: Evening , half the price. From today 22:00 : the usual price." in page
    assert "Library" not in browser.text("/internet-use?time=today")
    month = browser.text("/internet-use?time=month")
    assert "Sun 1 Nov 1.0 MB $0.01" in month
    for nonsense in ("?time=x", "?time=%00", "?time[]=week"):
        assert browser.get(f"/internet-use{nonsense}").status_code == 200


def test_administrators_see_everybody_in_chosen_days_and_as_a_file(
    net_app: Flask, people: dict[str, int], use: Callable[..., None]
) -> None:
    with net_app.app_context():
        for name, size in (("alice", 3), ("bob", 2)):
            use(people[name], "2026-11-18T10:00+01:00", download=size * 10**6, charged=size * 10**10)
    ada = signed_in(net_app, "admin")
    days = "from=2026-11-18&to=2026-11-18"
    page = ada.text(f"{USE}?{days}")
    assert page.index("Alice Andersson") < page.index("Bob Brown")
    assert "60%" in page
    assert "Students 2 people 100%" in ada.text(f"{USE}?by=groups&{days}")
    assert "10:00 to 11:00 100% 5.0 MB" in ada.text(f"{USE}?by=hours&{days}")
    assert "All sites 100% 5.0 MB" in ada.text(f"{USE}?by=sites&{days}")
    assert "Nothing was used on these days" in ada.text(f"{USE}?from=2026-11-17&to=2026-11-17")
    file = ada.get(f"{USE}/internet-use.csv?{days}").text
    assert "Alice Andersson,alice,,3000000,0,0,0,0.030000" in file
    assert len(file.splitlines()) == 3
    for wrong in ("from=x", "from=2026-11-18&to=2026-11-17", "from=2020-01-01&to=2026-11-18"):
        assert ada.get(f"{USE}?{wrong}").status_code == 422
        assert ada.get(f"{USE}/internet-use.csv?{wrong}").status_code == 422
    assert ada.get(f"{USE}?page=99999999999&by=nothing&order=x").status_code == 200


def lines_kept() -> int:
    """How many lines by domain there are."""
    return reading().scalar(select(func.count()).select_from(UsageDomain)) or 0


def keep_domains(user_id: int, days: int, today: date) -> None:
    """Lines by domain of so many days back."""
    rows = [
        {
            "user_id": user_id,
            "day": today - timedelta(days=back),
            "domain": f"d{number}.example",
            "bytes": 1_000_000 + number,
        }
        for back in range(days)
        for number in range(30)
    ]
    writing(lambda session: session.execute(UsageDomain.__table__.insert(), rows))  # type: ignore[attr-defined]


def privacy(browser: Browser, **fields: str) -> str:
    """Send the form of privacy and return the words of the page that follows."""
    answer = browser.send(f"{USE}/privacy", f"{USE}/privacy", **fields)
    return browser.text(f"{USE}/privacy") if answer.status_code == 303 else answer.text


def test_domains_are_kept_only_where_it_is_said_and_deleted_after_a_question(
    net_app: Flask, people: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off by default; on for some days, which everybody reads; older ones go by themselves; off deletes all."""
    monkeypatch.setattr(use_privacy, "CHUNK", 100)
    ada, alice = signed_in(net_app, "admin"), signed_in(net_app, "alice")
    assert "Not kept" in ada.text(f"{USE}/privacy")
    assert "Top domains" not in ada.text(USE)
    for days in ("0", "401", "x", ""):
        assert ada.send(f"{USE}/privacy", f"{USE}/privacy", keep="on", days=days).status_code == 422
    assert "Kept for 20 days" in privacy(ada, keep="on", days="20")
    assert "Top domains are kept: how much came from which domain on which day, for 20 days." in alice.text(
        "/internet-use"
    )
    today = clock.now().astimezone(BERLIN).date()
    with net_app.app_context():
        keep_domains(people["alice"], 25, today)
        assert use_privacy.anything_to_forget(reading(), today=today)
        worker = net_app.extensions["twinpurse.jobs"]
        tick(net_app, holder="test")
        assert "app_internet_tasks_forget_domains" in worker.queue.job_ids
        assert forget_domains() == 5 * 30
        assert lines_kept() == 20 * 30
        assert not use_privacy.anything_to_forget(reading(), today=today)
    assert "d29.example" in alice.text("/internet-use")
    assert "d29.example" in ada.text(f"{USE}?by=domains")
    asked = privacy(ada, keep="off")
    assert "600 lines about 1 person" in " ".join(asked.split())
    with net_app.app_context():
        assert lines_kept() == 600, "a question deletes nothing"
        assert use_privacy.is_kept(reading()) == (True, 20)
    assert "Not kept" in privacy(ada, keep="off", sure="1")
    assert "d29.example" not in alice.text("/internet-use")
    with net_app.app_context():
        assert forget_domains() == 600
        assert lines_kept() == 0
        assert settings_of_app().charges_internet


def test_what_runs_is_shown_and_ended_by_administrators(net_app: Flask, people: dict[str, int]) -> None:
    key, ada, path = "51234/1795431414096", signed_in(net_app, "admin"), f"{USE}/running"

    def report() -> list[str]:
        """A proxy says what runs, and learns what to end."""
        run = running.Connection(key, "alice", "films.example", int(clock.now().timestamp()) - 60, 5_000_000, 0)
        given = {"source": "proxy1", "connections": [run], "table": table_of_app(), "settings": settings_of_app()}
        return writing(lambda session: running.report(session, **given, now=clock.now()))  # type: ignore[arg-type]

    assert "Nothing runs" in ada.text(path)
    with net_app.app_context():
        account = accounts.get_account(reading(), user_id=people["alice"]).id
        given = {"source": "adjustment", "title": "Start", "key": "start", "now": clock.now()}
        writing(lambda session: ledger.post(session, account_id=account, amount=10**8, **given))  # type: ignore[arg-type]
        assert report() == []
    page = ada.text(path)
    assert "films.example" in page
    assert "5.0 MB" in page
    assert ada.send(f"{path}/end", path, connection=key, source="proxy1").status_code == 303
    assert "asked to end" in ada.text(path)
    with net_app.app_context():
        assert report() == [key]
    assert ada.send(f"{path}/end", f"{USE}/privacy", connection="x", source="proxy1").status_code == 404
    assert signed_in(net_app, "alice").get(path).status_code == 403
