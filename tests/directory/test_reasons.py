"""Why a right password is refused: said only together with the right password, and never for a locked account."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from directory.interface import REFUSAL_REASONS, BadCredentialsError
from directory.ldap import LdapDirectory
from directory.reasons import reason_in_control, reason_in_words
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd

Ask = Callable[..., LdapDirectory]
WORDS = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"


def reason_for(directory: LdapDirectory, username: str, password: str) -> str:
    """The reason with which a sign-in is refused."""
    with pytest.raises(BadCredentialsError) as refusal:
        directory.authenticate(username, password)
    assert str(refusal.value) == "the name or the password is wrong"
    return refusal.value.reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("530", "not_now"),
        ("531", "not_here"),
        ("532", "password_expired"),
        ("533", "disabled"),
        ("701", "account_expired"),
        ("773", "must_change"),
        ("775", ""),
        ("52e", ""),
        ("525", ""),
        ("5330", ""),
        ("0", ""),
    ],
)
def test_codes_of_active_directory(code: str, reason: str) -> None:
    assert reason_in_words(WORDS.format(code)) == reason
    assert reason == "" or reason in REFUSAL_REASONS


def test_other_words_say_nothing() -> None:
    assert reason_in_words("") == reason_in_words("data 533") == reason_in_words("invalid credentials") == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("3003810100", "password_expired"),
        ("3003810101", ""),
        ("3003810102", "must_change"),
        ("3003810105", ""),
        ("3005a003800130", ""),  # a warning alone: 48 seconds are left
        ("3008a003800130810102", "must_change"),
        ("3000", ""),
        ("", ""),
        ("30", ""),
        ("3004810102", ""),
        ("30038101", ""),
        ("3003820102", ""),
        ("3081038101 02".replace(" ", ""), ""),
        ("0403810102", ""),
    ],
)
def test_the_control_of_a_password_policy(value: str, reason: str) -> None:
    assert reason_in_control(bytes.fromhex(value)) == reason


AD_REASONS = {
    "disabled": "disabled",
    "expired": "account_expired",
    "night": "not_now",
    "elsewhere": "not_here",
    "mustchange": "must_change",
    "oldpassword": "password_expired",
}


@pytest.mark.parametrize("username", AD_REASONS)
def test_reasons_of_active_directory_come_with_the_right_password_only(
    samba: Samba, ask_samba: Ask, username: str
) -> None:
    directory = ask_samba(samba)
    assert reason_for(directory, username, f"demo-{username}") == AD_REASONS[username]
    assert reason_for(directory, username, "wrong") == ""


OPENLDAP_REASONS = {
    "mustchange": "must_change",
    "oldpassword": "password_expired",
    "disabled": "",  # OpenLDAP does not look at the password of a locked account
    "left": "account_expired",  # which OpenLDAP itself would let in
}


@pytest.mark.parametrize("username", OPENLDAP_REASONS)
def test_reasons_of_openldap_come_with_the_right_password_only(policy_slapd: Slapd, ask: Ask, username: str) -> None:
    directory = ask(policy_slapd)
    assert reason_for(directory, username, f"demo-{username}") == OPENLDAP_REASONS[username]
    assert reason_for(directory, username, "wrong") == ""


@pytest.mark.parametrize("username", ["stays", "never", "lockedonce"])
def test_who_may_sign_in_does(policy_slapd: Slapd, ask: Ask, username: str) -> None:
    assert ask(policy_slapd).authenticate(username, f"demo-{username}").username == username


def test_a_locked_account_gives_no_reason(samba: Samba, ask_samba: Ask) -> None:
    """It would be given for a wrong password too, and say that the name is right. Here our own brake is off."""
    directory = ask_samba(samba, lockout_after=0)
    for _ in range(10):
        assert reason_for(directory, "locked", "wrong") == ""
    assert reason_for(directory, "locked", "demo-locked") == ""
    with samba.administrator() as admin:
        admin.search(samba.people_dn, "(sAMAccountName=locked)", attributes=["lockoutTime"])
        assert int(admin.response[0]["raw_attributes"]["lockoutTime"][0]) > 0
