"""Every way to write a name, and what becomes of it: this person, that person, or nobody. Never somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from demo.people import PEOPLE_DN
from directory.accounts import account_name, entries_named, name_key
from directory.connection import Entry
from directory.interface import BadCredentialsError, DirectoryConfigError
from directory.ldap import LdapDirectory
from directory.settings import DirectorySettings
from tests.directory.conftest import PASSWORD
from tests.servers.samba import DOMAIN, REALM, Samba
from tests.servers.slapd import Slapd, ldif_entry

Ask = Callable[..., LdapDirectory]
DOMAINS = ["SCHOOL", "school.example"]


@pytest.mark.parametrize(
    ("typed", "account"),
    [
        ("alice", "alice"),
        ("  Alice\t", "Alice"),
        ("SCHOOL\\alice", "alice"),
        ("school\\ Alice ", "Alice"),
        ("alice@school.example", "alice"),
        ("Alice@SCHOOL.Example ", "Alice"),
        ("alice@SCHOOL", "alice"),
        ("school.example\\alice", "alice"),
        ("OTHER\\alice", "OTHER\\alice"),
        ("alice@other.example", "alice@other.example"),
        ("alice@school.example.org", "alice@school.example.org"),
        ("alice@x@school.example", "alice@x"),
        ("SCHOOL\\alice@school.example", "alice@school.example"),
        ("SCHOOL\\SCHOOL\\alice", "SCHOOL\\alice"),
        ("SCHOOL\\", "SCHOOL\\"),
        ("\\alice", "\\alice"),
        ("@school.example", "@school.example"),
        ("alice@", "alice@"),
        ("jose\u0301", "jos\u00e9"),
        ("\uff41lice", "\uff41lice"),
    ],
)
def test_a_known_domain_is_taken_off_and_nothing_else(typed: str, account: str) -> None:
    assert account_name(typed, DOMAINS) == account


def test_without_domains_every_name_stays() -> None:
    assert account_name("SCHOOL\\alice", []) == "SCHOOL\\alice"
    assert account_name("alice@school.example", []) == "alice@school.example"


def test_names_are_alike_in_case_composition_and_outer_spaces_only() -> None:
    assert name_key(" JOSE\u0301 ") == name_key("jos\u00e9")
    for other in ("jose", "j\u00f3se", "\uff4aos\u00e9", "jo s\u00e9", "jos\u00e9.", "j\u200bos\u00e9"):
        assert name_key(other) != name_key("jos\u00e9")


def named(typed: str, *entries: dict[str, str], **changes: Any) -> list[str]:
    """The DNs of those entries that really have the name."""
    values = {"servers": ["ldaps://x"], "base_dn": "dc=x", "domains": DOMAINS, **changes}
    made = [
        Entry(str(number), {name.lower(): [value.encode()] for name, value in entry.items()})
        for number, entry in enumerate(entries)
    ]
    return [entry.dn for entry in entries_named(made, typed, DirectorySettings(**values))]


def test_an_address_takes_no_account_name_away() -> None:
    """People may often write their own mail attribute."""
    alice, mallory = {"uid": "alice", "mail": "a@x"}, {"uid": "mallory", "mail": "alice"}
    assert named("alice", alice, mallory) == ["0"]
    assert named("alice@school.example", alice, {"uid": "mallory", "mail": "alice@school.example"}) == ["0"]
    assert named("alice", mallory) == ["0"]
    assert named("alice", mallory, mallory) == ["0", "1"]


def test_a_principal_name_counts_before_an_account_name_without_its_domain() -> None:
    """As Active Directory itself has it: [MS-ADTS] 5.1.1.1.1, an explicit userPrincipalName first."""
    one = {"sAMAccountName": "max", "userPrincipalName": "max.one@school.example"}
    two = {"sAMAccountName": "max2", "userPrincipalName": "max@school.example"}
    assert named("max@school.example", one, two, kind="active-directory") == ["1"]
    assert named("max", one, two, kind="active-directory") == ["0"]
    assert named("SCHOOL\\max", one, two, kind="active-directory") == ["0"]


def test_what_a_server_finds_loosely_is_nobody() -> None:
    assert named("\uff41lice", {"uid": "alice"}) == []
    assert named("ben  smith", {"uid": "ben smith"}) == []
    assert named("jose", {"uid": "jos\u00e9"}) == []


def test_a_filter_of_ones_own_says_what_a_name_is() -> None:
    own = {"user_filter": "(&(objectClass=person)(proxyAddresses=smtp:{username}))"}
    assert named("a@x", {"uid": "other", "proxyAddresses": "SMTP:A@x"}, **own) == ["0"]
    assert named("other", {"uid": "other", "proxyAddresses": "smtp:a@x"}, **own) == []


# What is typed, and who that is: at OpenLDAP with the demo's people and the awkward ones of conftest.
OPENLDAP_OUTCOMES = {
    "alice": "alice",
    "ALICE": "alice",
    " alice ": "alice",
    "\u3000alice\u00a0": "alice",
    "alice@northfield.example": "alice",
    "Alice@Northfield.EXAMPLE": "alice",
    "NORTHFIELD\\alice": "alice",
    "northfield\\Alice": "alice",
    "jose\u0301": "jos\u00e9",
    "dora": "dorothea",
    "star*(x)\\y": "star*(x)\\y",
    "mail.only@elsewhere.example": "mailed",
    "": None,
    " ": None,
    "*": None,
    "a*": None,
    "alice)(uid=*": None,
    "*)(|(uid=*": None,
    "a" * 10_000: None,
    "alice\x00": None,
    "alice\r\n": None,
    "al ice": None,
    "ben  smith": None,
    "\uff41lice": None,
    "\U0001d41alice": None,
    "al\u00adice": None,
    "alice\u200b": None,
    "jose": None,
    "OTHER\\alice": None,
    "alice@other.example": None,
    "NORTHFIELD\\NORTHFIELD\\alice": None,
    "NORTHFIELD\\alice@northfield.example": "alice",
    "uid=alice,ou=people,dc=northfield,dc=example": None,
    "alice,ou=people": None,
    "Alice Moreau": None,
}


@pytest.fixture(scope="module")
def names_slapd() -> Any:
    """The demo's people, one who is known by an address, one with a space, and one with two entries' address."""

    def person(uid: str, mail: str) -> str:
        classes = "inetOrgPerson"
        return ldif_entry(
            f"uid={uid},{PEOPLE_DN}",
            {"objectClass": classes, "uid": uid, "cn": uid, "sn": uid, "mail": mail, "userPassword": PASSWORD},
        )

    more = (
        person("mailed", "mail.only@elsewhere.example")
        + person("ben smith", "ben@x.example")
        + person("jos\u00e9", "jose@x.example")
        + person("star\\2A(x)\\5Cy", "star@x.example").replace("uid: star\\2A(x)\\5Cy", "uid: star*(x)\\y")
        + person("shared1", "shared@x.example")
        + person("shared2", "shared@x.example")
        + person("mallory", "alice")
    )
    dora = ldif_entry(
        f"uid=dorothea,{PEOPLE_DN}",
        {"objectClass": "inetOrgPerson", "uid": ["dora", "Dorothea"], "cn": "D", "sn": "D", "userPassword": PASSWORD},
    )
    with Slapd(more_ldif=more + dora) as server:
        yield server


@pytest.mark.parametrize("typed", OPENLDAP_OUTCOMES, ids=lambda typed: ascii(typed[:24]))
def test_who_it_is_at_openldap(names_slapd: Slapd, ask: Ask, typed: str) -> None:
    directory = ask(names_slapd, domains=["NORTHFIELD", "northfield.example"])
    outcome = OPENLDAP_OUTCOMES[typed]
    password = "demo-alice" if outcome in (None, "alice") else PASSWORD
    found = directory.find(typed)
    assert (found and found.username) == outcome
    if outcome is None:
        with pytest.raises(BadCredentialsError):
            directory.authenticate(typed, password)
    else:
        assert directory.authenticate(typed, password) == found


def test_one_name_of_two_entries_is_nobodys(names_slapd: Slapd, ask: Ask) -> None:
    with pytest.raises(BadCredentialsError):
        ask(names_slapd).authenticate("shared@x.example", PASSWORD)
    with pytest.raises(DirectoryConfigError, match="more than one"):
        ask(names_slapd).find("shared@x.example")


# What is typed, and who that is: at Active Directory.
AD_OUTCOMES = {
    "alice": "alice",
    "ALICE ": "alice",
    f"{DOMAIN}\\alice": "alice",
    f"{DOMAIN.lower()}\\Alice": "alice",
    f"{REALM}\\alice": "alice",
    f"alice@{REALM}": "alice",
    f"Alice@{REALM.upper()}": "alice",
    f"alice@{DOMAIN}": "alice",
    "jane": "jane",
    "jane.doe@school.example": "jane",
    f"jane@{REALM}": "jane",
    "max": "max",
    f"max@{REALM}": "max",
    f"{DOMAIN}\\max": "max",
    "max@school.example": "max2",
    "max2": "max2",
    "comma": "comma",
    "jos\u00e9": "jos\u00e9",
    "OTHER\\alice": None,
    "alice@other.example": None,
    "jane.doe": None,
    f"jane.doe@{REALM}": None,
    "\uff41lice": None,
    "jose": None,
    "*": None,
    "alice)(cn=*": None,
    "al\x00ice": None,
    "DC1$": None,
    "Students": None,
    "Alice Moreau": None,
}


@pytest.mark.parametrize("typed", AD_OUTCOMES, ids=lambda typed: ascii(typed[:24]))
def test_who_it_is_at_active_directory(samba: Samba, ask_samba: Ask, typed: str) -> None:
    found = ask_samba(samba, nested_groups=False).find(typed)
    assert (found and found.username) == AD_OUTCOMES[typed]
