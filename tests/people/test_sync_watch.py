"""Between full passes: changes are followed, and who is here at present and vanishes loses access within a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.people import sync_watch
from app.people.models import Device, LoginSession
from app.people.sync_models import DirectoryPlace, DirectorySync
from app.settings import settings_of_app
from directory.interface import DirectoryUnavailableError
from tests.people.conftest import Hand
from tests.people.roll import Roll, changes_of, go, id_of, known

MANY = [f"p{number:03}" for number in range(100)]


@pytest.fixture(autouse=True)
def app(make_instance: Callable[..., Flask], database_url: str, hand: Hand) -> Iterator[Flask]:
    """An instance in whose context the test runs, on each database; the clock stands still."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        yield app


def look(roll: Roll, hand: Hand) -> bool:
    """Look for changes, two minutes later."""
    hand.on(minutes=2)
    found = sync_watch.look(roster=roll, settings=settings_of_app().config.directory)
    reading().rollback()
    return found


def passes() -> list[DirectorySync]:
    reading().rollback()
    return list(reading().scalars(select(DirectorySync).order_by(DirectorySync.id)))


def sign_in(*names: str) -> None:
    """Open a session for people."""
    people, now = known(), clock.now()
    writing(
        lambda session: session.add_all(
            LoginSession(token_hash=f"s{people[name].id}", user_id=people[name].id, created_at=now, seen_at=now)
            for name in names
        )
    )


def open_sessions() -> set[str]:
    reading().rollback()
    ids = set(reading().scalars(select(LoginSession.user_id).where(LoginSession.ended_at.is_(None))))
    return {name for name, user in known().items() if user.id in ids}


def test_changes_are_applied_to_those_people_alone_and_the_place_moves_on(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    roll.put("p001", username="renamed", groups=("Choir",))
    roll.put("p002", disabled=True)
    roll.put("newcomer")
    roll.put("p003")  # changed in a way that is of no interest here
    assert look(roll, hand)
    people = known()
    assert people["renamed"].directory_id == id_of("p001")
    assert [group.name for group in people["renamed"].groups] == ["Choir"]
    assert people["p002"].status == "disabled"
    assert "newcomer" in people
    last = passes()[-1]
    assert (last.kind, last.state, last.read, last.gone) == ("changes", "done", 3, 0)
    assert not look(roll, hand)
    assert len(passes()) == 2  # one that finds nothing leaves nothing behind
    place = reading().get_one(DirectoryPlace, "changes")
    assert place.place == str(len(roll.log))


def test_without_a_place_nothing_is_asked_but_for_who_is_present(hand: Hand) -> None:
    roll = Roll(*MANY)
    roll.place = lambda: None  # type: ignore[method-assign]
    go(roll)
    roll.put("p001", disabled=True)
    assert not look(roll, hand)
    sign_in("p001")
    assert look(roll, hand)
    assert known()["p001"].status == "disabled"


def test_who_is_present_and_vanishes_loses_access_within_a_minute(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    sign_in("p001", "p002")
    user = known()["p003"]
    now = clock.now()
    writing(
        lambda session: session.add(Device(user_id=user.id, name="PC", token_hash="d", created_at=now, seen_at=now))
    )
    roll.remove("p001", "p003")
    hand.on(seconds=60)
    sync_watch.look(roster=roll, settings=settings_of_app().config.directory)
    assert set(roll.asked) >= {id_of("p001"), id_of("p002"), id_of("p003")}
    people = known()
    assert (people["p001"].status, people["p002"].status, people["p003"].status) == ("gone", "active", "gone")
    assert open_sessions() == {"p002"}
    assert reading().scalars(select(Device.revoked_at)).one() is not None
    assert passes()[-1].gone == 2


def test_nobody_is_asked_about_twice_in_a_minute(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    sign_in("p001")
    look(roll, hand)
    assert roll.asked
    roll.asked = []
    hand.on(seconds=30)
    sync_watch.look(roster=roll, settings=settings_of_app().config.directory)
    assert roll.asked == []


def test_an_outage_changes_nobody_and_the_changes_are_read_later(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    sign_in("p001")
    roll.put("p002", disabled=True)
    roll.away = True
    with pytest.raises(DirectoryUnavailableError):
        look(roll, hand)
    assert open_sessions() == {"p001"}
    roll.away = False
    assert look(roll, hand)
    assert known()["p002"].status == "disabled"


def test_an_answer_in_which_nobody_is_found_takes_nobody_away(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    sign_in("p001", "p002")
    kept = dict(roll.people)
    roll.people.clear()
    assert not look(roll, hand)
    assert open_sessions() == {"p001", "p002"}
    roll.people = kept
    roll.remove("p001")
    assert look(roll, hand)
    assert open_sessions() == {"p002"}


def test_too_many_at_once_stay_and_everybody_is_read_for_an_administrator_to_judge(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    sign_in(*MANY[:30])
    for name in MANY[:30]:
        roll.put(name, disabled=True)
    roll.put("p050", username="renamed")
    hand.on(hours=2)
    sign_in(*())
    assert look(roll, hand)
    people = known()
    assert {people[name].status for name in MANY[:30]} == {"active"}
    assert "renamed" in people
    asked = [one for one in passes() if one.state == "reading"]
    assert [one.kind for one in asked] == ["full"]
    assert not look(roll, hand)
    assert len([one for one in passes() if one.kind == "full"]) == 2


def test_a_lost_place_has_everybody_read_again(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    writing(lambda session: session.get_one(DirectoryPlace, "changes").__setattr__("place", "lost"))
    hand.on(hours=2)
    assert not look(roll, hand)
    assert [one.kind for one in passes() if one.state == "reading"] == ["full"]
    assert reading().get(DirectoryPlace, "changes") is None


def test_who_leaves_a_group_that_changed_is_asked_for(hand: Hand) -> None:
    roll = Roll(*MANY)
    roll.put("p001", groups=("Choir",))
    go(roll)
    people = roll.people["p001"]
    roll.people["p001"] = people._replace(groups=())
    real = roll.changes
    roll.changes = lambda place: real(place).__class__([], place, ("CHOIR",))  # type: ignore[method-assign]
    assert look(roll, hand)
    assert known()["p001"].groups == []


def test_a_recycled_name_is_followed_though_its_old_holder_is_not_told(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    roll.remove("p001")
    roll.put("heir", username="p001")
    assert look(roll, hand)
    assert known()["p001"].directory_id == id_of("heir")


def test_a_second_entry_of_a_name_does_not_take_it_from_its_holder(hand: Hand) -> None:
    roll = Roll(*MANY)
    go(roll)
    roll.put("twin", username="p001")
    assert not look(roll, hand)
    assert known()["p001"].directory_id == id_of("p001")
    assert all(change.kind == "full" for change in passes())
    assert changes_of(passes()[-1]).keys() == {"added"}
