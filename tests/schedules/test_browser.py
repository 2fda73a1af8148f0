"""A schedule made in the form by a real browser credits its group at the right instants, across both clock changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy import select

from app import clock
from app.db import reading
from app.jobs import ticker, worker
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from tests.schedules.conftest import balances
from tests.servers.browser import Browser
from tests.servers.web import WebServer

MADE_AT = datetime(2027, 3, 16, 12, 0, tzinfo=UTC)  # a Tuesday
SUMMER_BEGINS, SUMMER_ENDS = datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC)
"""When Berlin's clock changes in 2027, written down here so that the test does not believe the code's calendar."""

SECOND = timedelta(seconds=1)


class Time:
    """The time of the whole instance, pages and jobs alike; it moves only when told to."""

    def __init__(self) -> None:
        self.now = MADE_AT


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Time:
    """It is Tuesday 16 March 2027 until the test says otherwise."""
    moment = Time()
    monkeypatch.setattr(clock, "now", lambda: moment.now)
    return moment


@pytest.fixture
def users(print_app: Flask, known: Callable[..., dict[str, int]], moment: Time) -> dict[str, int]:
    """The cast, known to the instance; name -> user id."""
    with print_app.app_context():
        return known()


@pytest.fixture
def site(print_app: Flask, users: dict[str, int]) -> Iterator[str]:
    """The address of the instance, served over HTTP."""
    assert users
    with WebServer(print_app) as server:
        yield server.url


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Chromium, which fails the test on what its console calls an error."""
    with Browser() as browser:
        yield browser


def sign_in(page: Page, site: str) -> None:
    """Sign in as the administrator and open the schedules."""
    page.goto(site + "/sign-in?next=/admin/schedules")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill("demo-admin")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def fill_weekly(page: Page) -> None:
    """Fill the form: $2 weekly, Monday 07:00, Europe/Berlin, Students."""
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Name").fill("Weekly print money")
    page.get_by_label("Students (2 people)").check()
    page.get_by_label("Credit each time").fill("2.00")
    page.get_by_label("On days of the week").check()
    page.get_by_label("Monday").check()
    page.get_by_label("At", exact=True).fill("07:00")
    page.get_by_label("Time zone").fill("Europe/Berlin")


def mondays() -> list[datetime]:
    """Monday 07:00 on Berlin's wall clock, as instants, from 22 March to 8 November 2027."""
    found, day = [], datetime(2027, 3, 22, tzinfo=UTC)
    while day < datetime(2027, 11, 9, tzinfo=UTC):
        found.append(day + timedelta(hours=5 if SUMMER_BEGINS <= day < SUMMER_ENDS else 6))
        day += timedelta(days=7)
    return found


@pytest.mark.long
def test_a_schedule_from_the_form_credits_at_the_right_instants_across_both_clock_changes(
    print_app: Flask, users: dict[str, int], moment: Time, site: str, browser: Browser
) -> None:
    page = browser.page()
    sign_in(page, site)
    fill_weekly(page)
    page.get_by_role("button", name="Refresh preview").click()
    preview = page.get_by_role("region", name="In words")
    assert "Every Monday at 07:00 (Europe/Berlin), credit $2.00 to Students." in preview.inner_text()
    assert "Will credit 2 people, $4.00 in all" in preview.inner_text()
    assert "Clocks go forward on Sunday 28 March." in preview.inner_text()
    page.get_by_role("button", name="Save schedule").click()
    assert page.url == site + "/admin/schedules"
    assert "Schedule saved. Next run: Monday 22 March 07:00 CET." in page.get_by_role("status").inner_text()

    due = mondays()
    assert {at.isoformat()[:16] for at in due} >= {
        "2027-03-22T06:00",
        "2027-03-29T05:00",
        "2027-10-25T05:00",
        "2027-11-01T06:00",
    }
    for number, at in enumerate(due):
        assert _tick_and_work(print_app, moment, at - SECOND) == []
        assert _balances(print_app, users) == _credited(2 * number), at
        assert len(_tick_and_work(print_app, moment, at)) == 1, at
        assert _balances(print_app, users) == _credited(2 * (number + 1)), at
        assert _tick_and_work(print_app, moment, at + SECOND) == []
        assert _balances(print_app, users) == _credited(2 * (number + 1)), at
    with print_app.app_context():
        moved = select(Entry.event_at).join(Account).where(Account.user_id == users["alice"]).order_by(Entry.sequence)
        assert list(reading().scalars(moved)) == due
        assert set(reading().scalars(select(Entry.amount))) == {2 * MICRO}
        assert verify(reading()).differences == []

    sign_in(page, site)  # months have passed: the session has ended
    page.get_by_role("link", name="Weekly print money").click()
    runs = page.get_by_role("table", name="The last runs of this schedule")
    rows = [" ".join(row.split()) for row in runs.get_by_role("row").all_inner_texts()]
    assert "Today 07:00 CET Done 2 of 2 +$4.00 Today 07:00 CET" in rows
    assert "Mon 25 Oct 07:00 CEST Done 2 of 2 +$4.00 Mon 25 Oct 07:00 CEST" in rows


@pytest.mark.long
def test_the_form_shows_only_the_fields_that_count(site: str, browser: Browser) -> None:
    page = browser.page()
    sign_in(page, site)
    page.get_by_role("link", name="New schedule").click()
    days, day = page.get_by_label("Monday"), page.get_by_label("Day of the month", exact=True)
    cap, students = page.get_by_label("Cap", exact=True), page.get_by_label("Students")
    assert [field.is_visible() for field in (days, day, cap, students)] == [True, False, False, True]
    page.get_by_label("On a day of the month").check()
    page.get_by_label("Add it, but never above a cap").check()
    page.get_by_label("Everyone").check()
    assert [field.is_visible() for field in (days, day, cap, students)] == [False, True, True, False]
    which, dates = page.get_by_label("Which", exact=True), page.get_by_label("Dates", exact=True)
    first, at = page.get_by_label("First day", exact=True), page.get_by_label("At", exact=True)
    seen = {
        "On a weekday of the month": [True, False, True, True, True],
        "On dates that you list": [False, True, False, True, True],
        "Once, when a person is first seen here": [False, False, True, False, False],
    }
    for choice, expected in seen.items():
        page.get_by_label(choice).check()
        assert [field.is_visible() for field in (which, dates, first, at, cap)] == expected, choice


@pytest.mark.long
def test_errors_lead_to_their_fields(site: str, browser: Browser) -> None:
    page = browser.page()
    sign_in(page, site)
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Name").fill("Kept")
    page.get_by_role("button", name="Save schedule").click()
    summary = page.get_by_role("alert")
    assert "2 things to correct before you can save" in summary.inner_text()
    summary.get_by_role("link", name="Write the amount in figures, such as 2.00").click()
    page.keyboard.type("5")
    assert page.get_by_label("Credit each time").input_value() == "5"
    assert page.get_by_label("Name").input_value() == "Kept"


@pytest.mark.long
@pytest.mark.parametrize("look", [pytest.param("light", marks=pytest.mark.long), "dark"])
def test_nothing_scrolls_sideways_on_a_narrow_phone(site: str, browser: Browser, look: str) -> None:
    page = browser.page(width=320, height=640)
    sign_in(page, site)
    page.goto(f"{site}/theme?value={look}&next=/admin/schedules")
    assert _sideways(page) == 0
    fill_weekly(page)
    page.get_by_label("Name").fill("Money for a name without any space in it: " + "x" * 38)
    page.get_by_role("button", name="Refresh preview").click()
    assert _sideways(page) == 0
    page.get_by_role("button", name="Save schedule").click()
    assert _sideways(page) == 0
    page.get_by_role("link", name="Money for a name").click()
    assert _sideways(page) == 0
    page.get_by_role("link", name="Delete schedule").click()
    assert _sideways(page) == 0


@pytest.mark.long
def test_everything_works_without_scripts(print_app: Flask, users: dict[str, int], site: str) -> None:
    with Browser(javascript=False) as browser:
        page = browser.page()
        sign_in(page, site)
        fill_weekly(page)
        page.get_by_role("button", name="Save schedule").click()
        page.get_by_role("button", name="Skip next run of Weekly print money").click()
        assert page.locator("del").inner_text() == "Mon 22 Mar 07:00 CET"
        page.get_by_role("button", name="Undo skip run of Weekly print money").click()
        assert page.locator("del").count() == 0
        page.get_by_role("link", name="Weekly print money").click()
        page.get_by_role("button", name="Pause schedule").click()
        assert page.get_by_text("Paused", exact=True).is_visible()
        page.get_by_role("button", name="Resume schedule").click()
        page.get_by_role("link", name="Delete schedule").click()
        page.get_by_role("button", name="Delete schedule").click()
        assert page.get_by_text("No schedules yet").is_visible()


def _tick_and_work(app: Flask, moment: Time, at: datetime) -> list[int]:
    """Let it be `at`, tick once, and work off what the tick asked for; return the runs that it asked for."""
    moment.now = at
    asked = ticker.tick(app, holder="t", now=at)
    worker.work(app, burst=True, worker_class=worker.ThreadWorker)
    return asked


def _balances(app: Flask, users: dict[str, int]) -> dict[str, int]:
    with app.app_context():
        return balances(users)


def _credited(units: int) -> dict[str, int]:
    return {"alice": units, "bob": units, "carol": 0, "admin": 0}


def _sideways(page: Page) -> int:
    """How many CSS pixels the page is wider than its window."""
    page.wait_for_load_state()  # before that the style sheets may be missing
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
