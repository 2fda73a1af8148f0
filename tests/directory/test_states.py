"""Who may not use their account now, as each kind of directory writes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from directory.connection import Entry
from directory.ldap import LdapDirectory
from directory.settings import DirectorySettings
from directory.states import file_time, generalized_time, why_unusable
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd

Ask = Callable[..., LdapDirectory]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def state(kind: str, **values: str) -> str:
    """What is wrong with an account that has these values."""
    settings = DirectorySettings(servers=["ldaps://x"], base_dn="dc=x", kind=kind)  # type: ignore[arg-type]
    return why_unusable(Entry("cn=x", {name.lower(): [text.encode()] for name, text in values.items()}), settings, NOW)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"userAccountControl": "512"}, ""),
        ({"userAccountControl": "514"}, "disabled"),
        ({"userAccountControl": "66050"}, "disabled"),
        ({"userAccountControl": "x"}, ""),
        ({"accountExpires": "0"}, ""),
        ({"accountExpires": "9223372036854775807"}, ""),
        ({"accountExpires": "9223372036854775806"}, ""),
        ({"accountExpires": "126227808000000000"}, "account_expired"),
        ({"accountExpires": "157469184000000000"}, ""),
        ({"lockoutTime": "126227808000000000"}, ""),
        ({"shadowExpire": "1"}, ""),
    ],
)
def test_accounts_of_active_directory(values: dict[str, str], expected: str) -> None:
    assert state("active-directory", **values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"pwdAccountLockedTime": "000001010000Z"}, "disabled"),
        ({"pwdAccountLockedTime": "20261123115900Z"}, ""),
        ({"nsAccountLock": "TRUE"}, "disabled"),
        ({"nsAccountLock": "false"}, ""),
        ({"krbPrincipalExpiration": "20261123120000Z"}, "account_expired"),
        ({"krbPrincipalExpiration": "20261123120001Z"}, ""),
        ({"pwdEndTime": "20251123120001Z"}, "account_expired"),
        ({"krbPrincipalExpiration": "soon"}, ""),
        ({"shadowExpire": "20780"}, "account_expired"),
        ({"shadowExpire": "20781"}, ""),
        ({"shadowExpire": "-1"}, ""),
        ({"userAccountControl": "514"}, ""),
    ],
)
@pytest.mark.parametrize("kind", ["openldap", "freeipa"])
def test_accounts_elsewhere(kind: str, values: dict[str, str], expected: str) -> None:
    assert state(kind, **values) == expected


def test_moments() -> None:
    assert generalized_time("20261123080910Z") == datetime(2026, 11, 23, 8, 9, 10, tzinfo=UTC)
    assert generalized_time("202611230809Z") == datetime(2026, 11, 23, 8, 9, tzinfo=UTC)
    assert generalized_time("20261123080910.25Z") == datetime(2026, 11, 23, 8, 9, 10, 250_000, tzinfo=UTC)
    for text in ("", "20261323080910Z", "20261123080910", "20261123", "000001010000Z"):
        assert generalized_time(text) is None
    moment = file_time(134_000_000_000_000_000)
    assert moment is not None
    assert moment - datetime(1601, 1, 1, tzinfo=UTC) == timedelta(seconds=13_400_000_000)
    assert file_time(2**70) is None


def test_whoever_is_disabled_is_found_and_says_so(samba: Samba, ask_samba: Ask, policy_slapd: Slapd, ask: Ask) -> None:
    asked = [
        (
            ask_samba(samba, nested_groups=False),
            {"disabled": True, "expired": True, "notyet": False, "alice": False, "mustchange": False},
        ),
        (ask(policy_slapd), {"disabled": True, "left": True, "stays": False, "lockedonce": False, "alice": False}),
    ]
    for directory, states in asked:
        found = {username: directory.find(username) for username in states}
        assert {username: person and person.disabled for username, person in found.items()} == states
