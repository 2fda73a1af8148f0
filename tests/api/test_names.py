"""One person under many names: at CUPS, at Squid, and in the list that the proxy looks into by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app import clock
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError
from app.ledger import statement
from app.money import MICRO
from app.people import aliases, credentials
from app.people import service as people
from app.people.models import User, UserName
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory, MemoryPerson
from edge.client import Answer
from edge.standing import Standing
from tests.api.conftest import INTERNET, PRINT, Instance, batch, item, job
from tests.conftest import person
from tests.web.browsing import Browser

DOMAINS = ["SCHOOL", "school.example"]
ALIKE = ("alice", "Alice", " ALICE ", "SCHOOL\\alice", "school\\Alice", "alice@school.example", "Alice@SCHOOL.Example")
OTHERS = ("OTHER\\alice", "alice@other.example", "alice@school.example@school.example", "SCHOOL\\", "@school.example")


@pytest.fixture
def net(make_api: Callable[..., Instance], database_url: str) -> Instance:
    """An instance that charges both, of a directory with two domains; alice has 1.00."""
    instance = make_api(charges=("print", "internet"), database_url=database_url)
    instance.app.extensions["twinpurse.settings"].config.directory.domains.extend(DOMAINS)
    instance.credit("alice", MICRO)
    return instance


def add(instance: Instance, name: str, alias: str) -> str:
    with instance.app.app_context():
        return writing(
            lambda session: aliases.add(
                session, user_id=instance.users[name], name=alias, domains=DOMAINS, by="Ada", now=clock.now()
            )
        ).name_key


def former(instance: Instance, name: str, before: str) -> None:
    with instance.app.app_context():
        writing(
            lambda session: aliases.keep_former(session, user_id=instance.users[name], before=before, now=clock.now())
        )


def whose(instance: Instance, *names: str) -> list[str]:
    """Ask at the door of the printers whose each name is; "" for nobody's."""
    found = []
    for number, name in enumerate(names):
        body = job(user=name, job_uuid=f"{name!r}{number}", pages=0)
        decision = instance.ok("POST", PRINT, body)
        with instance.app.app_context():
            user = people.find_user(reading(), username=name)
            found.append(user.username if user and decision["decision"] == "print" else "")
    return found


def proxy_list(instance: Instance) -> Standing:
    """The list as the proxy's helper reads it."""

    class Door:
        def get(self, path: str, headers: object = None) -> Answer:
            answer = instance.call("GET", f"/api/v1{path}")
            return Answer(status=answer.status_code, body=answer.get_json(), headers={"etag": answer.headers["ETag"]})

    standing = Standing(Door())
    standing.refresh()
    assert not standing.away
    return standing


def test_every_way_to_write_a_name_is_one_person(net: Instance) -> None:
    assert whose(net, *ALIKE) == ["alice"] * len(ALIKE)
    assert whose(net, *OTHERS) == [""] * len(OTHERS)
    booked = net.ok("POST", f"{INTERNET}/usage", batch(1, *(item(name, 1000) for name in ALIKE)))
    assert booked["booked"] == 1
    assert [entry.quantity for entry in net.entries("alice", "internet")] == [1000 * len(ALIKE)]


def test_the_proxys_own_list_agrees_with_what_the_instance_says_of_one(net: Instance) -> None:
    add(net, "alice", "asmith")
    add(net, "alice", "B\\alice")
    former(net, "bob", "bobby")
    standing = proxy_list(net)
    for name in (*ALIKE, *OTHERS, "asmith", "school\\ASMITH", "b\\alice", "bobby", "BOBBY@school.example", "nobody"):
        asked = net.call("GET", f"{INTERNET}/standing/{name}")
        said = asked.get_json()["allowed"] if asked.status_code == 200 else None
        assert standing.may(name) is said, name
    assert standing.may("cafe\N{COMBINING ACUTE ACCENT}") is None
    add(net, "alice", "caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    assert proxy_list(net).may("CAFE\N{COMBINING ACUTE ACCENT}") is True


def test_an_alias_from_before_the_domain_was_ours_signs_nobody_else_in(net: Instance) -> None:
    with net.app.app_context():
        make = {"user_id": net.users["bob"], "name": "SCHOOL\\alice", "domains": (), "by": "Ada", "now": clock.now()}
        writing(lambda session: aliases.add(session, **make))
        assert credentials.identify("school\\alice").id == net.users["bob"], "the name as a whole comes first"
    in_domains = MemoryDirectory([], domains=DOMAINS)
    in_domains.put(MemoryPerson(person("alice", "Alice Andersson", ()), "demo-alice"))
    net.app.extensions["twinpurse.directory"] = in_domains
    browser = Browser(net.app)
    assert browser.sign_in("SCHOOL\\alice", "demo-alice").status_code == 303
    assert "Alice Andersson" in browser.get("/").text
    with net.app.app_context():
        net.app.extensions["twinpurse.former_names"].clear()  # a minute later
        assert credentials.identify("school\\alice").id == net.users["bob"]


def test_who_is_not_active_may_not_go_on_and_is_not_printed_for(net: Instance) -> None:
    add(net, "alice", "asmith")
    with net.app.app_context():
        writing(lambda session: setattr(session.get(User, net.users["alice"]), "status", "disabled"))
    standing = proxy_list(net)
    assert [standing.may(name) for name in ("alice", "asmith", "SCHOOL\\alice")] == [False] * 3
    found = net.ok("GET", f"{INTERNET}/standing/asmith")
    assert (found["allowed"], "disabled" in found["message"]) == (False, True)
    refused = net.ok("POST", PRINT, job(user="asmith"))
    assert refused["decision"] == "cancel"
    assert "is disabled" in refused["reason"]
    assert net.figures("alice") == (MICRO, 0)


def test_an_alias_leads_to_one_person_and_says_who_made_it(net: Instance) -> None:
    assert add(net, "alice", " SCHOOL\\ASmith ") == "asmith"
    assert add(net, "alice", "asmith") == "asmith"
    for taken, of in (("Bob", "the name of Bob Brown"), ("asmith", "another name of Alice Andersson")):
        with pytest.raises(InvalidInputError, match=of):
            add(net, "carol", taken)
    for wrong in ("", " ", "a\0b", "x" * 257):
        with pytest.raises(InvalidInputError):
            add(net, "alice", wrong)
    with pytest.raises(InvalidInputError, match="in the directory"):
        add(net, "alice", "ALICE")
    with net.app.app_context():
        for _twice in range(2):
            account = net.entries("alice", "adjustment")[-1].account_id
            lines = statement.lines(reading(), account_id=account, limit=5)
            assert [(line.title, line.detail, line.amount) for line in lines[:-1]] == [
                ("Other name added: “asmith”", "by Ada", 0)
            ]
        asked = {"user_id": net.users["alice"], "name_key": "asmith", "by": "Bea", "now": clock.now()}
        writing(lambda session: aliases.remove(session, **asked))
        with pytest.raises(NotFoundError):
            writing(lambda session: aliases.remove(session, **asked))
    assert whose(net, "asmith") == [""]


def test_a_former_name_is_theirs_until_the_directory_gives_it_to_somebody_else(
    net: Instance, cast: MemoryDirectory
) -> None:
    former(net, "alice", "alina")
    assert whose(net, "alina", "SCHOOL\\Alina") == ["alice", "alice"]
    net.app.extensions.pop("twinpurse.former_names")  # a minute has passed
    cast.failure = DirectoryUnavailableError("away")
    assert whose(net, "alina") == ["alice"]
    cast.failure = None
    net.app.extensions.pop("twinpurse.former_names")
    cast.put(MemoryPerson(person("alina", "Alina New", ()), "x"))
    assert whose(net, "alina") == ["alina"]
    with net.app.app_context():
        assert reading().get(UserName, "alina") is None


def test_a_rename_keeps_the_former_name_and_never_takes_one_away(net: Instance, cast: MemoryDirectory) -> None:
    told = replace(person("alice", "Alice Andersson", ()), username="alice.new")
    cast.remove("alice")
    cast.put(MemoryPerson(told, "x"))
    with net.app.app_context():
        writing(lambda session: people.remember(session, person=told, admin_groups=[], now=clock.now()))
    former(net, "alice", "bob")
    add(net, "carol", "cc")
    former(net, "alice", "cc")
    assert whose(net, "alice", "alice.new", "bob", "cc") == ["alice.new", "alice.new", "bob", "carol"]


def test_many_names_are_found_at_once(net: Instance) -> None:
    add(net, "alice", "asmith")
    many = [f"nobody{number}" for number in range(12_000)]
    with net.app.app_context():
        found = aliases.find_many(reading(), typed=[*many, "asmith", "SCHOOL\\bob"], domains=DOMAINS)
        assert {name: (holder.user.username, holder.kind) for name, holder in found.items()} == {
            "asmith": ("alice", "alias"),
            "SCHOOL\\bob": ("bob", "own"),
        }
