"""Set-up that explains itself, at a real Active Directory."""

from __future__ import annotations

import re
from typing import Any

from directory.diagnosis import NOBODY, Asked, diagnose, is_well
from directory.settings import DirectorySettings
from directory.steps import Step
from tests.directory.test_diagnosis import ALICE, by_name, role_of, stop
from tests.servers.samba import Samba


def walk_samba(samba: Samba, asked: Asked = NOBODY, **changes: Any) -> list[Step]:
    """The steps at a domain controller."""
    values: dict[str, Any] = {
        "kind": "active-directory",
        "servers": [samba.ldaps_url],
        "ca_file": str(samba.ca_file),
        "bind_dn": samba.bind_dn,
        "base_dn": samba.base_dn,
        "people_filter": "(mail=*@school.example)",  # without the crowd, which takes Samba a second
        **changes,
    }
    return list(diagnose(DirectorySettings(**values), samba.bind_password, asked, role_of=role_of, patient=True))


def test_an_active_directory_is_walked_through(samba: Samba) -> None:
    steps = walk_samba(samba, Asked("ADTEST\\bob", "demo-bob"), domains=["adtest"], helper_groups=["Staff"])
    assert is_well(steps), steps
    found = by_name(steps)
    assert "looked for as “bob”" in found["Person"].says
    assert "Bob Lindqvist, mail bob@school.example" in found["Attributes"].says
    assert "Choir" in found["Groups"].says
    assert "School (through another)" in found["Groups"].says
    assert found["Password"].says == "The password is accepted."
    assert re.match(r"\d\d people can be read, and \d\d groups", found["Everybody"].says)
    carol = by_name(walk_samba(samba, Asked("carol")))
    assert carol["Role"].says == "Would be a helper here.", "by the primary group, which lists no members"


def test_an_active_directory_says_why_a_right_password_is_refused(samba: Samba) -> None:
    steps = walk_samba(samba, Asked("disabled", "demo-disabled"))
    stop(steps, "Password", "is right, but the account is disabled")
    assert by_name(steps)["Attributes"].state == "warn"


def test_an_active_directory_takes_no_password_in_the_open(samba: Samba) -> None:
    url = f"ldap://{samba.address}"
    steps = walk_samba(samba, servers=[url], plaintext_on_loopback=True)
    stop(steps, "Service account", "without TLS", "ldaps:// in servers")


def test_an_active_directory_with_the_wrong_kind_says_so(samba: Samba) -> None:
    steps = walk_samba(samba, kind="openldap")
    assert by_name(steps)["Kind"].advice == 'Set kind = "active-directory".'
    stop(steps, "Attributes", "uid", "kind")
    names = {"username_attribute": "sAMAccountName", "user_filter": "(sAMAccountName={username})"}
    stop(
        walk_samba(samba, Asked("alice"), kind="openldap", **names),
        "Attributes",
        "objectGUID",
        'kind = "active-directory"',
    )


def test_an_active_directory_shows_nobody_to_nobody(samba: Samba) -> None:
    values = {"kind": "active-directory", "servers": [samba.ldaps_url], "ca_file": str(samba.ca_file)}
    steps = list(diagnose(DirectorySettings(**values, base_dn=samba.base_dn), "", ALICE))
    assert steps[-1].state == "bad"
    assert "bind_dn" in steps[-1].advice, steps
