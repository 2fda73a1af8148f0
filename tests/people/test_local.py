"""Guests: made by administrators, with a password of their own, until a day; and never somebody of the directory."""

from __future__ import annotations

import re
import time
from statistics import median

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import reading, writing
from app.errors import NotSignedInError
from app.ledger import accounts
from app.people import credentials, devices, local, tasks
from app.people import service as people
from app.people.models import LocalPassword, User
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory, MemoryRoster
from tests.people.conftest import LOCAL_PASSWORD, Hand, forget, make_local
from tests.web.browsing import Browser, signed_in, words_of

PAGE = "/admin/guests"


@pytest.fixture
def admin(print_app: Flask, hand: Hand) -> Browser:
    """An administrator is signed in."""
    return signed_in(print_app, "admin")


def make(admin: Browser, **fields: str) -> tuple[int, str]:
    """Send the form of a new guest; return the status and the page's words."""
    until = re.search(r'name="until"[^>]*value="([\d-]+)"', admin.get(f"{PAGE}/new").text)
    assert until
    given = {"username": "visitor", "display_name": "Ines Okafor", "until": until.group(1), "way": "make"}
    response = admin.send(f"{PAGE}/new", f"{PAGE}/new", **(given | fields))
    return response.status_code, response.text


def status(app: Flask, name: str, password: str) -> int:
    """What a sign-in is answered with."""
    return Browser(app).sign_in(name, password).status_code


def guest_page(admin: Browser) -> str:
    """The address of the only guest's page."""
    found = re.search(rf'href="({PAGE}/\d+)"', admin.get(PAGE).text)
    assert found
    return found.group(1)


def test_a_guest_gets_a_password_that_is_shown_once_and_a_purse(admin: Browser) -> None:
    code, page = make(admin)
    password = re.search(r'id="password">([a-z2-9-]{19})<', page)
    assert code == 200
    assert password
    assert password.group(1) not in admin.get(guest_page(admin)).text
    browser = Browser(admin.app)
    assert browser.sign_in(" VISITOR ", password.group(1)).status_code == 303
    assert "Ines Okafor" in browser.get("/").text
    assert "Ines Okafor visitor" in admin.text("/admin/people?q=okafor")
    with admin.app.app_context():
        user = reading().scalars(select(User).where(User.username == "visitor")).one()
        kept = reading().get(LocalPassword, user.id)
        assert kept is not None
        assert (user.origin, user.role, user.directory_id[:6]) == ("local", "", "local:")
        assert password.group(1) not in kept.password_hash
        assert accounts.get_account(reading(), user_id=user.id).balance == 0


def test_the_directory_is_not_asked_about_a_guests_password(admin: Browser, cast: MemoryDirectory) -> None:
    make(admin, way="type", password=LOCAL_PASSWORD)
    cast.failure = DirectoryUnavailableError("refused")
    assert status(admin.app, "visitor", LOCAL_PASSWORD) == 303
    assert status(admin.app, "visitor", "wrong") == 401
    assert status(admin.app, "alice", "demo-alice") == 503


def test_guests_wait_after_wrong_passwords_like_everybody(admin: Browser) -> None:
    make(admin, way="type", password=LOCAL_PASSWORD)
    assert [status(admin.app, "visitor", "wrong") for _ in range(5)] == [401] * 4 + [429]
    assert status(admin.app, "visitor", LOCAL_PASSWORD) == 429


def test_what_is_wrong_is_said_at_its_field(admin: Browser, cast: MemoryDirectory) -> None:
    for fields, sentence in (
        ({"username": "alice"}, "The network’s directory has somebody of this name"),
        ({"username": "ALICE "}, "The network’s directory has somebody of this name"),
        ({"username": "admin"}, "The network’s directory has somebody of this name"),
        ({"username": ""}, "Give a user name"),
        ({"username": "ines okafor"}, "Use letters from a to z"),
        ({"username": "a@b"}, "Use letters from a to z"),
        ({"username": "*"}, "Use letters from a to z"),
        ({"username": "x" * 65}, "at most 64 characters"),
        ({"display_name": "  "}, "Give the name that people read"),
        ({"display_name": "Ines\x07"}, "without control characters"),
        ({"until": "2020-01-01"}, "Choose today or a later day"),
        ({"until": "2099-01-01"}, "in the next two years"),
        ({"until": "soon"}, "Choose the last day"),
        ({"way": "type", "password": "short"}, "12 to 128 characters"),
        ({"way": "type", "password": "xvisitorx123456"}, "too easy"),
        ({"way": "type", "password": "aaaaaaaaaaaaaaa"}, "too easy"),
        ({"way": "guess"}, "Not a valid choice"),
    ):
        code, page = make(admin, **fields)
        assert code == 422, fields
        assert words_of(page).count(sentence) == 2, fields
    cast.failure = DirectoryUnavailableError("refused")
    code, page = make(admin)
    assert (code, "nobody knows whether the name is free" in words_of(page)) == (503, True)
    with admin.app.app_context():
        assert people.find_user(reading(), username="visitor") is None


def test_a_name_is_given_once(admin: Browser) -> None:
    assert make(admin)[0] == 200
    code, page = make(admin)
    assert (code, "Somebody here has this name already" in words_of(page)) == (422, True)


def test_another_password_ends_the_sessions_of_the_old_one(admin: Browser) -> None:
    make(admin, way="type", password=LOCAL_PASSWORD)
    guest, page = Browser(admin.app), guest_page(admin)
    guest.sign_in("visitor", LOCAL_PASSWORD)
    response = admin.send(f"{page}/password", page, way="type", password="another battery staple")
    assert "The password was changed." in words_of(response.text)
    assert guest.get("/").status_code == 302
    assert status(admin.app, "visitor", LOCAL_PASSWORD) == 401
    assert status(admin.app, "visitor", "another battery staple") == 303


def test_a_guest_is_ended_extended_and_let_in_again(admin: Browser, hand: Hand) -> None:
    make(admin, way="type", password=LOCAL_PASSWORD)
    guest, page = Browser(admin.app), guest_page(admin)
    guest.sign_in("visitor", LOCAL_PASSWORD)
    assert admin.send(f"{page}/end", page).status_code == 303
    assert guest.get("/").status_code == 302
    assert status(admin.app, "visitor", LOCAL_PASSWORD) == 401
    assert "Ended" in admin.text(PAGE)
    day = (hand.now.date()).isoformat()
    assert admin.send(f"{page}/until", page, until=day).status_code == 303
    assert status(admin.app, "visitor", LOCAL_PASSWORD) == 303
    assert admin.send(f"{page}/until", page, until="yesterday").status_code == 422


def test_whose_time_is_over_goes_with_the_next_look_for_changes(
    print_app: Flask, cast: MemoryDirectory, hand: Hand
) -> None:
    short, long = make_local(print_app, "short", days=1), make_local(print_app, "long", days=3)
    rescue = make_local(print_app, "rescue", administrator=True)
    print_app.extensions["twinpurse.roster"] = MemoryRoster(cast)
    with print_app.app_context():
        _, token = writing(lambda session: devices.make(session, user_id=short, name="A desk", now=hand.now))
        assert devices.find(token=token).user_id == short
        hand.on(days=2)
        tasks.sync_changes()
        with pytest.raises(NotSignedInError):
            devices.find(token=token)
        states = {user.id: user.status for user in reading().scalars(select(User))}
    assert states == {short: "gone", long: "active", rescue: "active"}


def test_helpers_of_the_page_are_for_administrators(admin: Browser) -> None:
    user_id, rescue = make_local(admin.app, "visitor"), make_local(admin.app, "rescue", administrator=True)
    alice = signed_in(admin.app, "alice")
    for path in (PAGE, f"{PAGE}/new", f"{PAGE}/{user_id}"):
        assert alice.get(path).status_code == 403
    for verb in ("until", "password", "end"):
        assert alice.send(f"{PAGE}/{user_id}/{verb}", "/").status_code == 403
        assert admin.send(f"{PAGE}/{rescue}/{verb}", PAGE + "/new").status_code == 404, "only the command changes it"
    assert "rescue is a local administrator" in admin.text(PAGE)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_clock_does_not_tell_guests_from_others(
    print_app: Flask, hand: Hand, quick_refusals: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In earnest: the slow hash, and refusals that are held back."""
    monkeypatch.undo()
    monkeypatch.setattr(credentials, "REFUSAL_TAKES_S", quick_refusals)
    make_local(print_app, "visitor")
    browser, medians = Browser(print_app), [0.0]
    token = browser.token("/sign-in")
    for _ in range(2):  # a busy machine is asked once more
        took: dict[str, list[float]] = {"visitor": [], "nobody": [], "alice": []}
        for _ in range(15):
            for name, times in took.items():
                forget(print_app)
                began = time.perf_counter()
                form = {"csrf_token": token, "username": name, "password": "wrong"}
                assert browser.client.post("/sign-in", data=form).status_code == 401
                times.append(time.perf_counter() - began)
        medians = [median(times) for times in took.values()]
        assert min(medians) >= quick_refusals
        if max(medians) <= 1.15 * min(medians):
            return
    pytest.fail(f"medians: {medians}")


def test_a_made_password_is_long_enough_and_never_the_same() -> None:
    made = {local.make_password() for _ in range(100)}
    assert len(made) == 100
    assert all(local.check_password(password, name="visitor") == password for password in made)
