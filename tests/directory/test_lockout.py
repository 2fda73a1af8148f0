"""Wrong passwords that come through here never lock anybody in the directory, however many and however fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ldap3
import pytest

from demo.people import PEOPLE_DN
from directory.interface import BadCredentialsError, DirectoryNearLockoutError, DirectoryUnavailableError
from directory.ldap import LdapDirectory
from directory.lockout import Turns
from tests.directory import policies
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd

Ask = Callable[..., LdapDirectory]


def outcomes(directory: LdapDirectory, username: str, tries: int) -> list[str]:
    """What so many wrong passwords are answered with."""
    answers = []
    for _ in range(tries):
        with pytest.raises(BadCredentialsError) as refusal:
            directory.authenticate(username, "wrong")
        assert refusal.value.reason == ""
        answers.append(type(refusal.value).__name__)
    return answers


def entry_of(server: Slapd, uid: str) -> dict[str, Any]:
    """What the server keeps about a person, read with the service account."""
    connection = ldap3.Connection(
        ldap3.Server("127.0.0.1", server.port, get_info=ldap3.NONE), server.bind_dn, server.bind_password
    )
    connection.bind()
    connection.search(
        f"uid={uid},{PEOPLE_DN}", "(objectClass=*)", "BASE", attributes=["pwdFailureTime", "pwdAccountLockedTime"]
    )
    values: dict[str, Any] = connection.response[0]["raw_attributes"]
    connection.unbind()
    return values


def test_twenty_wrong_passwords_lock_nobody_at_openldap(policy_slapd: Slapd, ask: Ask) -> None:
    directory = ask(policy_slapd, lockout_after=policies.LOCKS_AFTER)
    answers = outcomes(directory, "victim", 10) + outcomes(directory, "victim@school.example", 0)
    answers += outcomes(directory, "VICTIM ", 10)
    assert answers == ["BadCredentialsError"] * 8 + ["DirectoryNearLockoutError"] * 12
    entry = entry_of(policy_slapd, "victim")
    assert len(entry["pwdFailureTime"]) == 8
    assert not entry["pwdAccountLockedTime"]
    with pytest.raises(DirectoryNearLockoutError):
        directory.authenticate("victim", "demo-victim")
    elsewhere = ask(policy_slapd, lockout_after=0)
    assert elsewhere.authenticate("victim", "demo-victim").username == "victim"
    assert directory.authenticate("victim", "demo-victim").username == "victim"


def test_wrong_passwords_at_the_same_moment_lock_nobody(policy_slapd: Slapd, ask: Ask) -> None:
    directory = ask(policy_slapd)
    with ThreadPoolExecutor(20) as pool:
        answers = [name for [name] in pool.map(lambda _: outcomes(directory, "crowd", 1), range(20))]
    assert answers.count("BadCredentialsError") == 8
    assert not entry_of(policy_slapd, "crowd")["pwdAccountLockedTime"]


def test_what_the_directory_forgets_is_forgotten(policy_slapd: Slapd, ask: Ask) -> None:
    directory = ask(policy_slapd, lockout_after=3)
    assert outcomes(directory, "tired", 2) == ["BadCredentialsError", "DirectoryNearLockoutError"]
    time.sleep(1.2)
    assert directory.authenticate("tired", "demo-tired").username == "tired"


def test_a_directory_that_locks_nobody_is_always_asked(policy_slapd: Slapd, ask: Ask) -> None:
    assert outcomes(ask(policy_slapd, lockout_after=3), "free", 5) == ["BadCredentialsError"] * 5


def test_a_policy_that_may_not_be_read_forgets_nothing(ask: Ask) -> None:
    hidden = "access to dn.subtree=ou=policies,dc=northfield,dc=example by * none\n"
    with Slapd(more_ldif=policies.LDIF, database_settings=hidden, overlays=policies.OVERLAYS) as server:
        directory = ask(server, lockout_after=3)
        assert outcomes(directory, "tired", 2) == ["BadCredentialsError", "DirectoryNearLockoutError"]
        time.sleep(1.2)
        assert outcomes(directory, "tired", 1) == ["DirectoryNearLockoutError"]


def test_a_lower_threshold_than_configured_is_said(policy_slapd: Slapd, ask: Ask, samba: Samba, ask_samba: Ask) -> None:
    for asked, server in ((ask, policy_slapd), (ask_samba, samba)):
        assert asked(server).check() == []
        (problem,) = asked(server, lockout_after=11).check()
        assert problem == "the directory locks accounts after 10 wrong passwords: set lockout_after = 10"
        assert len(asked(server, lockout_after=0).check()) == 1


def test_twenty_wrong_passwords_lock_nobody_at_active_directory(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba, nested_groups=False)
    answers = outcomes(directory, "victim", 10) + outcomes(directory, "ADTEST\\victim", 10)
    assert answers == ["BadCredentialsError"] * 8 + ["DirectoryNearLockoutError"] * 12
    with samba.administrator() as admin:
        admin.search(samba.people_dn, "(sAMAccountName=victim)", attributes=["lockoutTime", "badPwdCount"])
        values = admin.response[0]["raw_attributes"]
        assert (values["badPwdCount"], values["lockoutTime"]) == ([b"8"], [])
        window = {"lockOutObservationWindow": [(ldap3.MODIFY_REPLACE, [str(-(10**7))])]}
        admin.modify(samba.base_dn, window)
        time.sleep(1.2)
        try:
            assert directory.authenticate("victim", "demo-victim").username == "victim"
        finally:
            window = {"lockOutObservationWindow": [(ldap3.MODIFY_REPLACE, [str(-1800 * 10**7)])]}
            admin.modify(samba.base_dn, window)


def test_a_turn_is_waited_for_and_says_what_happened_meanwhile() -> None:
    turns, seen_at = Turns(), time.monotonic()
    with turns.turn("cn=A", limit_s=1, seen_at=seen_at) as changed:
        assert not changed
        refused: list[BaseException] = []

        def other() -> None:
            try:
                with turns.turn("CN=a", limit_s=0.05, seen_at=seen_at):
                    pass
            except DirectoryUnavailableError as error:
                refused.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert len(refused) == 1
    with turns.turn("cn=a", limit_s=1, seen_at=seen_at) as changed:
        assert changed
    with turns.turn("cn=a", limit_s=1, seen_at=time.monotonic()) as changed:
        assert not changed
