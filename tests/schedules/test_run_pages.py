"""The pages of runs as a browser without JavaScript sees them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.money import MICRO
from app.schedules import run_pages, runs, service, tasks
from app.schedules.models import Run, Schedule
from tests.schedules.conftest import WEEKLY, balances, csrf, sign_in, words
from tests.schedules.pupils import give, known_pupils
from tests.schedules.test_pages import FILLED

NOW = datetime(2027, 3, 22, 6, 0, 30, tzinfo=UTC)  # Monday, half a minute after 07:00 in Berlin
LIST = "/admin/schedules"
REFRESH = '<meta http-equiv="refresh" content="2">'


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Monday 22 March 2027."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def client(print_app: Flask, known: Any) -> FlaskClient:
    """A browser that is signed in as the administrator; the cast and seven pupils are known."""
    with print_app.app_context():
        known()
        known_pupils()
    browser = print_app.test_client()
    sign_in(browser, "admin")
    return browser


def plan(app: Flask, **changed: Any) -> str:
    """Make a schedule for Pupils and its run of this morning; return the address of the run."""
    with app.app_context():
        terms = replace(WEEKLY, **({"groups": ("Pupils",)} | changed))
        writing(lambda session: service.create(session, terms=terms, now=NOW - timedelta(days=1)))
        (run_id,) = writing(lambda session: service.plan_due(session, now=NOW))
        run = reading().get_one(Run, run_id)
        return f"{LIST}/{run.schedule_id}/runs/{run_id}"


def work(app: Flask, address: str, chunks: int | None = None) -> None:
    """Credit or take back a run: so many chunks of two people, or to its end."""
    run_id = int(address.rsplit("/", 1)[1])
    with app.app_context():
        if chunks is None:
            tasks.credit_run(run_id)
        for _ in range(chunks or 0):
            writing(lambda session: runs.credit_chunk(session, run_id=run_id, now=NOW, chunk=2))


def press(browser: FlaskClient, address: str, **fields: str) -> str:
    """Send a form and return where it leads."""
    answer = browser.post(address, data={"csrf_token": csrf(browser.get(LIST)), **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def table(text: str) -> list[list[str]]:
    """The rows of a file, with its head."""
    return list(csv.reader(io.StringIO(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))))


@pytest.mark.long
@pytest.mark.parametrize("address", ["/runs", "/1/runs", "/1/runs/1", "/1/runs/1/people.csv", "/1/run-now",
                                     "/1/runs/1/take-back", "/1/preview.csv"])  # fmt: skip
def test_pages_are_for_administrators(print_app: Flask, client: FlaskClient, address: str) -> None:
    plan(print_app)
    assert client.get(LIST + address).status_code in (200, 303)
    other = print_app.test_client()
    assert other.get(LIST + address).status_code in (302, 303)
    sign_in(other, "alice")
    assert other.get(LIST + address).status_code == 403


@pytest.mark.long
@pytest.mark.parametrize("address", ["/1/run-now", "/1/runs/1/cancel", "/1/runs/1/resume", "/1/runs/1/take-back",
                                     "/preview.csv", "/1/preview.csv"])  # fmt: skip
def test_forms_are_for_administrators_and_need_the_token(print_app: Flask, client: FlaskClient, address: str) -> None:
    run = plan(print_app)
    assert client.post(LIST + address, data={"form_id": "f" * 20}).status_code == 400
    other = print_app.test_client()
    sign_in(other, "alice")
    fields = {"csrf_token": csrf(other.get("/")), "form_id": "f" * 20}
    assert other.post(LIST + address, data=fields).status_code == 403
    assert "Waiting" in words(client.get(run))


def test_a_runs_page_shows_how_far_it_is_and_looks_again_by_itself(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app)
    page = client.get(run)
    assert "It waits to begin" in page.text
    assert REFRESH in page.text
    work(print_app, run, chunks=1)
    with print_app.app_context():
        writing(lambda session: session.execute(Run.__table__.update().values(started_at=NOW - timedelta(seconds=4))))
    page = client.get(run)
    assert "2 of 7 people 0.5 people per second, about 10 s left" in words(page)
    assert page.text.index(REFRESH) < page.text.index("</head>")
    still = client.get(run + "?still=1")
    assert REFRESH not in still.text
    assert "Look again, every 2 seconds" in still.text
    work(print_app, run)
    page = client.get(run)
    assert REFRESH not in page.text
    assert "Reached 7 Credited 7 In all +$14.00" in words(page)
    assert "Credit $2.00 to Pupils ." in words(page)
    assert "Due Today 07:00 CET" in words(page)


def test_a_runs_page_lists_whom_it_credited_and_finds_them(
    client: FlaskClient, print_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pages, "PAGE", 3)
    with print_app.app_context():
        give(known_pupils()["pupil5"], 3 * MICRO)
    run = plan(print_app)
    work(print_app, run)
    page = client.get(run)
    assert re.findall(r'<span class="small">(pupil\d)</span>', page.text) == ["pupil0", "pupil1", "pupil2"]
    assert "3 people of 7" in words(page)
    (following,) = re.findall(r'href="([^"]+)" rel="next"', page.text)
    page = client.get(following.replace("&amp;", "&"))
    assert re.findall(r'<span class="small">(pupil\d)</span>', page.text) == ["pupil3", "pupil4", "pupil5"]
    assert "pupil5 +$2.00 $5.00" in words(page)
    page = client.get(run + "?q=PUPIL6")
    assert "1 person matches “PUPIL6”" in words(page)
    assert re.findall(r'<span class="small">(pupil\d)</span>', page.text) == ["pupil6"]
    assert "Nobody matches" in client.get(run + "?q=carol").text
    rows = table(client.get(run + "/people.csv").text)
    assert rows[0] == ["username", "name", "credit", "balance after", "booked", "entry", "taken back"]
    assert sorted(row[0] for row in rows[1:]) == [f"pupil{number}" for number in range(7)]
    (five,) = [row for row in rows if row[0] == "pupil5"]
    assert five[2:5] == ["2.00", "5.00", "2027-03-22T07:00:30+01:00"]


def test_run_now_asks_first_and_a_form_that_is_sent_twice_makes_one_run(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app, top_up="cap", cap=3 * MICRO)
    work(print_app, run)
    schedule = run.split("/runs/")[0]
    assert f'href="{schedule}/run-now"' in client.get(schedule).text
    page = client.get(schedule + "/run-now")
    text = words(page)
    assert "Credit $2.00 to Pupils , but never take a purse above $3.00 ." in text
    assert "Will credit 7 people , $7.00 in all" in text
    assert "The cap keeps $7.00 back, from 7 people." in text
    assert "Beside the last run , Today 07:00 CET : the same 7 people; $7.00 less in all." in text
    (form_id,) = re.findall(r'name="form_id" value="([^"]+)"', page.text)
    first = press(client, schedule + "/run-now", form_id=form_id)
    assert press(client, schedule + "/run-now", form_id=form_id) == first != run
    page = client.get(first)
    assert "Run now by Ada Min (admin), Today 07:00 CET" in words(page)
    assert "A run of this schedule is still at work." in client.get(schedule + "/run-now").text
    work(print_app, first)
    with print_app.app_context():
        assert set(balances(known_pupils()).values()) == {3}
        assert reading().scalar(select(func.count(Run.id))) == 2
        settled = reading().scalars(select(Schedule.settled_until)).one()
        assert settled == NOW


@pytest.mark.long
@pytest.mark.parametrize("form_id", ["", "short", "x" * 70, "with a space in it, and long"])
def test_run_now_refuses_a_form_without_its_number(client: FlaskClient, print_app: Flask, form_id: str) -> None:
    schedule = plan(print_app).split("/runs/")[0]
    token = csrf(client.get(LIST))
    answer = client.post(schedule + "/run-now", data={"csrf_token": token, "form_id": form_id})
    assert answer.status_code == 422
    with print_app.app_context():
        assert reading().scalar(select(func.count(Run.id))) == 1


def test_a_run_is_cancelled_goes_on_and_is_taken_back_in_words(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app)
    work(print_app, run, chunks=1)
    assert press(client, run + "/cancel") == run
    page = client.get(run)
    assert "Cancelled. Nobody further is credited; who was, keeps it." in words(page)
    assert REFRESH not in page.text
    assert "Cancelled Today 07:00 CET by Ada Min (admin), after 2 people" in words(page)
    press(client, run + "/resume")
    assert REFRESH in client.get(run).text
    work(print_app, run)
    press(client, run + "/cancel")
    assert "This run has come to its end already: there is nothing left to cancel. Nothing was changed." in words(
        client.get(run)
    )
    text = words(client.get(run + "/take-back"))
    assert "$14.00 is taken from 7 people , by a line of its own" in text
    assert "below zero" not in text
    with print_app.app_context():
        give(known_pupils()["pupil0"], -MICRO)
    assert "1 person has spent some of it: that purse goes below zero." in words(client.get(run + "/take-back"))
    press(client, run + "/take-back")
    text = words(client.get(run))
    assert "What the run credited is being taken back." in text
    assert "0 of 7 people taken back" in text
    work(print_app, run)
    text = words(client.get(run))
    assert "Taken back $14.00 from 7 people" in text
    assert text.count("taken back since") == 7
    assert client.get(run + "/take-back").location == run


def test_an_error_stands_on_the_runs_page_in_words(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app)
    run_id = int(run.rsplit("/", 1)[1])
    with print_app.app_context():
        writing(lambda session: runs.note_error(session, run_id=run_id, error="The <disk> is full"))
    page = client.get(run)
    assert "Stopped: The &lt;disk&gt; is full" in page.text
    assert "It is tried again by itself and goes on where it stopped; nobody is credited twice." in words(page)


def test_all_runs_are_listed_page_by_page_and_by_state(
    client: FlaskClient, print_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing has run yet" in client.get(LIST + "/runs").text
    monkeypatch.setattr(run_pages, "PAGE", 2)
    first, second, third = (plan(print_app, name=name) for name in ("First", "Second", "Third"))
    work(print_app, first)
    press(client, second + "/cancel")

    def listed(address: str) -> list[str]:
        return re.findall(r'<a href="(/admin/schedules/\d+/runs/\d+)">', client.get(address).text)

    assert f'href="{LIST}/runs"' in client.get(LIST).text
    assert listed(LIST + "/runs") == [third, second]
    (older,) = re.findall(r'href="([^"]+)" rel="next"', client.get(LIST + "/runs").text)
    assert listed(older.replace("&amp;", "&")) == [first]
    assert listed(LIST + "/runs?state=done") == [first]
    assert listed(LIST + "/runs?state=cancelled") == [second]
    assert listed(LIST + "/runs?state=work") == [third]
    assert listed(LIST + "/runs?state=nonsense") == [third, second]
    assert "No run is like this" in client.get(LIST + "/runs?state=reversed").text
    schedule = second.split("/runs/")[0]
    assert listed(schedule + "/runs") == [second]


def test_runs_of_a_deleted_schedule_stay_to_be_seen(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app)
    work(print_app, run)
    schedule = run.split("/runs/")[0]
    press(client, schedule + "/delete")
    assert "Credited 7" in words(client.get(run))
    assert "This schedule is deleted" in words(client.get(schedule + "/runs"))
    assert client.get(schedule + "/run-now").status_code == 404


def test_an_address_that_names_another_schedules_run_is_not_found(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app)
    other = plan(print_app, name="Other").split("/runs/")[0]
    for address in (f"{other}/runs/{run.rsplit('/', 1)[1]}", f"{LIST}/99/runs", f"{LIST}/1/runs/99"):
        assert client.get(address).status_code == 404


def test_the_list_comes_from_the_forms_fields_before_anything_is_saved(client: FlaskClient, print_app: Flask) -> None:
    fields = {**FILLED, "groups": ["Students"], "other_groups": "Pupils", "csrf_token": csrf(client.get(LIST + "/new"))}
    answer = client.post(LIST + "/preview.csv", data=fields)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="preview-print-')
    rows = table(answer.text)
    assert rows[0] == ["username", "name", "balance now", "credit", "balance after"]
    assert [row[0] for row in rows[1:]] == ["alice", "bob", *(f"pupil{number}" for number in range(7))]
    assert rows[1][1:] == ["Alice Andersson", "0.00", "2.00", "2.00"]
    wrong = client.post(LIST + "/preview.csv", data={**fields, "amount": "two"})
    assert (wrong.status_code, "Write the amount in figures" in wrong.text) == (422, True)
    with print_app.app_context():
        assert reading().scalar(select(func.count(Schedule.id))) == 0


def test_the_list_of_a_schedule_tells_who_is_new_gone_or_the_same(client: FlaskClient, print_app: Flask) -> None:
    run = plan(print_app)
    work(print_app, run)
    schedule = run.split("/runs/")[0]
    assert {row[5] for row in table(client.get(schedule + "/preview.csv").text)[1:]} == {"same"}
    fields = {**FILLED, "groups": ["Students"], "csrf_token": csrf(client.get(LIST + "/new"))}
    rows = table(client.post(schedule + "/preview.csv", data=fields).text)
    assert [row[5] for row in rows] == ["beside the last run", "new", "new", *["gone"] * 7]


def test_one_person_is_tried_beside_the_form(client: FlaskClient, print_app: Flask) -> None:
    def tried(name: str, **changed: str) -> str:
        fields = {**FILLED, "csrf_token": csrf(client.get(LIST + "/new")), "preview": "1", "person": name, **changed}
        return words(client.post(LIST + "/new", data=fields))

    assert "Alice Andersson alice Reached through Students, once. Balance now $0.00 Credit +$2.00" in tried("alice")
    assert "Reached because everyone is." in tried("Carol", reach="everyone")
    assert "Carol Clark carol Gets nothing: is in none of these groups. Is in Staff." in tried("carol")
    assert "The schedule has not begun: its first day is 1 April 2027." in tried("alice", starts_on="2027-04-01")
    assert "“pupil” fits several people. Write the user name: pupil0 ( pupil0 )" in tried("pupil")
    assert "Nobody here is called “zoë”." in tried("zoë")
    run = plan(print_app, groups=("Students",))
    schedule = run.split("/runs/")[0]
    press(client, schedule + "/pause")
    text = words(client.get(schedule + "?person=bob"))
    assert "Bob Brown bob Reached through Students, once." in text
    assert "The schedule is paused: nobody gets anything until you resume it." in text


def test_a_schedule_for_new_people_is_not_run_now(client: FlaskClient, print_app: Flask) -> None:
    with print_app.app_context():
        terms = replace(WEEKLY, period="first_seen", weekdays=())
        schedule = writing(lambda session: service.create(session, terms=terms, now=NOW))
    assert client.get(f"{LIST}/{schedule.id}/run-now").status_code == 409
    fields = {"csrf_token": csrf(client.get(LIST)), "form_id": "f" * 20}
    assert client.post(f"{LIST}/{schedule.id}/run-now", data=fields).status_code == 409
