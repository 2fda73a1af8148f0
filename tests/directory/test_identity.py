"""After a sign-in the server must say that it was this person; a bare "success" is not believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from demo.people import PEOPLE_DN
from directory.interface import BadCredentialsError, DirectoryUnavailableError
from directory.ldap import LdapDirectory
from tests.directory.conftest import ldaptor_directory
from tests.servers.slapd import Slapd


@pytest.mark.parametrize("claim", ["true", "silent", f"dn:UID=Alice, {PEOPLE_DN}", "u:NORTHFIELD\\Alice", "u:alice"])
def test_the_right_identity_is_accepted(serve_ldaptor: Callable[..., str], claim: str) -> None:
    directory = ldaptor_directory(serve_ldaptor("tests.directory.lying_server", "--claim", claim))
    assert directory.authenticate("alice", "whatever").username == "alice"


@pytest.mark.parametrize("claim", ["nobody", f"dn:uid=bob,{PEOPLE_DN}", "dn:", "u:NORTHFIELD\\bob", "u:", "alice"])
def test_another_identity_is_not(serve_ldaptor: Callable[..., str], claim: str) -> None:
    directory = ldaptor_directory(serve_ldaptor("tests.directory.lying_server", "--claim", claim))
    with pytest.raises(DirectoryUnavailableError, match="does not confirm"):
        directory.authenticate("alice", "whatever")


def test_an_unknown_name_stays_unknown_though_its_dummy_bind_succeeds(serve_ldaptor: Callable[..., str]) -> None:
    directory = ldaptor_directory(serve_ldaptor("tests.directory.lying_server", "--claim", "true"))
    with pytest.raises(BadCredentialsError):
        directory.authenticate("nobody", "whatever")


def test_openldap_that_refuses_to_tell_is_asked_for_the_own_entry(ask: Callable[..., LdapDirectory]) -> None:
    with Slapd(more_settings="restrict extended=1.3.6.1.4.1.4203.1.11.3") as server:
        directory = ask(server)
        assert directory.authenticate("alice", "demo-alice").username == "alice"
        assert server.requests() == ["BIND", "SRCH", "BIND", "EXT", "SRCH", "BIND", "SRCH", "SRCH"]
        with pytest.raises(BadCredentialsError):
            directory.authenticate("alice", "wrong")
