"""Signing in and looking up against OpenLDAP: the awkward names, groups, referrals, and the steps themselves."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demo.people import PEOPLE
from directory.connection import Entry
from directory.interface import BadCredentialsError, DirectoryConfigError, DirectoryUnavailableError
from directory.ldap import LdapDirectory, lasting_id
from tests.directory.conftest import COMMA_DN, PASSWORD, UTF8_PASSWORD, Listener, awkward_ldif
from tests.servers.slapd import Slapd, group_ldif

Ask = Callable[..., LdapDirectory]


def test_a_name_and_a_password_beyond_ascii(slapd: Slapd, ask: Ask) -> None:
    person = ask(slapd).authenticate("JOSÉ", UTF8_PASSWORD)
    assert (person.username, person.display_name, person.groups) == ("josé", "José Ångström", ("Zèbres",))
    with pytest.raises(BadCredentialsError):
        ask(slapd).authenticate("josé", "passworde-😀")


def test_a_dn_with_escaped_characters_and_every_kind_of_group(slapd: Slapd, ask: Ask) -> None:
    person = ask(slapd).authenticate("comma", PASSWORD)
    assert person.display_name == 'Quote" Comma, Plus+'
    assert person.groups == ("Choir", "Zèbres", "athletes")
    assert ask(slapd).find("comma") == person
    assert person.dn.replace('\\"', "\\22").replace("\\,", "\\2C").replace("\\+", "\\2B") == COMMA_DN


def test_special_characters_in_a_name_are_only_characters(slapd: Slapd, ask: Ask) -> None:
    assert ask(slapd).authenticate("star*(x)\\y", PASSWORD).username == "star*(x)\\y"
    assert ask(slapd).find("star*") is None


def test_a_person_with_two_names_has_one_username(slapd: Slapd, ask: Ask) -> None:
    directory = ask(slapd)
    assert {directory.authenticate(typed, PASSWORD).username for typed in ("dora", "dorothea")} == {"dorothea"}


def test_two_entries_with_one_name_sign_nobody_in(slapd: Slapd, ask: Ask) -> None:
    with pytest.raises(BadCredentialsError):
        ask(slapd).authenticate("twin", PASSWORD)
    with pytest.raises(DirectoryConfigError, match="more than one"):
        ask(slapd).find("twin")


def test_one_of_two_entries_is_not_taken_for_the_only_one(ask: Ask) -> None:
    """A server that gives only so many entries could hide the second one."""
    with Slapd(more_ldif=awkward_ldif("ldap://127.0.0.1:1"), more_settings="sizelimit 1") as server:
        with pytest.raises(DirectoryConfigError, match="no more than 1"):
            ask(server).authenticate("twin", PASSWORD)
        assert ask(server).authenticate("dora", PASSWORD).username == "dorothea"


def test_an_entry_without_a_password_cannot_sign_in(slapd: Slapd, ask: Ask) -> None:
    with pytest.raises(BadCredentialsError):
        ask(slapd).authenticate("nopass", "anything")


def test_groups_are_found_below_their_own_base(slapd: Slapd, ask: Ask) -> None:
    groups = f"ou=groups,{slapd.base_dn}"
    assert ask(slapd, group_base_dn=groups, group_filter="(member={dn})").authenticate(
        "alice", "demo-alice"
    ).groups == ("Students",)
    people = f"ou=people,{slapd.base_dn}"
    assert ask(slapd, group_base_dn=people).authenticate("alice", "demo-alice").groups == ()


def test_referrals_are_not_followed(slapd: Slapd, ask: Ask, elsewhere: Listener) -> None:
    directory = ask(slapd)
    assert directory.find("gone") is None
    with pytest.raises(BadCredentialsError):
        directory.authenticate("gone", PASSWORD)
    with pytest.raises(DirectoryUnavailableError, match="referral"):
        ask(slapd, base_dn="dc=another,dc=example").authenticate("alice", "demo-alice")
    assert directory.authenticate("alice", "demo-alice")
    assert elsewhere.connections == 0


def test_an_unknown_name_takes_the_same_steps_as_a_wrong_password(slapd: Slapd, ask: Ask) -> None:
    directory = ask(slapd)

    def steps(username: str) -> list[str]:
        before = len(slapd.requests())
        with pytest.raises(BadCredentialsError):
            directory.authenticate(username, "wrong")
        return slapd.requests()[before:]

    assert steps("alice") == steps("nobody") == steps("twin") == ["BIND", "SRCH", "BIND"]


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", "x"),
        ("alice", ""),
        (" ", "x"),
        ("a" * 257, "x"),
        ("alice", "x" * 1025),
        ("al\x00ice", "x"),
        ("alice", "x\r"),
    ],
)
def test_impossible_names_and_passwords_reach_no_server(
    ask: Ask, slapd: Slapd, listener: Callable[..., Listener], username: str, password: str
) -> None:
    server = listener()
    directory = ask(slapd, servers=[server.url], plaintext_on_loopback=True)
    with pytest.raises(BadCredentialsError):
        directory.authenticate(username, password)
    if password == "x":
        assert directory.find(username) is None
    assert server.connections == 0


def test_wrong_settings_are_said_to_be_wrong(slapd: Slapd, ask: Ask) -> None:
    wrong: list[tuple[str, LdapDirectory]] = [
        ("service account", ask(slapd, bind_password="wrong")),
        ("not there", ask(slapd, base_dn=f"ou=nowhere,{slapd.base_dn}")),
        ("not there", ask(slapd, group_base_dn=f"ou=nowhere,{slapd.base_dn}")),
        ("entryUUIDs", ask(slapd, id_attribute="entryUUIDs")),
        ("employeeNumber", ask(slapd, username_attribute="employeeNumber")),
    ]
    for hint, directory in wrong:
        with pytest.raises(DirectoryConfigError, match=hint):
            directory.authenticate("alice", "demo-alice")
        with pytest.raises(DirectoryConfigError, match=hint):
            directory.find("alice")
        assert hint in " ".join(directory.check())


def test_searching_without_an_account_needs_the_right_to(slapd: Slapd, ask: Ask) -> None:
    directory = ask(slapd, bind_dn="")
    with pytest.raises(DirectoryConfigError, match="may not be searched"):
        directory.authenticate("alice", "demo-alice")
    assert "may not be searched" in directory.check()[0]


def test_searching_without_an_account(ask: Ask) -> None:
    with Slapd(readable_by_all=True) as server:
        directory = ask(server, bind_dn="")
        assert directory.check() == []
        before = len(server.requests())
        assert directory.authenticate("carol", "demo-carol").groups == ("Staff",)
        assert server.requests()[before:] == ["SRCH", "BIND", "EXT", "BIND", "SRCH", "SRCH"]
        with pytest.raises(BadCredentialsError):
            directory.authenticate("carol", "wrong")


def test_nobody_matches(slapd: Slapd, ask: Ask) -> None:
    problems = ask(slapd, user_filter="(&(uid={username})(employeeType=none))").check()
    assert len(problems) == 1
    assert "nobody" in problems[0]


def test_many_at_once(slapd: Slapd, ask: Ask) -> None:
    directory = ask(slapd)
    with ThreadPoolExecutor(8) as pool:
        names = ["alice", "bob", "carol", "admin"] * 6
        people = list(pool.map(lambda name: directory.authenticate(name, f"demo-{name}"), names))
    assert [person.username for person in people] == names


def test_more_groups_than_fit_on_a_page(ask: Ask) -> None:
    names = [f"g{number:04}" for number in range(1203)]
    ldif = "".join(group_ldif(name, [PEOPLE[0].dn]) for name in names)
    with Slapd(more_ldif=ldif, more_settings="sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited") as server:
        assert ask(server).authenticate("alice", "demo-alice").groups == ("Students", *names)


def test_no_password_in_a_log_or_an_error(
    slapd: Slapd, ask: Ask, listener: Callable[..., Listener], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "hush-hush-4711"
    not_ldap = listener(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    asked: list[LdapDirectory] = [
        ask(slapd),
        ask(slapd, bind_password=secret),
        ask(slapd, servers=[not_ldap.url], plaintext_on_loopback=True, bind_password=secret),
        ask(slapd, base_dn="dc=another", bind_password=slapd.bind_password),
    ]
    for directory in asked:
        told: list[Any] = [directory.check()]
        with pytest.raises(Exception) as failure:  # noqa: PT011 (every kind of failure must keep the secret)
            directory.authenticate("alice", secret)
        told += traceback.format_exception(failure.value)
        assert secret not in repr(told)
        assert slapd.bind_password not in repr(told)
    assert secret not in caplog.text
    assert slapd.bind_password not in caplog.text


def test_the_lasting_id_of_active_directory() -> None:
    """Values of ours instead of a server's: Active Directory does not run here. Microsoft's MS-DTYP, GUID packet."""
    raw = bytes.fromhex("33221100554477668899aabbccddeeff")
    assert lasting_id(Entry("cn=x", {"objectguid": [raw]}), "objectGUID") == "00112233-4455-6677-8899-aabbccddeeff"
    for values in ([], [raw, raw], [raw[:15] + b"\xff\xfe"]):
        with pytest.raises(DirectoryConfigError, match="objectGUID"):
            lasting_id(Entry("cn=x", {"objectguid": values}), "objectGUID")
