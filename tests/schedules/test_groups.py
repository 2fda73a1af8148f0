"""Groups with counts: on their page, as a file, and in the form of a schedule, where hundreds can be searched."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from app import clock
from app.db import writing
from app.people import service as people
from app.people.models import User
from tests.conftest import person
from tests.web.browsing import Browser, signed_in, words_of

GROUPS, NEW = "/admin/groups", "/admin/schedules/new"
FILLED = {"name": "Weekly", "reach": "groups", "amount": "2", "top_up": "add", "period": "daily"}
TIMES = {"time_of_day": "07:00", "time_zone": "Europe/Berlin", "catch_up": "last"}
BOX = re.compile(r'<input (checked )?id="groups-\d+" name="groups" type="checkbox" value="([^"]+)">')


@pytest.fixture
def office(print_app: Flask, known: Callable[..., dict[str, int]]) -> Browser:
    """An administrator; bob is disabled."""
    browser = signed_in(print_app, "admin")
    with print_app.app_context():
        known()
        writing(lambda session: session.execute(update(User).where(User.username == "bob").values(status="disabled")))
    return browser


def many_groups(app: Flask, count: int) -> None:
    """Have somebody be in so many more groups."""
    names = tuple(f"Class {number:03}" for number in range(count))
    with app.app_context():
        dora = person("dora", "Dora", (*names, "=HYPERLINK(1)"))
        writing(lambda session: people.remember(session, person=dora, admin_groups=[], now=clock.now()))


def save(browser: Browser, *groups: str) -> None:
    """Make a schedule for groups."""
    data = {"csrf_token": browser.token(NEW), **FILLED, **TIMES, "groups": list(groups)}
    assert browser.client.post(NEW, data=data).status_code == 303


def test_the_page_says_who_is_in_a_group_which_role_it_gives_and_who_credits_it(office: Browser) -> None:
    save(office, "Students", "Staff")
    words = office.text(GROUPS)
    assert "Administrators Administrator none 1" in words
    assert "Staff none Weekly 1" in words
    assert "Students none Weekly 1" in words, "bob is disabled and does not count"
    assert "/admin/schedules/1" in office.get(GROUPS).text


def test_groups_are_searched_and_paged(office: Browser) -> None:
    many_groups(office.app, 120)
    assert "50 groups of 124" in office.text(GROUPS)
    found = words_of(office.get(GROUPS, query_string={"q": "class 11"}).text)
    assert "10 groups match “class 11”" in found
    assert "Class 119 none none 1" in found
    assert "No group matches" in words_of(office.get(GROUPS, query_string={"q": "%"}).text)
    seen, address = [], GROUPS
    while address:
        page = office.get(address).text
        seen += re.findall(r'<th role="rowheader"[^>]*><a[^>]*>([^<]+)<', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        address = older.group(1).replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 124


def test_the_file_has_every_group_and_no_formula(office: Browser) -> None:
    many_groups(office.app, 3)
    response = office.get(f"{GROUPS}/groups.csv")
    assert response.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(response.get_data(as_text=True).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))))
    assert rows[0] == ["group", "active people", "role", "schedules"]
    assert ["Administrators", "1", "Administrator", ""] in rows
    assert ["'=HYPERLINK(1)", "1", "", ""] in rows
    assert len(rows) == 8


def test_a_group_that_gives_a_role_and_has_nobody_is_named(office: Browser) -> None:
    settings = office.app.extensions["twinpurse.settings"]
    directory = settings.config.directory.model_copy(update={"helper_groups": ["Helpdesk", "Staff"]})
    settings.config = settings.config.model_copy(update={"directory": directory})
    words = office.text(GROUPS)
    assert "Nobody known here is in a group that gives a role" in words
    assert "“Helpdesk”, in helper_groups" in words
    assert "Staff Helper none 1" in words


def test_few_groups_are_all_offered_with_their_counts(office: Browser) -> None:
    page = office.get(NEW).text
    assert [name for _, name in BOX.findall(page)] == ["Administrators", "Staff", "Students"]
    assert "Students (1 person)" in page
    assert "Find groups" not in page


def test_of_hundreds_those_are_offered_that_are_looked_for_and_ticks_stay(office: Browser) -> None:
    many_groups(office.app, 300)
    page = office.get(NEW).text
    assert len(BOX.findall(page)) == 30
    assert "There are 304 groups." in words_of(page)
    data = {"csrf_token": office.token(NEW), **FILLED, "amount": "nonsense", "groups": ["Staff"], "group": "class 29"}
    found = office.client.post(NEW, data=data | {"find": "1"})
    assert (found.status_code, "One thing to correct" in found.text) == (200, False), "looking is no saving"
    names = [name for _, name in BOX.findall(found.text)]
    assert names == [*(f"Class {number}" for number in range(290, 300)), "Staff"]
    assert [name for ticked, name in BOX.findall(found.text) if ticked] == ["Staff"]
    assert "10 of 304 groups have “class 29” in their name" in words_of(found.text)
    assert 'value="nonsense"' in found.text
    save(office, "Staff", "Class 295")
    edit = office.get("/admin/schedules/1").text
    assert [name for ticked, name in BOX.findall(edit) if ticked] == ["Class 295", "Staff"]
