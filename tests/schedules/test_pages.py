"""The pages of schedules as a browser without JavaScript sees them: every form is fetched, filled and sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import clock
from app.db import reading, writing
from app.money import MICRO
from app.people.models import User
from app.schedules import runs, service
from app.schedules.models import Schedule
from tests.schedules.conftest import WEEKLY, csrf, sign_in, words

NOW = datetime(2027, 3, 17, 12, 0, tzinfo=UTC)  # a Wednesday
LIST = "/admin/schedules"
FILLED = {
    "name": "Weekly print money",
    "reach": "groups",
    "groups": ["Students"],
    "other_groups": "",
    "amount": "2.00",
    "top_up": "add",
    "cap": "",
    "period": "weekly",
    "weekdays": ["0"],
    "month_day": "1",
    "time_of_day": "07:00",
    "time_zone": "Europe/Berlin",
    "starts_on": "",
    "ends_on": "",
    "catch_up": "last",
}


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Wednesday 17 March 2027, so that next runs can be named."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def client(print_app: Flask, known: Any) -> Iterator[FlaskClient]:
    """A browser that is signed in as the administrator; the cast is known."""
    with print_app.app_context():
        known()
    with print_app.test_client() as browser:
        sign_in(browser, "admin")
        yield browser


def send(browser: FlaskClient, address: str, **changed: Any) -> TestResponse:
    """Fill the form as usual with something changed, and send it; follow no redirect."""
    token = csrf(browser.get(LIST + "/new"))
    return browser.post(address, data={**FILLED, "csrf_token": token, **changed})


def make(app: Flask, now: datetime = NOW, **changed: Any) -> Schedule:
    """Keep a schedule without the form."""
    with app.app_context():
        return writing(lambda session: service.create(session, terms=replace(WEEKLY, **changed), now=now))


def stored(app: Flask) -> list[Schedule]:
    """All schedules that were not deleted."""
    with app.app_context():
        return list(reading().scalars(select(Schedule).where(Schedule.deleted_at.is_(None)).order_by(Schedule.id)))


@pytest.mark.parametrize("address", ["", "/new", "/1", "/1/delete"])
def test_pages_are_for_administrators(print_app: Flask, address: str) -> None:
    make(print_app)
    with print_app.test_client() as browser:
        answer = browser.get(LIST + address)
        assert answer.status_code in (302, 303)
        assert unquote(answer.location) == f"/sign-in?next={LIST}{address}"
        sign_in(browser, "alice")
        assert browser.get(LIST + address).status_code == 403


@pytest.mark.parametrize("address", ["/new", "/1", "/1/pause", "/1/resume", "/1/delete"])
def test_forms_are_for_administrators_and_need_the_token(print_app: Flask, address: str) -> None:
    make(print_app)
    with print_app.test_client() as browser:
        token = csrf(browser.get("/sign-in"))
        assert browser.post(LIST + address, data={**FILLED, "csrf_token": token}).status_code in (302, 303)
        sign_in(browser, "alice")
        token = csrf(browser.get("/"))
        assert browser.post(LIST + address, data={**FILLED, "csrf_token": token}).status_code == 403
        browser.post("/sign-out", data={"csrf_token": token})
        sign_in(browser, "admin")
        assert browser.post(LIST + address, data=FILLED).status_code == 400
        assert browser.post(LIST + address, data={**FILLED, "csrf_token": token}).status_code == 400
        token = csrf(browser.get(LIST))
        elsewhere = {"Sec-Fetch-Site": "same-site"}
        answer = browser.post(LIST + address, data={**FILLED, "csrf_token": token}, headers=elsewhere)
        assert answer.status_code == 403
    (schedule,) = stored(print_app)
    assert (schedule.paused_at, schedule.version) == (None, 1)


def test_an_empty_list_says_what_will_be_here_and_the_next_step(client: FlaskClient) -> None:
    page = client.get(LIST)
    assert "No schedules yet" in page.text
    assert f'href="{LIST}/new"' in page.text


def test_a_schedule_is_made_and_listed(client: FlaskClient, print_app: Flask) -> None:
    answer = send(client, LIST + "/new", top_up="cap", cap="$10", other_groups="Teachers, students ,")
    assert (answer.status_code, answer.location) == (303, LIST)
    (schedule,) = stored(print_app)
    assert (schedule.amount, schedule.cap, schedule.weekdays) == (2 * MICRO, 10 * MICRO, "0")
    assert [group.name for group in schedule.groups] == ["Students", "Teachers"]
    text = words(client.get(LIST))
    assert "Schedule saved. Next run: Monday 22 March 07:00 CET." in text
    for part in ("Students and Teachers", "+$2.00, up to $10.00", "Every Monday at 07:00", "Mon 22 Mar 07:00 CET"):
        assert part in text
    assert "Schedule saved" not in client.get(LIST).text


def test_refreshing_the_preview_saves_nothing(client: FlaskClient, print_app: Flask) -> None:
    page = send(client, LIST + "/new", preview="1", reach="everyone")
    text = words(page)
    assert page.status_code == 200
    assert "Every Monday at 07:00 (Europe/Berlin) , credit $2.00 to everyone ." in text
    assert "Will credit 4 people , $8.00 in all" in text
    assert "Monday 22 March 07:00 CET Clocks go forward on Sunday 28 March." in text
    assert "Runs stay at 07:00 on the wall clock. Monday 29 March 07:00 CEST" in text
    assert len(re.findall(r"07:00 CES?T", text)) == 5
    assert stored(print_app) == []


def test_a_time_that_a_clock_change_skips_is_explained(client: FlaskClient) -> None:
    text = words(send(client, LIST + "/new", preview="1", period="weekly", weekdays=["6"], time_of_day="02:30"))
    assert "02:30 does not exist on that day: it runs at 03:30. Sunday 28 March 03:30 CEST" in text


def test_all_that_is_wrong_stands_over_the_form_and_at_its_field_and_the_input_is_kept(
    client: FlaskClient, print_app: Flask
) -> None:
    wrong = {
        "name": "",
        "groups": [],
        "amount": "two & a half",
        "weekdays": [],
        "time_of_day": "7",
        "time_zone": "Mars/Olympus",
        "starts_on": "2027-05-01",
        "ends_on": "2027-04-01",
    }
    page = send(client, LIST + "/new", **wrong)
    assert page.status_code == 422
    assert '<div class="notice bad" role="alert" id="errors" tabindex="-1">' in page.text
    assert "7 things to correct before you can save" in page.text
    assert page.text.count("<title>Error: ") == 1
    for field in ("name", "groups", "amount", "weekdays", "time_of_day", "time_zone", "ends_on"):
        (link,) = re.findall(rf'<li><a href="#{field}">([^<]+)</a></li>', page.text)
        assert page.text.count(f">{link}<") == 2, field
        assert re.search(rf'id="{field}"', page.text)
    for typed in ('value="two &amp; a half"', 'value="Mars/Olympus"', 'value="2027-04-01"', 'value="2027-05-01"'):
        assert typed in page.text
    assert stored(print_app) == []


@pytest.mark.parametrize(
    ("field", "changed", "words_of_it"),
    [
        ("amount", {"amount": "0"}, "The amount must be more than 0"),
        ("amount", {"amount": "-2"}, "The amount must not be negative"),
        ("amount", {"amount": "1e3"}, "Write the amount in figures, such as 2.00"),
        ("amount", {"amount": "2,00"}, "Write the amount in figures, such as 2.00, with a point and not a comma"),
        ("amount", {"amount": "9" * 30}, "The amount is too large"),
        ("cap", {"top_up": "cap", "cap": ""}, "Say up to which balance it tops up"),
        ("cap", {"top_up": "cap", "cap": "ten"}, "Write the amount in figures, such as 2.00"),
        ("month_day", {"period": "monthly", "month_day": "32"}, "Choose a day from 1 to 31"),
        ("starts_on", {"starts_on": "tomorrow"}, "Write the day as 2027-03-01"),
        ("period", {"period": "hourly"}, "Choose one of the list"),
        ("catch_up", {"catch_up": ""}, "Choose one of the list"),
    ],
)
def test_one_thing_is_wrong(client: FlaskClient, field: str, changed: dict[str, str], words_of_it: str) -> None:
    page = send(client, LIST + "/new", **changed)
    assert page.status_code == 422
    assert "One thing to correct before you can save" in page.text
    assert f'<a href="#{field}">{words_of_it}</a>' in page.text


def test_a_form_with_nothing_in_it_is_answered(client: FlaskClient) -> None:
    token = csrf(client.get(LIST + "/new"))
    assert client.post(LIST + "/new", data={"csrf_token": token}).status_code == 422


def test_names_are_shown_as_they_are_written(client: FlaskClient, print_app: Flask) -> None:
    evil = '<script>alert("1")</script>'
    assert send(client, LIST + "/new", name=evil, other_groups="<b>R&D</b>").status_code == 303
    (schedule,) = stored(print_app)
    for address in ("", f"/{schedule.id}", f"/{schedule.id}/delete"):
        page = client.get(LIST + address).text
        assert "<script>alert" not in page
        assert "<b>R&D" not in page
        assert "&lt;script&gt;alert(" in page


def test_a_schedule_is_shown_in_its_form_and_changed(client: FlaskClient, print_app: Flask) -> None:
    schedule = make(print_app, name="Termly", top_up="cap", cap=12 * MICRO, groups=("Staff",), month_day=31,
                    period="monthly", weekdays=())  # fmt: skip
    page = client.get(f"{LIST}/{schedule.id}")
    assert 'value="Termly"' in page.text
    assert 'value="12.00"' in page.text
    assert re.search(r'<input checked id="groups-\d" name="groups" type="checkbox" value="Staff">', page.text)
    assert 'value="monthly" checked' in page.text or 'checked id="period-2"' in page.text
    assert "On the last day of every month at 07:00" in page.text
    assert 'name="version" type="hidden" value="1"' in page.text
    answer = send(client, f"{LIST}/{schedule.id}", version="1", amount="3.50")
    assert (answer.status_code, answer.location) == (303, LIST)
    assert [(one.name, one.amount, one.version) for one in stored(print_app)] == [("Weekly print money", 3_500_000, 2)]


@pytest.mark.parametrize("version", ["1", "", "x"])
def test_a_form_that_is_older_than_the_schedule_is_refused_and_kept(
    client: FlaskClient, print_app: Flask, version: str
) -> None:
    schedule = make(print_app)
    send(client, f"{LIST}/{schedule.id}", version="1", name="Mine")
    page = send(client, f"{LIST}/{schedule.id}", version=version, name="Yours")
    assert page.status_code == 409
    assert "Somebody else has changed this schedule meanwhile." in page.text
    assert 'value="Yours"' in page.text
    assert [one.name for one in stored(print_app)] == ["Mine"]
    again = send(client, f"{LIST}/{schedule.id}", version=version, name="Yours")
    assert again.status_code == 409


def test_pause_and_resume(client: FlaskClient, print_app: Flask) -> None:
    schedule = make(print_app)
    address = f"{LIST}/{schedule.id}"
    token = csrf(client.get(address))
    assert client.get(address + "/pause").status_code == 405
    answer = client.post(address + "/pause", data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (303, address)
    page = client.get(address)
    assert "It credits nobody until you resume it." in words(page)
    assert f'action="{address}/resume"' in page.text
    assert "none while paused" in words(client.get(LIST))
    client.post(address + "/resume", data={"csrf_token": token})
    assert "Next run: Monday 22 March 07:00 CET." in words(client.get(address))
    assert stored(print_app)[0].paused_at is None


def test_deleting_asks_first_and_says_what_stays(client: FlaskClient, print_app: Flask) -> None:
    schedule = make(print_app, now=NOW - timedelta(days=4))
    _run_all(print_app)
    address = f"{LIST}/{schedule.id}"
    page = client.get(address + "/delete")
    text = words(page)
    assert "The run so far and the $4.00 credited stay in the books" in text
    assert stored(print_app)
    answer = client.post(address + "/delete", data={"csrf_token": csrf(page)})
    assert (answer.status_code, answer.location) == (303, LIST)
    assert stored(print_app) == []
    assert "is deleted. What it credited stays." in words(client.get(LIST))
    for gone in (address, address + "/delete"):
        assert client.get(gone).status_code == 404
    assert client.post(address + "/delete", data={"csrf_token": csrf(page)}).status_code == 404


def test_runs_are_shown_with_their_results_and_a_running_one_with_its_progress(
    client: FlaskClient, print_app: Flask
) -> None:
    schedule = make(print_app, now=NOW - timedelta(days=4))
    with print_app.app_context():
        (run_id,) = writing(lambda session: service.plan_due(session, now=NOW))
        writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=NOW, chunk=1))
    text = words(client.get(f"{LIST}/{schedule.id}"))
    assert "Mon 15 Mar 07:00 CET Running 1 of 2 people +$2.00 not yet" in text
    with print_app.app_context():
        writing(lambda session: runs.note_error(session, run_id=run_id, error="The <disk> is full"))
    page = client.get(f"{LIST}/{schedule.id}")
    assert "Stopped" in page.text
    assert "The &lt;disk&gt; is full. It is tried again by itself; nobody is credited twice." in page.text
    with print_app.app_context():
        _credit(run_id)
    text = words(client.get(f"{LIST}/{schedule.id}"))
    assert "Mon 15 Mar 07:00 CET Done 2 of 2 +$4.00 Today 13:00 CET" in text
    assert "2 of 2 credited, +$4.00" in words(client.get(LIST))


def test_what_reset_takes_away_is_said_before_it_does(client: FlaskClient, print_app: Flask) -> None:
    make(print_app, now=NOW - timedelta(days=4), amount=9 * MICRO)
    _run_all(print_app)
    text = words(send(client, LIST + "/new", preview="1", reach="everyone", top_up="reset"))
    assert "Will set 4 people to $2.00" in text
    assert "2 people gain $4.00 in all" in text
    assert "2 people have more than that now and lose $14.00 in all." in text


def test_what_a_term_end_takes_back_is_said_before_it_does(client: FlaskClient, print_app: Flask) -> None:
    make(print_app, now=NOW - timedelta(days=4), amount=9 * MICRO)
    _run_all(print_app)
    text = words(send(client, LIST + "/new", preview="1", reach="everyone", top_up="lower"))
    assert "take back what is above $2.00 in the purse of everyone ; nobody gets anything." in text
    assert "Will take $14.00 from 2 people" in text
    assert "2 people have no more than $2.00, and stay as those purses are." in text
    assert send(client, LIST + "/new", name="End of term", reach="everyone", top_up="lower").status_code == 303
    with print_app.app_context():
        alice = reading().scalars(select(User.id).where(User.username == "alice")).one()
        coming = service.next_credit(reading(), user_id=alice, balance=9 * MICRO, now=NOW)
        assert coming is None or coming.schedule != "End of term"
    assert "Take what is above $2.00" in words(client.get(LIST))


def test_a_group_that_nobody_is_in_is_named(client: FlaskClient) -> None:
    text = words(send(client, LIST + "/new", preview="1", other_groups="Studens"))
    assert "Nobody from Studens has signed in yet." in text
    alone = words(send(client, LIST + "/new", preview="1", groups=[], other_groups="Studens"))
    assert "Will credit nobody" in alone


def test_a_schedule_whose_last_day_is_past_says_so(client: FlaskClient, print_app: Flask) -> None:
    assert send(client, LIST + "/new", ends_on="2027-03-01").status_code == 303
    text = words(client.get(LIST))
    assert "No run follows: its last day is past." in text
    assert "Ended" in text


@pytest.mark.parametrize("address", ["/4711", "/4711/delete", "/99999999999999999999"])
def test_an_unknown_schedule_is_not_found(client: FlaskClient, address: str) -> None:
    assert client.get(LIST + address).status_code == 404


def _run_all(app: Flask) -> None:
    with app.app_context():
        for run_id in writing(lambda session: service.plan_due(session, now=NOW)):
            _credit(run_id)


def _credit(run_id: int) -> None:
    while writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=NOW, chunk=1)):
        pass
