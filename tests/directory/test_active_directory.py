"""Sign-in at a real Active Directory: every way to write one's name, who that is for years, how the server is asked."""

from __future__ import annotations

from collections.abc import Callable

import ldap3
import pytest

from directory.interface import BadCredentialsError, DirectoryConfigError, DirectoryUnavailableError
from directory.ldap import LdapDirectory
from tests.servers.samba import Samba

Ask = Callable[..., LdapDirectory]


@pytest.mark.parametrize(
    ("typed", "username"),
    [
        ("alice", "alice"),
        ("ADTEST\\Alice", "alice"),
        ("alice@ad.example.org", "alice"),
        ("jane.doe@school.example", "jane"),
        ("max@school.example", "max2"),
        ("comma", "comma"),
    ],
)
def test_signing_in(samba: Samba, ask_samba: Ask, typed: str, username: str) -> None:
    directory = ask_samba(samba, nested_groups=False)
    person = directory.authenticate(typed, f"demo-{username}")
    assert person.username == username
    assert person.email == f"{username}@school.example"
    with pytest.raises(BadCredentialsError):
        directory.authenticate(typed, "wrong")


def test_the_password_of_one_max_is_not_that_of_the_other(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba, nested_groups=False)
    for typed, password in (("max@school.example", "demo-max"), ("max", "demo-max2"), ("ADTEST\\max", "demo-max2")):
        with pytest.raises(BadCredentialsError):
            directory.authenticate(typed, password)


def test_a_name_and_a_password_beyond_ascii(samba: Samba, ask_samba: Ask) -> None:
    person = ask_samba(samba).authenticate("JOSÉ", "pässwörd-😀")
    assert (person.username, person.display_name) == ("josé", "José Ångström")
    assert person.groups == ("Domain Users", "Users")


def rename(samba: Samba, dn: str, *, name: str, account: str) -> None:
    """Give somebody another name and account name, as an administrator."""
    with samba.administrator() as admin:
        admin.modify_dn(dn, f"CN={name}")
        changes = {"sAMAccountName": account, "userPrincipalName": f"{account}@ad.example.org"}
        replaced = {key: [(ldap3.MODIFY_REPLACE, [value])] for key, value in changes.items()}
        admin.modify(f"CN={name},{samba.people_dn}", replaced)


def test_who_is_renamed_stays_the_same_person(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba, nested_groups=False)
    before = directory.authenticate("renamed", "demo-renamed")
    rename(samba, before.dn, name="After Marriage", account="married")
    try:
        after = directory.authenticate("married", "demo-renamed")
        assert after.directory_id == before.directory_id
        assert (after.username, after.dn) == ("married", f"CN=After Marriage,{samba.people_dn}")
        assert directory.find("renamed") is None
    finally:
        rename(samba, f"CN=After Marriage,{samba.people_dn}", name="Before Renaming", account="renamed")
    assert directory.find("renamed") == before


def test_a_name_that_somebody_had_before_is_another_person(samba: Samba, ask_samba: Ask) -> None:
    second = ask_samba(samba, nested_groups=False).authenticate("recycled", "demo-recycled")
    with samba.administrator() as admin:
        deleted = ("1.2.840.113556.1.4.417", True, None)  # shows deleted objects
        admin.search(
            samba.base_dn, "(&(isDeleted=TRUE)(sAMAccountName=recycled))", attributes=["objectGUID"], controls=[deleted]
        )
        (first,) = (entry for entry in admin.response if entry["type"] == "searchResEntry")
    assert first["raw_attributes"]["objectGUID"][0] != b""
    assert second.display_name == "Second Holder"
    assert len(second.directory_id) == 36
    assert first["raw_attributes"]["objectGUID"][0].hex() != second.directory_id.replace("-", "")


def test_all_is_well_over_ldaps_and_over_starttls(samba: Samba, ask_samba: Ask) -> None:
    assert ask_samba(samba).check() == []
    directory = ask_samba(samba, servers=[samba.starttls_url], start_tls=True, nested_groups=False)
    assert directory.check() == []
    assert directory.authenticate("alice", "demo-alice").groups == ("Domain Users", "Students")


def test_without_tls_the_server_refuses_and_we_say_why(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba, servers=[samba.starttls_url], plaintext_on_loopback=True)
    with pytest.raises(DirectoryConfigError, match="demands an encrypted connection"):
        directory.authenticate("alice", "demo-alice")


def test_the_service_account_may_be_named_as_people_are(samba: Samba, ask_samba: Ask) -> None:
    for bind_dn in ("ADTEST\\svc.twinpurse", "svc.twinpurse@ad.example.org"):
        assert ask_samba(samba, bind_dn=bind_dn, nested_groups=False).find("alice")


def test_searching_without_an_account_is_refused(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba, bind_dn="")
    with pytest.raises(DirectoryUnavailableError, match="operationsError"):
        directory.authenticate("alice", "demo-alice")
    assert "operationsError" in directory.check()[0]
