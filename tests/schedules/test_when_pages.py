"""The form's choices of "when", skipping the next run, and schedules for new people, as pages without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.db import writing
from app.money import MICRO
from app.schedules import service
from app.schedules.models import Schedule
from tests.schedules.conftest import WEEKLY, csrf, sign_in, words
from tests.schedules.test_pages import LIST, NOW, make, send, stored


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Wednesday 17 March 2027."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def client(print_app: Flask, known: Any) -> Iterator[FlaskClient]:
    """A browser that is signed in as the administrator; the cast is known."""
    with print_app.app_context():
        known()
    with print_app.test_client() as browser:
        sign_in(browser, "admin")
        yield browser


@pytest.mark.parametrize(
    ("changed", "sentence", "first_runs"),
    [
        (
            {"every_weeks": "2"},
            "Every 2 weeks on Monday at 07:00, counted from the week of Monday 15 March 2027 (Europe/Berlin)",
            ["Monday 29 March", "Monday 12 April"],
        ),
        (
            {"every_weeks": "2", "starts_on": "2027-03-24"},
            "Every 2 weeks on Monday at 07:00, counted from the week of Monday 22 March 2027 (Europe/Berlin)",
            ["Monday 5 April"],
        ),
        (
            {"period": "ordinal", "ordinal": "-1", "month_weekday": "4"},
            "On the last Friday of every month at 07:00 (Europe/Berlin)",
            ["Friday 26 March", "Friday 30 April"],
        ),
        (
            {"period": "dates", "dates": "2027-09-01, 2027-04-12\r\n", "starts_on": "2028-01-01"},
            "On 12 April 2027 and 1 September 2027 at 07:00 (Europe/Berlin)",
            ["Monday 12 April", "Wednesday 1 September"],
        ),
    ],
)
def test_each_way_to_recur_is_previewed_saved_listed_and_shown_again(
    client: FlaskClient, print_app: Flask, changed: dict[str, str], sentence: str, first_runs: list[str]
) -> None:
    preview = words(send(client, LIST + "/new", preview="1", **changed))
    assert sentence in preview
    places = [preview.index(run) for run in first_runs]
    assert places == sorted(places)
    assert stored(print_app) == []
    assert send(client, LIST + "/new", **changed).status_code == 303
    assert f"Schedule saved. Next run: {first_runs[0]} 07:00 CE" in words(client.get(LIST))
    (schedule,) = stored(print_app)
    page = client.get(f"{LIST}/{schedule.id}")
    assert sentence in words(page)
    again = re.sub(r"\s+", " ", page.text)
    if schedule.period == "dates":
        assert "2027-04-12 2027-09-01</textarea>" in again
        assert schedule.starts_on is None
    elif schedule.period == "ordinal":
        assert '<option selected value="-1">' in again
        assert '<option selected value="4">' in again
    else:
        assert re.search(r'name="every_weeks" type="text" value="2"', again)


@pytest.mark.long
@pytest.mark.parametrize(
    ("field", "changed", "words_of_it"),
    [
        ("every_weeks", {"every_weeks": "0"}, "Choose a number from 1, for every week, to 52"),
        ("every_weeks", {"every_weeks": "two"}, "Choose a number from 1, for every week, to 52"),
        ("ordinal", {"period": "ordinal", "ordinal": "7"}, "Choose first, second, third, fourth or last"),
        ("month_weekday", {"period": "ordinal", "ordinal": "1", "month_weekday": "x"}, "Choose a day of the week"),
        ("dates", {"period": "dates", "dates": " \n"}, "Write at least one day, such as 2027-03-01"),
        ("dates", {"period": "dates", "dates": "2027-02-29"}, "“2027-02-29” is no day. Write each as 2027-03-01"),
        ("dates", {"period": "dates", "dates": "1.9.2027 <b>"}, "“1.9.2027” is no day. Write each as 2027-03-01"),
        ("dates", {"period": "dates", "dates": "x" * 5000}, f"“{'x' * 20}…” is no day."),
        ("dates", {"period": "dates", "dates": "2027-03-01\n2027-03-01"}, "2027-03-01 stands here more than once"),
    ],
)
def test_one_thing_is_wrong_and_is_said_at_its_field(
    client: FlaskClient, field: str, changed: dict[str, str], words_of_it: str
) -> None:
    page = send(client, LIST + "/new", **changed)
    assert page.status_code == 422
    assert "One thing to correct before you can save" in page.text
    assert f'<a href="#{field}">{words_of_it}' in page.text
    assert page.text.count(words_of_it) == 2


def test_what_the_chosen_period_hides_is_not_held_against_anybody(client: FlaskClient, print_app: Flask) -> None:
    junk = {"every_weeks": "x", "month_day": "x", "ordinal": "x", "dates": "x"}
    assert send(client, LIST + "/new", period="daily", **junk).status_code == 303
    once = junk | {"time_of_day": "x", "catch_up": "x", "top_up": "cap", "cap": "x"}
    assert send(client, LIST + "/new", period="first_seen", **once).status_code == 303
    dates = {"period": "dates", "dates": "2027-04-12", "starts_on": "x", "ends_on": "x"}
    assert send(client, LIST + "/new", **dates).status_code == 303
    assert [one.period for one in stored(print_app)] == ["daily", "first_seen", "dates"]


def test_the_next_run_is_skipped_shown_so_and_taken_back(client: FlaskClient, print_app: Flask) -> None:
    schedule = make(print_app)
    address = f"{LIST}/{schedule.id}"
    page = client.get(LIST)
    assert client.get(address + "/skip").status_code == 405
    token, occurrence = csrf(page), re.findall(r'name="occurrence" value="([^"]+)"', page.text)
    assert occurrence == ["2027-03-22T07:00"]
    fields = {"csrf_token": token, "occurrence": occurrence[0], "list": "1"}
    answer = client.post(address + "/skip", data=fields)
    assert (answer.status_code, answer.location) == (303, LIST)
    page = client.get(LIST)
    assert "one run is skipped. Next run: Monday 29 March 07:00 CEST." in words(page)
    assert "Mon 22 Mar 07:00 CET skipped, then Mon 29 Mar 07:00 CEST Undo skip run of Weekly" in words(page)
    assert re.search(r"<del><time[^>]+>Mon 22 Mar", page.text)
    shown = words(client.get(address))
    assert "The run of Mon 22 Mar 07:00 CET is skipped, by Ada Min (admin)." in shown
    assert "Monday 22 March skipped 07:00 CET" in shown
    answer = client.post(address + "/undo-skip", data={"csrf_token": token, "occurrence": occurrence[0]})
    assert (answer.status_code, answer.location) == (303, address)
    assert "nothing is skipped. Next run: Monday 22 March 07:00 CET." in words(client.get(address))
    assert stored(print_app)[0].skipped == ""


def test_a_page_that_is_old_skips_nothing(client: FlaskClient, print_app: Flask) -> None:
    schedule = make(print_app)
    token = csrf(client.get(LIST))
    for occurrence in ("2027-03-15T07:00", "2027-03-29T07:00", "", "x" * 500):
        data = {"csrf_token": token, "occurrence": occurrence}
        assert client.post(f"{LIST}/{schedule.id}/skip", data=data).status_code == 303
        assert occurrence == "" or "The next run is another one by now." in words(client.get(LIST))
    assert stored(print_app)[0].skipped == ""


@pytest.mark.parametrize("address", ["/1/skip", "/1/undo-skip"])
def test_skipping_is_for_administrators_and_needs_the_token(print_app: Flask, address: str) -> None:
    make(print_app)
    data = {"occurrence": "2027-03-22T07:00"}
    with print_app.test_client() as browser:
        sign_in(browser, "alice")
        token = csrf(browser.get("/"))
        assert browser.post(LIST + address, data={**data, "csrf_token": token}).status_code == 403
        browser.post("/sign-out", data={"csrf_token": token})
        sign_in(browser, "admin")
        assert browser.post(LIST + address, data=data).status_code == 400
    assert stored(print_app)[0].skipped == ""


def test_another_when_says_that_it_drops_the_skip(client: FlaskClient, print_app: Flask) -> None:
    schedule = make(print_app)
    with print_app.app_context():
        writing(
            lambda session: service.skip_next(
                session, schedule_id=schedule.id, occurrence="2027-03-22T07:00", by="Ada", now=NOW
            )
        )
    address = f"{LIST}/{schedule.id}"
    assert "drops the skip" not in words(send(client, address, preview="1", version="2", amount="3"))
    changed = {"version": "2", "time_of_day": "08:00"}
    assert "Saving this drops the skip: the run of Mon 22 Mar 07:00 CET" in words(
        send(client, address, preview="1", **changed)
    )
    assert send(client, address, **changed).status_code == 303
    assert "Next run: Monday 22 March 08:00 CET" in words(client.get(LIST))


def welcome(app: Flask, **changed: Any) -> Schedule:
    """A schedule for new people."""
    terms = replace(WEEKLY, name="Welcome", period="first_seen", weekdays=(), everyone=True, groups=())
    with app.app_context():
        return writing(lambda session: service.create(session, terms=replace(terms, **changed), now=NOW))


def test_a_schedule_for_new_people_in_every_page(client: FlaskClient, print_app: Flask) -> None:
    given = {"period": "first_seen", "reach": "everyone", "amount": "5"}
    text = words(send(client, LIST + "/new", preview="1", **given))
    assert "Once, when somebody is first seen here , credit $5.00 to everyone who is new" in text
    assert "Each person gets it once, and never again." in text
    assert "Next five runs" not in text
    assert "Will credit" not in text
    assert send(client, LIST + "/new", **given).status_code == 303
    page = client.get(LIST)
    assert "Everybody it reaches who is first seen here from now on gets it." in words(page)
    assert "when somebody is new here Active has no runs" in words(page)
    assert "Skip next" not in page.text
    (schedule,) = stored(print_app)
    shown = client.get(f"{LIST}/{schedule.id}")
    assert "Run now" not in shown.text
    assert 'name="time_of_day" type="time" value="07:00"' in shown.text
    deleting = words(client.get(f"{LIST}/{schedule.id}/delete"))
    assert "Who is first seen here from then on does not get it." in deleting
    assert "What new people got stays in the books" in deleting


def test_a_schedule_for_new_people_that_is_over_says_so(client: FlaskClient, print_app: Flask) -> None:
    welcome(print_app, ends_on=date(2027, 3, 16))
    assert "none: its last day is past Ended" in words(client.get(LIST))
    assert send(client, LIST + "/new", period="first_seen", ends_on="2027-03-16").status_code == 303
    assert "Nobody gets it: its last day is past." in words(client.get(LIST))


def test_a_new_person_sees_the_credit_on_the_statement(print_app: Flask, cast: Any) -> None:
    welcome(print_app, amount=5 * MICRO, ends_on=(NOW + timedelta(days=1)).date())
    with print_app.test_client() as browser:
        sign_in(browser, "alice")
        assert "Welcome" in words(browser.get("/statement"))
        assert "$5.00" in words(browser.get("/"))
