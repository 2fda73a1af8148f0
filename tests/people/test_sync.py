"""A full pass over the directory: who is new, renamed, regrouped, disabled, gone and back, and what it never does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.errors import WrongStateError
from app.internet.standing import StandingTable
from app.ledger import service as ledger
from app.ledger.models import Account
from app.money import MICRO
from app.people import local, service, sync, sync_work
from app.people.models import Device, Group, LoginSession
from app.people.sync_models import SyncGroup, SyncPerson
from app.settings import settings_of_app
from directory.interface import Person
from tests.people.roll import Roll, changes_of, former, go, id_of, known, look_up


@pytest.fixture(autouse=True)
def app(make_instance: Callable[..., Flask], database_url: str) -> Iterator[Flask]:
    """An instance in whose context the test runs, on each database."""
    app = make_instance(database_url=database_url, charges=("print", "internet"))
    with app.app_context():
        yield app


def credit(username: str, units: int) -> int:
    """Give somebody money; return their account."""
    user = known()[username]
    account = reading().scalars(select(Account).where(Account.user_id == user.id)).one()
    writing(
        lambda session: ledger.post(
            session,
            account_id=account.id,
            amount=units * MICRO,
            source="adjustment",
            key=f"test:{username}:{units}",
            now=clock.now(),
            title="Pocket money",
        )
    )
    return account.id


def sign_in(username: str) -> None:
    """Open a session and a client for somebody."""
    user_id, now = known()[username].id, clock.now()

    def open_both(session: object) -> None:
        session.add(LoginSession(token_hash=f"s{user_id}", user_id=user_id, created_at=now, seen_at=now))
        session.add(Device(token_hash=f"d{user_id}", user_id=user_id, name="PC", created_at=now, seen_at=now))

    writing(open_both)


def access_of(username: str) -> tuple[bool, bool]:
    """Whether somebody's session and client still count."""
    user_id = known()[username].id
    ended = reading().scalars(select(LoginSession.ended_at).where(LoginSession.user_id == user_id)).one()
    revoked = reading().scalars(select(Device.revoked_at).where(Device.user_id == user_id)).one()
    return ended is None, revoked is None


def test_new_people_get_user_purse_and_groups() -> None:
    roll = Roll("alice", "bob")
    roll.put("alice", groups=("Students", "Choir"), email="a@example.org")
    roll.put("old", disabled=True)
    done = go(roll)
    assert (done.state, done.read, done.added, done.applied) == ("done", 3, 2, 2)
    people = known()
    assert sorted(people) == ["alice", "bob"]  # who is new and disabled is not made known
    alice = people["alice"]
    assert [group.name for group in alice.groups] == ["Choir", "Students"]
    assert (alice.directory_id, alice.email, alice.status) == (id_of("alice"), "a@example.org", "active")
    account = reading().scalars(select(Account).where(Account.user_id == alice.id)).one()
    assert (account.name, account.balance, account.floor, account.kind) == ("alice", 0, 0, "user")
    assert reading().scalar(select(func.count()).select_from(SyncPerson)) == 0
    assert reading().scalar(select(func.count()).select_from(SyncGroup)) == 0


def test_a_pass_over_a_directory_that_did_not_change_changes_nothing() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    before = {name: user.refreshed_at for name, user in known().items()}
    done = go(roll)
    assert (done.state, done.applied, changes_of(done)) == ("done", 0, {})
    assert {name: user.refreshed_at for name, user in known().items()} == before


def test_a_rename_keeps_purse_and_history_and_the_old_name_leads_to_the_person() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    account_id, alice_id = credit("alice", 7), known()["alice"].id
    roll.put("alice", username="alice.smith", display_name="Alice Smith")
    done = go(roll)
    assert changes_of(done)["renamed"] == [("alice.smith", "alice", "alice.smith")]
    assert known()["alice.smith"].id == alice_id
    assert reading().get_one(Account, account_id).balance == 7 * MICRO
    assert former() == {"alice": alice_id}
    assert service.find_user(reading(), username="alice") is known()["alice.smith"]


def test_a_recycled_name_is_another_person() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    first = known()["alice"].id
    credit("alice", 7)
    roll.remove("alice")
    roll.put("other", username="alice")
    done = go(roll)
    assert (done.added, done.gone) == (1, 1)
    people = known()
    assert people["alice"].id != first
    assert people["alice"].directory_id == id_of("other")
    assert (people[f"alice#{first}"].id, people[f"alice#{first}"].status) == (first, "gone")
    assert former() == {}
    balance = select(Account.balance).where(Account.user_id == people["alice"].id)
    assert reading().scalar(balance) == 0


def test_two_who_swap_names_swap_them_in_one_pass_and_keep_their_purses() -> None:
    roll = Roll("alice", "bob", "carol")
    go(roll)
    ids = {name: user.id for name, user in known().items()}
    credit("alice", 1)
    credit("bob", 2)
    roll.put("alice", username="bob")
    roll.put("bob", username="alice")
    assert go(roll).renamed == 2
    people = known()
    assert (people["alice"].id, people["bob"].id) == (ids["bob"], ids["alice"])
    assert former() == {}
    assert service.find_user(reading(), username="alice") is people["alice"]


def test_a_chain_of_names_moves_on_and_a_newcomer_takes_the_freed_one() -> None:
    roll = Roll("a", "b", "c")
    go(roll)
    ids = {name: user.id for name, user in known().items()}
    for key, name in (("a", "b"), ("b", "c"), ("c", "d")):
        roll.put(key, username=name)
    roll.put("new", username="a")
    done = go(roll)
    assert (done.renamed, done.added, done.left_out) == (3, 1, 0)
    assert {name: user.id for name, user in known().items() if name != "a"} == {
        "b": ids["a"],
        "c": ids["b"],
        "d": ids["c"],
    }
    assert known()["a"].directory_id == id_of("new")


def test_names_are_compared_without_case_and_groups_too() -> None:
    roll = Roll("alice")
    go(roll)
    roll.put("alice", username="ALICE", groups=("STUDENTS", "students"))
    assert go(roll).applied == 0
    roll.put("twin", username="Alice")
    done = go(roll)
    assert (done.added, done.left_out) == (0, 1)


def test_of_two_entries_of_one_name_the_known_one_keeps_it_and_the_other_is_told() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    roll.put("twin", username="alice")
    roll.put("first", username="double")
    roll.put("second", username="double")
    roll.put("nameless", username="\x00")
    done = go(roll)
    assert (done.added, done.renamed, done.gone, done.left_out) == (0, 0, 0, 4)
    reasons = sorted((name, why) for name, _, why in changes_of(done)["left_out"])
    assert [name for name, _ in reasons] == ["", "alice", "double", "double"]
    assert reasons[0][1] == "has no user name that can be used"
    assert reasons[1][1] == "another person in the directory has the same user name"
    assert known()["alice"].directory_id == id_of("alice")
    roll.put("bob", username="alice")  # a third one, who is known: keeps the name of before
    assert go(roll).left_out == 5
    assert known()["bob"].status == "active"


def test_changed_names_mail_groups_and_roles_are_noted_with_what_they_were() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    roll.put("alice", display_name="Alice A.", email="", groups=("Choir", "Staff"))
    roll.put("bob", groups=())
    done = go(roll)
    found = changes_of(done)
    assert found["changed"] == [("alice", "Person alice, alice@example.org", "Alice A.")]
    assert found["groups"] == [("alice", "Students", "Choir, Staff"), ("bob", "Students", "")]
    people = known()
    assert [group.name for group in people["alice"].groups] == ["Choir", "Staff"]
    assert people["bob"].groups == []
    assert reading().scalars(select(Group.name).order_by(Group.name_key)).all() == ["Choir", "Staff", "Students"]


def test_a_disabled_person_loses_session_client_and_standing_and_gets_standing_back() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    for name in ("alice", "bob"):
        credit(name, 5)
        sign_in(name)
    roll.put("alice", disabled=True)
    done = go(roll)
    assert (done.disabled, changes_of(done)["disabled"][0][1]) == (1, "active")
    assert known()["alice"].status == "disabled"
    assert known()["alice"].status_since is not None
    assert (access_of("alice"), access_of("bob")) == ((False, False), (True, True))
    assert StandingTable().tell(reading(), settings=settings_of_app()).users == {"alice": False, "bob": True}
    roll.put("alice", disabled=False)
    assert go(roll).back == 1
    assert known()["alice"].status == "active"
    assert StandingTable().tell(reading(), settings=settings_of_app()).users == {"alice": True, "bob": True}
    assert access_of("alice") == (False, False)  # they sign in again


def test_who_vanishes_is_kept_with_purse_and_comes_back_to_it() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    account_id = credit("alice", 7)
    sign_in("alice")
    listed = roll.people["alice"]
    roll.remove("alice")
    assert go(roll).gone == 1
    assert known()["alice"].status == "gone"
    assert access_of("alice") == (False, False)
    assert reading().get_one(Account, account_id).balance == 7 * MICRO
    assert go(roll).gone == 0
    roll.people["alice"] = listed
    done = go(roll)
    assert changes_of(done)["back"] == [("alice", "gone", "")]
    assert known()["alice"].status == "active"


def test_gone_or_disabled_people_change_from_one_to_the_other() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    roll.put("alice", disabled=True)
    go(roll)
    listed = roll.people.pop("alice")
    done = go(roll)
    assert (done.gone, known()["alice"].status) == (1, "gone")
    roll.people["alice"] = listed
    done = go(roll)
    assert (done.disabled, done.back, known()["alice"].status) == (1, 0, "disabled")


def test_local_people_are_nobodys_and_keep_their_names() -> None:
    now = clock.now()
    writing(
        lambda session: local.create(
            session,
            username="guest",
            display_name="A guest",
            password="a-long-password",
            expires_at=None,
            made_by="Ada",
            now=now,
        )
    )
    roll = Roll("alice")
    roll.put("other", username="guest")
    done = go(roll)
    assert (done.added, done.gone, done.left_out) == (1, 0, 1)
    assert changes_of(done)["left_out"] == [("guest", "", "somebody else has this user name here")]
    assert known()["guest"].origin == "local"
    assert known()["guest"].status == "active"


def test_who_signed_in_since_the_reading_began_is_newer_than_what_was_read() -> None:
    roll = Roll("alice", "bob")
    go(roll)
    roll.put("alice", display_name="Old Name", disabled=True)
    roll.put("eve", username="eve")
    made = writing(lambda session: sync.begin(session, kind="full", asked_by="", now=clock.now()))
    seen = Person(id_of("alice"), "", "alice", "Newer Name", "", ("Staff",))
    eve = Person(id_of("eve"), "", "eve", "Eve", "", ("Staff",))
    come = roll.everyone

    def and_then(progress: object = None) -> object:
        for person in (seen, eve):
            writing(lambda session, p=person: service.remember(session, person=p, admin_groups=[], now=clock.now()))
        return come()

    roll.everyone = and_then  # type: ignore[assignment]
    sync_work.work(made.id, roster=roll, settings=settings_of_app().config.directory)
    assert look_up(made.id).state == "done"
    people = known()
    assert (people["alice"].display_name, people["alice"].status) == ("Newer Name", "active")
    assert people["eve"].display_name == "Eve"
    assert [group.name for group in people["eve"].groups] == ["Staff"]


def test_what_no_database_takes_is_left_out_of_names() -> None:
    roll = Roll()
    roll.put("alice", display_name="Al\x00ice \ud800", email="a\x00@b", groups=("Stu\x00dents", "x" * 300, " "))
    roll.put("long", username="l" * 257, display_name="y" * 400)
    roll.put("whole", username="l" * 256, display_name="y" * 400)
    done = go(roll)
    assert (done.added, done.left_out) == (2, 1)
    people = known()
    assert (people["alice"].display_name, people["alice"].email) == ("Alice", "a@b")
    assert people["l" * 256].display_name == "y" * 256
    roll.remove("whole")
    roll.put("heir", username="l" * 256)
    assert go(roll).state == "done"
    assert known()["l" * 256].directory_id == id_of("heir")


def test_one_pass_at_a_time() -> None:
    now = clock.now()
    writing(lambda session: sync.begin(session, kind="full", asked_by="", now=now))
    for kind in ("full", "preview"):
        with pytest.raises(WrongStateError):
            writing(lambda session, kind=kind: sync.begin(session, kind=kind, asked_by="", now=now))
    writing(lambda session: sync.begin(session, kind="changes", asked_by="", now=now))
