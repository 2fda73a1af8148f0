"""The [directory] table: what is wrong is said before anything is started."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from directory.interface import DirectoryConfigError
from directory.ldap import LdapDirectory
from directory.settings import PRESETS, DirectorySettings, parse_server


def settings(**changes: Any) -> DirectorySettings:
    """Valid settings with some changes."""
    return DirectorySettings(**{"servers": ["ldaps://ldap.example:636"], "base_dn": "dc=example", **changes})


def test_whole_numbers_are_fine_for_seconds_as_toml_gives_them() -> None:
    assert settings(connect_timeout_s=3).connect_timeout_s == 3


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ldaps://ldap.example", ("ldap.example", 636, True)),
        ("ldap://LDAP.example:1389/", ("ldap.example", 1389, False)),
        ("ldaps://[::1]:7636", ("::1", 7636, True)),
    ],
)
def test_addresses(url: str, expected: tuple[str, int, bool]) -> None:
    address = parse_server(url)
    assert (address.host, address.port, address.tls) == expected
    assert parse_server(address.url) == address


@pytest.mark.parametrize(
    "url",
    [
        "ldap.example",
        "http://ldap.example",
        "ldaps://",
        "ldaps://u:p@h",
        "ldaps://h/dc=x",
        "ldaps://h:99999",
        "ldaps://h?x",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        settings(servers=[url])


@pytest.mark.parametrize(
    "changes",
    [
        {"servers": ["ldap://ldap.example"]},
        {"servers": ["ldap://ldap.example"], "plaintext_on_loopback": True},
        {"servers": ["ldap://127.0.0.1"]},
        {"servers": ["ldap://localhost"]},
        {"servers": ["ldaps://ldap.example", "ldap://ldap.example"]},
        {"servers": ["ldap://127.0.0.1.example.org"], "plaintext_on_loopback": True},
    ],
)
def test_passwords_are_never_sent_unencrypted(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="unencrypted"):
        settings(**changes)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_plain_ldap_may_be_allowed_on_this_machine(host: str) -> None:
    assert settings(servers=[f"ldap://{host}"], plaintext_on_loopback=True).addresses[0].is_loopback


def test_starttls_allows_ldap_and_not_ldaps() -> None:
    assert settings(servers=["ldap://ldap.example"], start_tls=True)
    with pytest.raises(ValidationError, match="start_tls"):
        settings(start_tls=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"servers": []},
        {"base_dn": ""},
        {"user_filter": "(uid=alice)"},
        {"user_filter": "(uid={username}"},
        {"user_filter": "uid={username}"},
        {"user_filter": "(uid={name})"},
        {"user_filter": "(member={dn})"},
        {"group_filter": "(member={user})"},
        {"user_filter": "(uid=*{username})"},
        {"user_filter": "(uid~={username})"},
        {"user_filter": "(cn:caseExactMatch:={username})"},
        {"user_filter": "(&(uid={username})(cn~={username}))"},
        {"people_filter": "(uid={username})"},
        {"people_filter": "uid=x"},
        {"kind": "novell"},
        {"kind": 1},
        {"domains": ["alice@school"]},
        {"domains": ["SCHOOL\\"]},
        {"domains": [" "]},
        {"lockout_after": 2},
        {"lockout_after": -1},
        {"lockout_after": 1001},
        {"nested_groups": "no"},
        {"id_attribute": ""},
        {"username_attribute": "uid)(x"},
        {"connect_timeout_s": 0},
        {"receive_timeout_s": -1},
        {"connect_timeout_s": "3"},
        {"start_tls": "yes"},
        {"password": "secret"},
    ],
)
def test_wrong_values_and_unknown_keys_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


@pytest.mark.parametrize("kind", PRESETS)
def test_a_kind_fills_in_what_is_not_written_out(kind: str) -> None:
    made = settings(kind=kind)
    for key, value in PRESETS[kind].items():
        assert getattr(made, key) == value
    own = settings(kind=kind, user_filter="(cn={username})", id_attribute="myId")
    assert (own.user_filter, own.id_attribute) == ("(cn={username})", "myId")
    assert own.group_filter == PRESETS[kind]["group_filter"]


def test_without_a_kind_it_is_openldap() -> None:
    assert settings() == settings(kind="openldap")


def test_without_nested_groups_active_directory_is_asked_for_direct_ones() -> None:
    assert "1.2.840.113556.1.4.1941" in settings(kind="active-directory").group_filter
    direct = settings(kind="active-directory", nested_groups=False)
    assert direct.group_filter == "(&(objectCategory=group)(member={dn}))"


def test_everybody_is_whom_a_name_could_find() -> None:
    assert settings().everybody_filter == "(&(uid=*)(|(uid=*)(mail=*)))"
    assert settings(people_filter="(employeeType=student)").everybody_filter == "(employeeType=student)"


def test_what_names_are_compared_with() -> None:
    assert settings().name_comparisons == (("uid", "{username}"), ("mail", "{username}"))
    own = settings(user_filter="(&(objectClass=person)(|(uid={username})( proxyAddresses=smtp:{username})))")
    assert own.name_comparisons == (("uid", "{username}"), ("proxyAddresses", "smtp:{username}"))


def test_active_directory_filters_are_accepted() -> None:
    assert settings(
        user_filter="(&(objectCategory=person)(sAMAccountName={username}))",
        group_filter="(member:1.2.840.113556.1.4.1941:={dn})",
    )


def test_half_a_service_account_is_refused() -> None:
    with pytest.raises(DirectoryConfigError, match="incomplete"):
        LdapDirectory(settings(bind_dn="cn=x,dc=example"), "")
    with pytest.raises(DirectoryConfigError, match="incomplete"):
        LdapDirectory(settings(), "secret")


def test_an_unusable_authority_file_is_named(tmp_path: Any) -> None:
    for name, content in (("missing.pem", None), ("empty.pem", ""), ("text.pem", "hello")):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        with pytest.raises(DirectoryConfigError, match=name):
            LdapDirectory(settings(ca_file=str(path)), "")
