"""Fills a provisioned Samba domain, offline: run by Debian's own Python, which has Samba's modules. See samba.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

NORMAL, DISABLED, PASSWORD_STAYS = 0x200, 0x202, 0x10200
NEVER_ALLOWED = bytes(21)  # logonHours: a bit for each hour of the week
CROWD = 2000
BYPASS_PASSWORD_HASH = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"  # lets pwdLastSet be any moment
YEAR_2001 = "126227808000000000"
YEAR_2100 = "157469184000000000"


class Domain:
    """The domain's database, opened without a server."""

    def __init__(self, config: str) -> None:
        parameters = LoadParm()
        parameters.load(config)
        self.db = SamDB(url=parameters.private_path("sam.ldb"), session_info=system_session(), lp=parameters)
        self.base = self.db.domain_dn()
        self.people, self.groups = f"OU=People,{self.base}", f"OU=Groups,{self.base}"

    def change(self, dn: str, controls: list[str] | None = None, **values: str) -> None:
        """Replace attributes of an entry."""
        message = ldb.Message(ldb.Dn(self.db, dn))
        for name, value in values.items():
            message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        self.db.modify(message, controls=controls or [])

    def add_member(self, group: str, member: str) -> None:
        """Put one more member into a group."""
        message = ldb.Message(ldb.Dn(self.db, group))
        message["member"] = ldb.MessageElement(member, ldb.FLAG_MOD_ADD, "member")
        self.db.modify(message)

    def person(self, account: str, name: str = "", *, control: int = NORMAL, password: str = "", **more: Any) -> str:
        """Make a person whose password is "demo-" and the account's name; return the DN."""
        name = name or f"{account.capitalize()} Test"
        dn = f"CN={name},{self.people}"
        shown = name.replace("\\", "")
        entry: dict[str, Any] = {
            "dn": dn,
            "objectClass": "user",
            "sAMAccountName": account,
            "userPrincipalName": f"{account}@ad.example.org",
            "displayName": shown,
            "mail": f"{account}@school.example",
            "userAccountControl": str(control),
            "unicodePwd": f'"{password or "demo-" + account}"'.encode("utf-16-le"),
        }
        self.db.add(entry | more)
        return dn

    def crowd(self) -> list[str]:
        """Make many people who have no password and are disabled: hashing passwords would take a minute."""
        dns = []
        for number in range(CROWD):
            dn = f"CN=Crowd {number:04},OU=Crowd,{self.base}"
            entry = {"dn": dn, "objectClass": "user", "sAMAccountName": f"crowd{number:04}"}
            self.db.add(entry | {"userAccountControl": str(DISABLED | 0x20)})
            dns.append(dn)
        return dns

    def group(self, name: str, *members: str) -> str:
        """Make a global security group; return the DN."""
        dn = f"CN={name},{self.groups}"
        entry: dict[str, Any] = {"dn": dn, "objectClass": "group", "sAMAccountName": name, "groupType": "-2147483646"}
        self.db.add(entry | ({"member": list(members)} if members else {}))
        return dn


def set_policy(domain: Domain) -> None:
    """Short passwords, lock-out after 10 wrong ones for 30 minutes; passwords expire after ten years."""
    half_an_hour, ten_years = str(-30 * 60 * 10**7), str(-3650 * 86400 * 10**7)
    domain.change(
        domain.base,
        pwdProperties="0",
        minPwdLength="0",
        minPwdAge="0",
        pwdHistoryLength="0",
        maxPwdAge=ten_years,
        lockoutThreshold="10",
        lockoutDuration=half_an_hour,
        lockOutObservationWindow=half_an_hour,
    )


def add_ordinary(domain: Domain) -> None:
    """People, groups in groups with a cycle, and a primary group that lies in another group."""
    domain.person("svc.twinpurse", "Twinpurse Service", control=PASSWORD_STAYS, password="service-secret")
    alice, bob = domain.person("alice", "Alice Moreau"), domain.person("bob", "Bob Lindqvist")
    carol = domain.person("carol", "Carol Okafor")
    comma = domain.person("comma", "Comma\\, Kay (X)*")
    domain.person("jane", "Jane Doe", userPrincipalName="jane.doe@school.example")
    domain.person("max", "Max One")
    domain.person("max2", "Max Two", userPrincipalName="max@school.example")
    domain.person("josé", "José Ångström", password="pässwörd-😀")
    domain.person("renamed", "Before Renaming")
    domain.person("victim", "Victim Test")
    students = domain.group("Students", alice, bob, comma)
    choir = domain.group("Choir", students)
    school = domain.group("School", choir)
    domain.add_member(choir, school)
    staff = domain.group("Staff", carol)
    domain.group("Employees", staff)
    rid = domain.db.search(staff, scope=ldb.SCOPE_BASE, attrs=["primaryGroupToken"])[0]["primaryGroupToken"]
    domain.change(carol, primaryGroupID=str(rid))


def add_refused(domain: Domain) -> None:
    """Those who have the right password and may not sign in."""
    domain.person("disabled", control=DISABLED)
    domain.person("expired", accountExpires=YEAR_2001)
    domain.person("notyet", accountExpires=YEAR_2100)
    domain.person("night", logonHours=NEVER_ALLOWED)
    domain.person("elsewhere", userWorkstations="OTHERPC")
    domain.change(domain.person("mustchange"), pwdLastSet="0")
    domain.change(domain.person("oldpassword"), [BYPASS_PASSWORD_HASH], pwdLastSet=YEAR_2001)
    domain.person("locked")
    recycled = domain.person("recycled", "First Holder")
    domain.db.delete(recycled)
    domain.person("recycled", "Second Holder")


def main(config: str) -> None:
    """Fill the domain that the file `config` (smb.conf) describes."""
    domain = Domain(config)
    set_policy(domain)
    for part in ("People", "Groups", "Crowd"):
        domain.db.add({"dn": f"OU={part},{domain.base}", "objectClass": "organizationalUnit"})
    steps: list[Callable[[Domain], None]] = [add_ordinary, add_refused]
    for step in steps:
        domain.db.transaction_start()
        step(domain)
        domain.db.transaction_commit()
    domain.db.transaction_start()
    domain.group("Everybody", *domain.crowd())
    domain.db.transaction_commit()


if __name__ == "__main__":
    main(sys.argv[1])
