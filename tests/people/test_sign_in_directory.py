"""Signing in through the page with a real directory behind it: odd names, its lock-out, its hanging, its clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import ldap3
import pytest
from flask import Flask

from app.db import reading
from app.people.service import list_users
from demo.people import PEOPLE_DN
from directory.gate import GatedDirectory
from directory.ldap import LdapDirectory
from directory.refusals import WRONG
from directory.settings import DirectorySettings
from tests.directory.conftest import Listener
from tests.people.conftest import forget, with_sign_in
from tests.people.test_sign_in import body_of
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd
from tests.web.browsing import Browser, signed_in, words_of

TRIES = 200
MAY_DIFFER = 0.15
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "alice")


def people(app: Flask) -> list[str]:
    """Who is known to the instance."""
    with app.app_context():
        return [user.username for user, _ in list_users(reading(), query="", after="", limit=100)]


REFUSED_NAMES = [
    "",
    "   ",
    "*",
    "a*",
    "alice)(uid=*",
    "*)(uid=alice",
    "alice\\00",
    "alice\x00",
    "alice\nbob",
    "x" * 10_000,
    "alice" + " " * 10_000,
    WIDE,
    "al\u0456ce",  # with a Cyrillic letter
    "uid=alice",
    f"uid=alice,{PEOPLE_DN}",
    "OTHER\\alice",
    "alice@elsewhere.example",
    "alice@northfield.example@x",
    "bob",
]


def test_odd_names_are_refused_in_the_same_words(real_app: Flask) -> None:
    """Typed with alice's password: nobody comes in, and nobody is made known."""
    plain = body_of(Browser(real_app).sign_in("nobody", "wrong"), "nobody")
    assert WRONG in words_of(plain)
    for typed in REFUSED_NAMES:
        forget(real_app)
        response = Browser(real_app).sign_in(typed, "demo-alice")
        assert (response.status_code, body_of(response, typed[:256])) == (401, plain), repr(typed)
    for password in ("", "\x00", "demo-alice\x00", "demo-alice ", "DEMO-ALICE", "*", "x" * 10_000):
        forget(real_app)
        response = Browser(real_app).sign_in("alice", password)
        assert (response.status_code, body_of(response, "alice")) == (401, plain), repr(password)
    assert people(real_app) == []


def test_other_spellings_of_her_name_are_alice(real_app: Flask) -> None:
    for typed in ("alice", "  alice  ", "ALICE", "alice@northfield.example"):
        assert Browser(real_app).sign_in(typed, "demo-alice").status_code == 303, typed
        assert people(real_app) == ["alice"]


def test_twenty_wrong_passwords_do_not_lock_openldap(real_app: Flask, real_slapd: Slapd) -> None:
    """From one address, then from everywhere: the account is not locked, and a right password elsewhere is taken."""
    with_sign_in(real_app, trusted_proxies=["127.0.0.1"])
    guesser, victim = Browser(real_app), Browser(real_app)
    guesser.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.1"
    victim.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.2"
    assert [guesser.sign_in("victim", "wrong").status_code for _ in range(20)] == [401] * 4 + [429] * 16
    assert failures_at(real_slapd, "victim") == (4, False)
    assert victim.sign_in("victim").status_code == 303
    assert failures_at(real_slapd, "victim") == (0, False)
    for number in range(20):
        browser = Browser(real_app)
        browser.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"198.51.100.{number}"
        assert browser.sign_in("crowd", "wrong").status_code == (401 if number < 8 else 429)
    assert failures_at(real_slapd, "crowd") == (8, False)


def test_many_instances_do_not_lock_openldap_together(
    make_instance: Callable[..., Flask], real_slapd: Slapd, real_app: Flask
) -> None:
    """Each counts for itself; what the directory has counted keeps them under its lock-out all the same."""
    other, third = make_instance(charges=("internet",)), make_instance()
    for app in (other, third):
        app.extensions["twinpurse.directory"] = real_app.extensions["twinpurse.directory"]
    answers = [
        [Browser(app).sign_in("stays", "wrong").status_code for _ in range(5)] for app in (real_app, other, third)
    ]
    assert answers == [[401] * 4 + [429], [401] * 4 + [429], [429] * 5]
    assert failures_at(real_slapd, "stays") == (8, False)


def failures_at(server: Slapd, uid: str) -> tuple[int, bool]:
    """How many wrong passwords OpenLDAP counts for somebody, and whether it has locked them."""
    connection = ldap3.Connection(
        ldap3.Server("127.0.0.1", server.port, get_info=ldap3.NONE), server.bind_dn, server.bind_password
    )
    connection.bind()
    names = ["pwdFailureTime", "pwdAccountLockedTime"]
    connection.search(f"uid={uid},{PEOPLE_DN}", "(objectClass=*)", "BASE", attributes=names)
    values = connection.response[0]["raw_attributes"]
    connection.unbind()
    return len(values["pwdFailureTime"]), bool(values["pwdAccountLockedTime"])


@pytest.mark.parametrize("name", ["mustchange", "oldpassword"])
def test_the_reason_is_for_who_has_the_right_password(real_app: Flask, name: str) -> None:
    right, wrong = Browser(real_app).sign_in(name), Browser(real_app).sign_in(name, "wrong")
    assert "Your network password" in words_of(right.text)
    assert WRONG in words_of(wrong.text)
    assert (right.status_code, wrong.status_code) == (401, 401)
    assert people(real_app) == []


@pytest.fixture
def hanging() -> Iterator[Listener]:
    """A fake server that takes connections and says nothing: a real one cannot be told to."""
    listener = Listener()
    yield listener
    listener.stop()


@pytest.mark.long
def test_a_hanging_directory_is_said_to_be_away_and_who_is_in_goes_on(
    print_app: Flask, real_slapd: Slapd, hanging: Listener
) -> None:
    inside = signed_in(print_app, "alice")
    settings = DirectorySettings(servers=[hanging.url], base_dn=real_slapd.base_dn, plaintext_on_loopback=True)
    print_app.extensions["twinpurse.directory"] = GatedDirectory(LdapDirectory(settings, ""))
    browser = Browser(print_app)
    token, began = browser.token("/sign-in"), time.monotonic()
    form = {"csrf_token": token, "username": "bob", "password": "demo-bob"}
    response = browser.client.post("/sign-in", data=form)
    took_s = time.monotonic() - began
    assert response.status_code == 503
    assert took_s < 6
    assert hanging.connections >= 1
    assert "The network's directory does not answer." in words_of(response.text)
    assert WRONG not in words_of(response.text)
    assert inside.get("/").status_code == 200
    assert people(print_app) == ["alice"]


def compare(app: Flask, known: str, unknown: str) -> None:
    """Fail when the medians of so many tries differ by more than a seventh; a busy machine is asked once more."""
    browser = Browser(app)
    token, took = browser.token("/sign-in"), {known: [0.0], unknown: [0.0]}
    for _ in range(2):
        took = {known: [], unknown: []}
        for _ in range(TRIES):
            for name, times in took.items():
                forget(app)
                began = time.perf_counter()
                form = {"csrf_token": token, "username": name, "password": "wrong"}
                assert browser.client.post("/sign-in", data=form).status_code == 401
                times.append(time.perf_counter() - began)
        first, second = (median(times) for times in took.values())
        if abs(first - second) <= MAY_DIFFER * first:
            return
    pytest.fail(f"medians: { ({name: median(times) for name, times in took.items()}) }")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_unknown_name_takes_as_long_as_a_wrong_password(real_app: Flask) -> None:
    """Without the time that every refusal is held back; "free" may be tried as often as one likes."""
    compare(real_app, "free", "nobody")


@pytest.mark.long
@pytest.mark.timeout(120)
def test_twenty_wrong_passwords_do_not_lock_active_directory(make_instance: Callable[..., Flask]) -> None:
    app = with_sign_in(make_instance(), trusted_proxies=["127.0.0.1"])
    with Samba() as server:
        settings = DirectorySettings(
            kind="active-directory",
            servers=[server.ldaps_url],
            ca_file=str(server.ca_file),
            bind_dn=server.bind_dn,
            base_dn=server.base_dn,
        )
        app.extensions["twinpurse.directory"] = GatedDirectory(LdapDirectory(settings, server.bind_password))
        guesser, victim = Browser(app), Browser(app)
        guesser.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.1"
        victim.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.2"
        assert [guesser.sign_in("victim", "wrong").status_code for _ in range(20)] == [401] * 4 + [429] * 16
        assert state_at(server, "victim") == (4, False)
        assert victim.sign_in("victim").status_code == 303
        assert state_at(server, "victim") == (0, False)


def state_at(server: Samba, name: str) -> tuple[int, bool]:
    """How many wrong passwords Active Directory counts for somebody, and whether it has locked them."""
    with server.administrator() as admin:
        admin.search(server.base_dn, f"(sAMAccountName={name})", attributes=["badPwdCount", "lockoutTime"])
        values = admin.response[0]["attributes"]
    count, locked = values.get("badPwdCount") or 0, values.get("lockoutTime") or 0
    return int(count if not isinstance(count, list) else (count or [0])[0]), str(locked) not in ("0", "[]")
