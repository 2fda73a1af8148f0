"""Lists of sites taken back: after a change, after their deletion, in words; what is kept, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import select, text

from app import clock
from app.db import db, reading, writing
from app.errors import NotFoundError, WrongStateError
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.internet import rate_site_changes, rate_site_past, rates
from app.internet.models import UsageHour
from app.internet.rate_changes import Rates
from app.internet.rate_models import PastSiteList, SiteList
from app.internet.rate_rules import Use
from app.people.models import User
from app.settings import Settings, settings_of_app
from directory.memory import MemoryDirectory
from language import speaking
from tests.internet.conftest import Save, at, booked_something
from tests.web.browsing import Browser, signed_in, words_of

MB = 1_000_000
NOON = at("2026-11-23T12:20+01:00")
LISTS = "/admin/site-lists"
HIDDEN = re.compile(r'name="past" value="(\d+)".*?name="newest" value="(\d+)"')


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str) -> Flask:
    """An instance that charges the Internet, on either database."""
    return make_instance(charges=("internet",), database_url=database_url)


@pytest.fixture
def ada(net_app: Flask, people: dict[str, int]) -> Browser:
    """An administrator's browser."""
    assert people
    return signed_in(net_app, "admin")


def done(verb: Callable[..., Any], **more: Any) -> Any:
    """Do a verb of lists in a transaction, at noon where nothing else is said."""
    given = {"settings": settings_of_app(), "by": "bea", "now": NOON} | more
    return writing(lambda session: verb(session, **given))


def changed(site_list_id: int | None, name: str, percent: int, *domains: str, **more: Any) -> int:
    """Make or change a list, and return its id."""
    said = {"site_list_id": site_list_id, "name": name, "percent": percent, "domains": domains, "always_open": False}
    return int(done(rate_site_changes.save_site_list, **said | more).id)


def undone(site_list_id: int, number: int = 0) -> SiteList:
    """Make a list what it was before its last change, or before the one so many earlier."""
    states = rate_site_past.states(reading(), site_list_id=site_list_id)
    ids = {"past_id": states[number].id, "newest": states[0].id}
    found: SiteList = done(rate_site_changes.undo, site_list_id=site_list_id, **ids)
    return found


def what(site_list_id: int) -> list[str]:
    """The last changes of a list in words, newest first."""
    found = rate_site_changes.get_site_list(reading(), site_list_id=site_list_id)
    return [each.what for each in rate_site_past.changes(reading(), found)]


def all_lists() -> list[tuple[Any, ...]]:
    """Everything that is kept of lists, present and past."""
    rows = [reading().execute(select(table.__table__).order_by(table.id)).all() for table in (SiteList, PastSiteList)]
    return [tuple(row) for row in rows[0] + rows[1]]


def price(when: str, site: int) -> int:
    """What 1 MB costs, in millionths, by the plan of now."""
    use = Use(int(at(when).timestamp()), site, MB, 0)
    return rates.load(reading(), settings_of_app()).price(use, 100) // MB


def test_a_change_is_taken_back_and_that_too_and_use_of_before_keeps_its_price(app: Flask, save: Save) -> None:
    with app.app_context():
        booked_something()
        save(Rates(down=10_000), NOON - timedelta(days=2))
        films = changed(None, "Films", 50, "a.org", "b.org", now=NOON - timedelta(days=1))
        assert what(films) == []
        changed(films, "Movies", 0, "b.org", "c.org", "d.org", always_open=True, now=NOON - timedelta(hours=4))
        said = "“Movies” instead of “Films”; free instead of half the price; 2 sites more, 1 site less; stays open"
        assert what(films)[0].startswith(said)
        found = undone(films)
        assert (found.name, found.percent, found.domains, found.always_open) == ("Films", 50, "a.org\nb.org", False)
        times = ("2026-11-23T06:00+01:00", "2026-11-23T09:00+01:00", "2026-11-23T12:00+01:00")
        assert [price(when, films) for when in times] == [5_000, 0, 5_000]
        assert what(films)[0].endswith("1 site more, 2 sites less; no longer stays open for who has nothing left")
        assert undone(films).name == "Movies", "taking back is taken back"
        assert [price(when, films) for when in times] == [5_000, 0, 0]
        assert undone(films, 2).name == "Films", "two changes at once"
        assert rates.edge_table(reading(), settings_of_app(), NOON)["sites"] == [[films, ["a.org", "b.org"]]]


def test_a_deleted_list_comes_back_as_it_was(app: Flask, save: Save) -> None:
    with app.app_context():
        booked_something()
        save(Rates(down=10_000), NOON - timedelta(days=2))
        free = changed(None, "Free", 50, "a.org", now=NOON - timedelta(days=1))
        changed(free, "Free", 0, "a.org", "b.org", always_open=True, now=NOON - timedelta(days=1))
        done(rate_site_changes.delete_site_list, site_list_id=free, now=NOON - timedelta(hours=4))
        other = changed(None, "Other", 200, "c.org")
        assert other > free, "an id is given once, since use of before speaks of it"
        (gone,) = rate_site_past.lately_deleted(reading())
        assert (gone.name, gone.percent, gone.count, gone.by) == ("Free", 0, 2, "bea")
        found = done(rate_site_changes.restore, past_id=gone.past_id)
        assert (found.id, found.name, found.percent, found.domains) == (free, "Free", 0, "a.org\nb.org")
        assert rates.always_open(reading()) == {"a.org": True, "b.org": True}
        times = ("2026-11-23T06:00+01:00", "2026-11-23T09:00+01:00", "2026-11-23T12:00+01:00")
        assert [price(when, free) for when in times] == [0, 10_000, 0]
        assert rate_site_past.lately_deleted(reading()) == []
        assert undone(free).percent == 50, "and its last change before can still be taken back"
        with pytest.raises(WrongStateError, match="not among the deleted ones"):
            done(rate_site_changes.restore, past_id=gone.past_id)


def test_ten_states_of_a_list_and_twenty_deleted_lists_are_kept(net_app: Flask) -> None:
    with net_app.app_context():
        first, other = changed(None, "First", 0, "a.org"), changed(None, "Other", 0, "b.org")
        changed(other, "Other", 1, "b.org")
        for percent in range(1, 13):
            changed(first, "First", percent, "a.org")
        changed(first, "First", 12, "a.org")
        kept = rate_site_past.states(reading(), site_list_id=first)
        assert [each.percent for each in kept] == list(range(11, 1, -1)), "saving what is there is no change"
        assert len(what(other)) == 1
        changed(first, "First", 12, "b.example", "a.org")
        changed(first, "First", 12, "a.org", "b.example")
        assert what(first)[0] == "1 site more", "an order of sites is no change"
        done(rate_site_changes.delete_site_list, site_list_id=first)
        for number in range(20):
            done(rate_site_changes.delete_site_list, site_list_id=changed(None, f"List {number}", 0))
        assert [each.name for each in rate_site_past.lately_deleted(reading())] == [
            f"List {number}" for number in range(19, -1, -1)
        ]
        assert rate_site_past.states(reading(), site_list_id=first) == []
        assert len(what(other)) == 1


def test_nothing_comes_back_into_another_list(net_app: Flask) -> None:
    with net_app.app_context():
        free = changed(None, "Free", 0, *(f"{number}.org" for number in range(9)), "mine.org")
        films = changed(None, "Films", 0, "a.org")
        changed(films, "Movies", 0, "b.org")
        done(rate_site_changes.delete_site_list, site_list_id=free)
        (gone,) = rate_site_past.lately_deleted(reading())
        namesake = changed(None, "Free", 0)
        before = all_lists()
        with pytest.raises(WrongStateError, match="Another list is called “Free”"):
            done(rate_site_changes.restore, past_id=gone.past_id)
        assert all_lists() == before
        changed(namesake, "Films", 0, "a.org", *(f"{number}.org" for number in range(7)))
        before = all_lists()
        with pytest.raises(WrongStateError, match=r"“0\.org” is in the list “Films” already") as refused:
            done(rate_site_changes.restore, past_id=gone.past_id)
        assert refused.value.message.endswith("“4.org” is in the list “Films” already. And 2 more like these.")
        with pytest.raises(WrongStateError, match="Another list is called “Films”"):
            undone(films)
        assert all_lists() == before
        changed(namesake, "Mine", 0, "a.org")
        with pytest.raises(WrongStateError, match=r"“a\.org” is in the list “Mine” already"):
            undone(films)
        assert done(rate_site_changes.restore, past_id=gone.past_id).id == free


def test_who_saw_an_older_state_takes_nothing_back(net_app: Flask) -> None:
    with net_app.app_context():
        films, other = changed(None, "Films", 0, "a.org"), changed(None, "Other", 5)
        changed(films, "Films", 10, "a.org")
        changed(other, "Other", 6)
        (seen,) = rate_site_past.states(reading(), site_list_id=films)
        (foreign,) = rate_site_past.states(reading(), site_list_id=other)
        changed(films, "Films", 20, "a.org")
        newest = rate_site_past.states(reading(), site_list_id=films)[0].id
        before = all_lists()
        for past_id, seen_id in ((seen.id, seen.id), (foreign.id, newest), (-1, newest), (seen.id, -1)):
            with pytest.raises(WrongStateError, match="Somebody has changed this list"):
                done(rate_site_changes.undo, site_list_id=films, past_id=past_id, newest=seen_id)
        with pytest.raises(WrongStateError, match="not among the deleted ones"):
            done(rate_site_changes.restore, past_id=seen.id)
        assert all_lists() == before
        done(rate_site_changes.delete_site_list, site_list_id=films)
        with pytest.raises(NotFoundError):
            done(rate_site_changes.undo, site_list_id=films, past_id=newest, newest=newest)
        (gone,) = rate_site_past.lately_deleted(reading())
        done(rate_site_changes.restore, past_id=gone.past_id)
        changed(films, "Films", 30, "a.org")
        assert rate_site_past.states(reading(), site_list_id=films)[0].id > gone.past_id, "no id is given twice"


def test_the_pages_say_what_was_changed_and_take_it_back(net_app: Flask, ada: Browser) -> None:
    with net_app.app_context():
        films = changed(None, "Films", 50, "a.org", now=clock.now())
    page = f"{LISTS}/{films}"
    assert "Last change" not in ada.text(page)
    assert ada.send(page, page, name="Films", percent="0", domains="b.org c.org d.org").status_code == 303
    said = "Changed by admin, .*: free instead of half the price; 3 sites more, 1 site less. Take the last change back"
    assert re.search(said, ada.text(page))
    html = ada.get(page).text
    old = dict(zip(("past", "newest"), HIDDEN.findall(html)[0], strict=True))
    assert ada.send(page, page, name="Films", percent="30", domains="b.org c.org d.org").status_code == 303
    assert ada.send(f"{page}/undo", page, **old).location == page
    assert "Somebody has changed this list since the page was opened. Nothing was changed." in ada.text(page)
    for wrong in ({}, {"past": "x", "newest": "9" * 5000}):
        assert ada.send(f"{page}/undo", page, **wrong).status_code == 303
        assert "Somebody has changed this list" in ada.text(page)
    html = ada.get(page).text
    assert len(HIDDEN.findall(html)) == 2
    earlier = dict(zip(("past", "newest"), HIDDEN.findall(html)[1], strict=True))
    assert ada.send(f"{page}/undo", page, **earlier).status_code == 303
    said = ada.text(page)
    assert "“Films” is what it was before." in said
    assert "half the price instead of 30% of the price; 1 site more, 3 sites less" in said
    assert len(HIDDEN.findall(ada.get(page).text)) == 2, "nothing would come of going back to what it is"
    assert ada.client.post(f"{page}/undo", data=earlier).status_code == 400, "no token"
    assert ada.send(f"{page}/undo", LISTS + "/new", past="1", newest="1").status_code == 303


def test_deleted_lists_stand_under_the_others_until_they_are_taken_back(
    net_app: Flask, ada: Browser, people: dict[str, int]
) -> None:
    with net_app.app_context():
        films = changed(None, "Films", 50, "a.org", now=clock.now())
        changed(films, "Films", 200, "a.org", now=clock.now())
    page = f"{LISTS}/{films}"
    auditor = signed_in(net_app, "bob")
    with net_app.app_context():
        writing(lambda session: setattr(session.get(User, people["bob"]), "role", "auditor"))
    assert "twice the price instead of half the price" in auditor.text(page)
    assert "Lately deleted" not in ada.text(LISTS)
    assert "can be taken back" in ada.text(f"{page}/delete")
    ada.send(f"{page}/delete", f"{page}/delete")
    assert re.search("Lately deleted .* Films 1 By admin, .* twice the price Take back Films", ada.text(LISTS))
    assert "Films 1 By admin" in auditor.text(LISTS)
    restore = re.search(rf"{LISTS}/deleted/\d+/restore", ada.get(LISTS).text)
    assert restore
    token = auditor.token("/me/sessions")
    assert auditor.client.post(restore[0], data={"csrf_token": token}).status_code == 403
    assert not re.search("/restore|/undo", auditor.get(LISTS).text + auditor.get(page).text)
    assert ada.send(f"{LISTS}/new", f"{LISTS}/new", name="New", percent="0", domains="a.org").status_code == 303
    assert ada.send(restore[0], LISTS).status_code == 303
    assert "“a.org” is in the list “New” already. Nothing was changed." in ada.text(LISTS)
    new = re.search(rf'{LISTS}/(\d+)">New<', ada.get(LISTS).text)
    assert new
    assert int(new[1]) != films
    ada.send(f"{LISTS}/{new[1]}", f"{LISTS}/{new[1]}", name="New", percent="0", domains="b.org")
    ada.send(restore[0], LISTS)
    assert "“Films” is back." in ada.text(LISTS)
    assert ada.get(page).status_code == 200
    assert "Lately deleted" not in ada.text(LISTS)
    ada.send(restore[0], LISTS)
    assert "This list is not among the deleted ones any more. Nothing was changed." in ada.text(LISTS)
    assert not re.search("/undo", auditor.get(page).text)
    assert "twice the price instead of half the price" in auditor.text(page)


def test_german_says_it_too(net_app: Flask, ada: Browser) -> None:
    old = SiteList(name="Filme", percent=50, always_open=True, domains="a.org\nb.org")
    new = SiteList(name="Kino", percent=0, always_open=False, domains="b.org\nc.org\nd.org\ne.org")
    with speaking("de"):
        said = rate_site_past.difference_in_words(old, new)
    assert said == (
        "„Kino“ statt „Filme“; kostenlos statt halber Preis; 3 Websites mehr, 1 Website weniger; "
        "ohne Guthaben nicht mehr erreichbar"
    )
    with net_app.app_context():
        films = changed(None, "Filme", 50, "a.org", now=clock.now())
        changed(films, "Filme", 0, "a.org", now=clock.now())
    ada.client.set_cookie("language", "de")
    page = words_of(unescape(ada.get(f"{LISTS}/{films}").text))
    assert re.search("Geändert von bea, .*: kostenlos statt halber Preis. Letzte Änderung zurücknehmen", page)


def test_lists_of_before_keep_their_ids_and_those_of_deleted_ones_are_not_given_again(
    tmp_path: Path, known: Callable[..., dict[str, int]]
) -> None:
    """A database of before, in SQLite: a list, and use of one with a higher number that was deleted then."""
    make_folder(tmp_path / "net", Plan(charges=("internet",)))
    app = create_app(Settings.load(tmp_path / "net"), directory=MemoryDirectory([]))
    with app.app_context():
        upgrade(directory=str(MIGRATIONS), revision="0014")
        writing(lambda session: session.execute(text("INSERT INTO site_lists VALUES (3, 'Films', 50, 1, 'a.org')")))
        use = UsageHour(user_id=known()["alice"], hour=NOON, site_list_id=7)
        writing(lambda session: session.add(use))
        upgrade(directory=str(MIGRATIONS))
        found = reading().get_one(SiteList, 3)
        assert (found.name, found.percent, found.always_open, found.domains) == ("Films", 50, True, "a.org")
        done(rate_site_changes.delete_site_list, site_list_id=3)
        assert changed(None, "New", 0) == 8
        db.session.remove()
        db.engine.dispose()
