"""Names that meet: local people, people of the directory, aliases and recycled names; and what no column takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from app import clock
from app.db import writing
from app.errors import InvalidInputError, NotFoundError
from app.people import aliases, credentials
from directory.interface import DirectoryUnavailableError, Person
from directory.memory import MemoryDirectory, MemoryPerson
from tests.conftest import person
from tests.people.conftest import make_local, with_sign_in
from tests.web.browsing import Browser, words_of

HEADER = "HTTP_REMOTEUSER"


def by_header(app: Flask, name: str) -> str:
    """The page that somebody gets whom the proxy names so."""
    with_sign_in(app, header="RemoteUser", header_from=["127.0.0.1"])
    browser = Browser(app)
    browser.client.environ_base.update({HEADER: name, "REMOTE_ADDR": "127.0.0.1"})
    return browser.get("/sign-in", follow_redirects=True).text


def test_an_alias_gives_nobody_the_account_of_its_holder(
    print_app: Flask,
    cast: MemoryDirectory,
    known: Callable[..., dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aliases, "ASK_AGAIN_S", 0.0)
    with print_app.app_context():
        bob = known()["bob"]
        writing(lambda session: aliases.add(session, user_id=bob, name="nina", domains=[], by="Ada", now=clock.now()))
        assert credentials.identify("nina").id == bob
        cast.put(MemoryPerson(replace(person("nils", "Nils", ()), email="nina"), "secret"))
        assert credentials.identify("nina").id == bob, "an address for mail takes no name away"
        cast.put(MemoryPerson(person("nina", "Nina New", ()), "secret"))
        assert credentials.identify("nina").display_name == "Nina New", "not only from the next sync on"


def test_nobody_signs_in_with_an_alias_or_a_former_name(
    print_app: Flask, cast: MemoryDirectory, known: Callable[..., dict[str, int]]
) -> None:
    with print_app.app_context():
        bob = known()["bob"]
        writing(lambda session: aliases.add(session, user_id=bob, name="nina", domains=[], by="Ada", now=clock.now()))
    assert "nobody of this name may sign in here" in by_header(print_app, "nina")
    cast.failure = DirectoryUnavailableError("away")
    assert "directory does not answer" in by_header(print_app, "nina")
    assert "Bob Brown" in by_header(print_app, "bob")
    assert "directory does not answer" in by_header(print_app, "admin"), "who has a role is asked about"


def test_a_session_by_another_name_of_the_directory_lasts(print_app: Flask) -> None:
    assert "Alice Andersson" in by_header(print_app, "alice@example.org")


def test_a_recycled_name_is_another_person_by_header_at_once(
    print_app: Flask, cast: MemoryDirectory, known: Callable[..., dict[str, int]]
) -> None:
    with print_app.app_context():
        known()
    cast.remove("bob")
    cast.put(MemoryPerson(replace(person("bob", "Bob the Second", ()), directory_id="id-second"), "secret"))
    assert "Bob the Second" in by_header(print_app, "bob")


def test_a_person_of_the_directory_with_a_guests_name_stops_nobody(print_app: Flask, cast: MemoryDirectory) -> None:
    make_local(print_app, "visitor")
    late = replace(person("visitor", "Vera Visitor", ()), email="vera@school.example")
    cast.put(MemoryPerson(late, "secret"))
    answer = Browser(print_app).sign_in("vera@school.example", "secret")
    assert answer.status_code == 403
    assert "belongs to a guest here" in words_of(answer.text)
    with print_app.app_context(), pytest.raises(NotFoundError):
        credentials.identify("vera@school.example")
    assert "nobody of this name may sign in here" in by_header(print_app, "vera@school.example")


def test_what_a_directory_says_of_somebody_always_fits(
    make_instance: Callable[..., Flask], cast: MemoryDirectory, database_url: str
) -> None:
    app = make_instance(database_url=database_url)
    groups = ("G" * 300, "ß" * 256, "Nul\0led", "Pupils", " ")
    cast.put(MemoryPerson(Person("id-l", "cn=l", "longname", "L\0" + "x" * 300, "e" * 400, groups), "secret"))
    cast.put(MemoryPerson(Person("id-m", "cn=m", "ss" * 256, "M", "m@x", ()), "secret"))
    assert Browser(app).sign_in("longname", "secret").status_code == 303
    with app.app_context():
        user = credentials.identify("longname")
        assert user.display_name == "L" + "x" * 255
        assert [group.name for group in user.groups] == ["Nulled", "Pupils"]
        with pytest.raises(NotFoundError):
            credentials.identify("m@x")
        with pytest.raises(InvalidInputError):
            writing(
                lambda session: aliases.add(
                    session, user_id=user.id, name="ß" * 256, domains=[], by="Ada", now=clock.now()
                )
            )
        with pytest.raises(NotFoundError):
            writing(lambda session: aliases.remove(session, user_id=user.id, name_key="a\0", by="Ada", now=clock.now()))
