"""The groups that count: direct, nested however deep and in circles, and Active Directory's primary group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from demo.people import GROUPS_DN, PEOPLE
from directory import groups
from directory.connection import Entry
from directory.groups import primary_group_filter
from directory.ldap import LdapDirectory
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd, group_ldif, ldif_entry

Ask = Callable[..., LdapDirectory]
ALICE, BOB = PEOPLE[0].dn, PEOPLE[1].dn


def inside(*names: str) -> list[str]:
    """DNs of groups, to be members of another one."""
    return [f"cn={name},{GROUPS_DN}" for name in names]


@pytest.fixture(scope="module")
def nested() -> Iterator[Slapd]:
    """Alice is in Students, in Choir, in School, in Choir again; and in Many0 to Many119, each in its own Around."""
    chain = [f"Level{number:02}" for number in range(30)]
    ldif = (
        group_ldif("Choir", inside("Students", "School"))
        + group_ldif("School", inside("Choir"))
        + group_ldif("Self", [BOB, *inside("Self")])
        + group_ldif("Comma\\2C Inc", inside("Self"))
        + group_ldif(chain[0], [BOB])
        + "".join(group_ldif(outer, inside(inner)) for inner, outer in pairwise(chain))
        + ldif_entry(
            f"cn=alice,{GROUPS_DN}",
            {"objectClass": "posixGroup", "cn": "alice", "gidNumber": "5001", "memberUid": "carol"},
        )
        + ldif_entry(
            f"cn=Posix,{GROUPS_DN}",
            {"objectClass": "posixGroup", "cn": "Posix", "gidNumber": "5000", "memberUid": ["admin", "staff"]},
        )
        + "".join(group_ldif(f"Many{number}", [PEOPLE[2].dn]) for number in range(120))
        + "".join(group_ldif(f"Around{number}", inside(f"Many{number}")) for number in range(120))
    )
    with Slapd(more_ldif=ldif, more_settings="sizelimit size.soft=100 size.hard=100 size.prtotal=unlimited") as server:
        yield server


def found(directory: LdapDirectory, username: str) -> tuple[str, ...]:
    """The groups of somebody who is there."""
    person = directory.find(username)
    assert person is not None
    return person.groups


def test_groups_in_groups_in_a_circle(nested: Slapd, ask: Ask) -> None:
    assert found(ask(nested), "alice") == ("Choir", "School", "Students")
    assert ask(nested).authenticate("alice", "demo-alice").groups == ("Choir", "School", "Students")
    assert found(ask(nested, nested_groups=False), "alice") == ("Students",)


def test_a_group_in_itself_and_a_long_chain(nested: Slapd, ask: Ask) -> None:
    names = found(ask(nested), "bob")
    assert {"Self", "Comma\\2C Inc".replace("\\2C", ",")} <= set(names)
    assert {f"Level{number:02}" for number in range(30)} <= set(names)


def test_many_groups_are_asked_for_in_chunks(nested: Slapd, ask: Ask) -> None:
    names = set(found(ask(nested), "carol"))
    assert {f"{kind}{number}" for kind in ("Many", "Around") for number in range(120)} <= names


def test_a_group_is_no_person_of_the_same_name(nested: Slapd, ask: Ask) -> None:
    """The group "staff" is no member by memberUid, and the person carol is in the posixGroup named alice."""
    assert "Posix" not in found(ask(nested), "carol")
    assert "alice" in found(ask(nested), "carol")
    assert "Posix" in found(ask(nested), "admin")


def test_the_search_for_groups_ends_somewhere(nested: Slapd, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUPS_MAX", 5)
    assert "Level00" in found(ask(nested), "bob")
    assert "Level29" not in found(ask(nested), "bob")


def test_groups_elsewhere_do_not_count(nested: Slapd, ask: Ask) -> None:
    assert found(ask(nested, group_base_dn=f"cn=Choir,{GROUPS_DN}"), "alice") == ()


def test_the_primary_group_of_a_person() -> None:
    """[MS-DTYP] 2.4.2.2: S-1-5-21-1-2-3-1105 with the primary group 513."""
    sid = bytes.fromhex("010500000000000515000000010000000200000003000000") + (1105).to_bytes(4, "little")

    def filter_for(*sids: bytes, rid: str) -> str:
        return primary_group_filter(Entry("cn=x", {"objectsid": list(sids), "primarygroupid": [rid.encode()]}))

    expected = "\\01\\05\\00\\00\\00\\00\\00\\05\\15" + "\\00" * 3 + "\\01\\00\\00\\00\\02\\00\\00\\00\\03\\00\\00\\00"
    assert filter_for(sid, rid="513") == f"(objectSid={expected}\\01\\02\\00\\00)"
    assert filter_for(rid="513") == filter_for(sid, sid, rid="513") == filter_for(b"short", rid="513") == ""
    for rid in ("", "0", "-1", "4294967296", "Users"):
        assert filter_for(sid, rid=rid) == ""


def test_active_directory_follows_groups_and_the_primary_group(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba)
    assert found(directory, "alice") == ("Choir", "Domain Users", "School", "Students", "Users")
    assert found(directory, "carol") == ("Domain Users", "Employees", "Staff", "Users")


def test_active_directory_without_nested_groups(samba: Samba, ask_samba: Ask) -> None:
    directory = ask_samba(samba, nested_groups=False)
    assert found(directory, "alice") == found(directory, "comma") == ("Domain Users", "Students")
    assert found(directory, "carol") == ("Domain Users", "Staff")
    only_ours = ask_samba(samba, nested_groups=False, group_base_dn=samba.groups_dn)
    assert found(only_ours, "carol") == ("Staff",)


def test_active_directory_level_by_level(samba: Samba, ask_samba: Ask) -> None:
    """With a filter of one's own that does not follow links, the levels are asked for one after the other."""
    directory = ask_samba(samba, group_filter="(member={dn})")
    assert found(directory, "alice") == ("Choir", "Domain Users", "School", "Students", "Users")
    assert found(directory, "carol") == ("Domain Users", "Employees", "Staff", "Users")


def test_a_member_of_a_group_of_two_thousand(samba: Samba, ask_samba: Ask) -> None:
    assert "Everybody" in found(ask_samba(samba), "crowd1999")
