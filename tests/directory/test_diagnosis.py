"""Set-up that explains itself: each wrong setting ends the walk at its own step, and the advice names the key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.people import GROUPS_DN, PEOPLE_DN
from directory.diagnosis import NOBODY, Asked, diagnose, is_well
from directory.settings import DirectorySettings
from directory.steps import Step
from tests.directory.conftest import Listener
from tests.servers.authority import Authority
from tests.servers.process import free_port
from tests.servers.slapd import Slapd, group_ldif, ldif_entry

ALICE = Asked("alice", "demo-alice")


def walk(server: Slapd, asked: Asked = NOBODY, *, password: str | None = None, **changes: Any) -> list[Step]:
    """The steps at a server with settings that are right but for the `changes`."""
    values: dict[str, Any] = {
        "servers": [server.ldaps_url],
        "ca_file": str(server.ca_file),
        "bind_dn": server.bind_dn,
        "base_dn": server.base_dn,
        "admin_groups": ["Administrators"],
        **changes,
    }
    bind_password = (server.bind_password if password is None else password) if values["bind_dn"] else ""
    return list(diagnose(DirectorySettings(**values), bind_password, asked, role_of=role_of))


def role_of(groups: Sequence[str]) -> str:
    """Two groups give roles."""
    return "admin" if "Administrators" in groups else "helper" if "Staff" in groups else ""


def by_name(steps: list[Step]) -> dict[str, Step]:
    """The steps of one server by their names."""
    return {step.name: step for step in steps}


def stop(steps: list[Step], name: str, *words: str) -> Step:
    """The last step, which must have failed, be of this name, and hold these words; no other failed."""
    assert [step.state == "bad" for step in steps] == [False] * (len(steps) - 1) + [True], steps
    last = steps[-1]
    assert last.name == name, steps
    for word in words:
        assert word in f"{last.says} {last.advice}", (word, last)
    assert not is_well(steps)
    return last


# -- what goes well


def test_a_sign_in_that_works_is_walked_through_to_its_end(slapd: Slapd) -> None:
    steps = walk(slapd, ALICE)
    assert is_well(steps), steps
    found = by_name(steps)
    order = [
        "Connect",
        "TLS",
        "Service account",
        "Base",
        "Person",
        "Attributes",
        "Groups",
        "Role",
        "Password",
        "Everybody",
    ]
    assert list(found) == order
    assert {step.server for step in steps} == {slapd.ldaps_url}
    assert "localhost, 127.0.0.1, signed by “Twinpurse test authority”" in found["TLS"].says
    assert (found["TLS"].state, "Renew" in found["TLS"].advice) == ("warn", True), "it ends within 30 days"
    assert found["Person"].says == f"“alice” is uid=alice,{PEOPLE_DN}."
    assert "alice@northfield.example" in found["Attributes"].says
    assert found["Groups"].says == "2 groups: Students, athletes."
    assert found["Role"].says == "Would have no role here."
    assert found["Everybody"].says.startswith("11 people can be read, and ")


def test_a_good_certificate_is_not_warned_of_and_starttls_is_walked_the_same_way(tmp_path: Path) -> None:
    with Slapd(authority=Authority(tmp_path, days=31)) as server:
        for changes in ({}, {"servers": [server.starttls_url], "start_tls": True}):
            steps = walk(server, ALICE, **changes)
            assert [step.state for step in steps] == ["ok"] * 10, steps
            assert "(30 days)" in by_name(steps)["TLS"].says


def test_a_name_is_shown_as_it_is_looked_for(slapd: Slapd) -> None:
    person = by_name(walk(slapd, Asked("SCHOOL\\Admin"), domains=["school"]))
    assert "“SCHOOL\\Admin” is uid=admin," in person["Person"].says
    assert "looked for as “Admin”" in person["Person"].says
    assert person["Role"].says == "Would be an administrator here."


@pytest.fixture(scope="module")
def nested() -> Iterator[Slapd]:
    """A server where carol is in a group that is in another one, which is in the first again."""
    inner, outer = f"cn=Inner,{GROUPS_DN}", f"cn=Outer,{GROUPS_DN}"
    groups = group_ldif("Inner", [f"uid=carol,{PEOPLE_DN}", outer]) + group_ldif("Outer", [inner])
    odd = ldif_entry(f"cn=odd,{PEOPLE_DN}", {"objectClass": "device", "cn": "odd"})
    with Slapd(more_ldif=groups + odd) as server:
        yield server


def test_nested_groups_are_marked(nested: Slapd) -> None:
    groups = by_name(walk(nested, Asked("carol")))["Groups"].says
    assert "Inner, Outer (through another)" in groups
    assert "Outer" not in by_name(walk(nested, Asked("carol"), nested_groups=False))["Groups"].says


def test_a_role_of_a_group_that_is_not_there_is_named(slapd: Slapd) -> None:
    role = by_name(walk(slapd, Asked("alice"), admin_groups=["Administrators", "Admins*"], helper_groups=["Aides"]))[
        "Role"
    ]
    assert role.state == "warn"
    assert "“Admins*” (admin_groups), “Aides” (helper_groups)" in role.says


def test_the_password_is_tried_at_one_server_alone(slapd: Slapd) -> None:
    servers = [f"ldaps://localhost:{slapd.tls_port}", f"ldaps://127.0.0.1:{slapd.tls_port}"]
    steps = walk(slapd, Asked("alice", "wrong"), servers=servers)
    assert list(dict.fromkeys(step.server for step in steps)) == servers
    assert [step.server for step in steps if step.name == "Password"] == servers[:1]
    assert [step.server for step in steps if step.name == "Everybody"] == servers[1:]


# -- what is wrong before anybody is asked


def test_nothing_listens(slapd: Slapd) -> None:
    stop(walk(slapd, servers=[f"ldaps://localhost:{free_port()}"]), "Connect", "Nothing listens", "servers", "636")


def test_a_host_that_nobody_knows(slapd: Slapd) -> None:
    stop(
        walk(slapd, servers=["ldaps://directory.invalid"]),
        "Connect",
        "directory.invalid leads to no address",
        "servers",
    )


def test_tls_to_a_port_without_it(slapd: Slapd) -> None:
    stop(walk(slapd, servers=[f"ldaps://localhost:{slapd.port}"]), "TLS", "not TLS from the start", "start_tls = true")


def test_starttls_to_a_port_with_tls_from_the_start(slapd: Slapd) -> None:
    url = f"ldap://localhost:{slapd.tls_port}"
    stop(walk(slapd, servers=[url], start_tls=True), "Connect", f"Write ldaps://localhost:{slapd.tls_port} in servers")


def test_a_server_that_does_not_start_tls(slapd: Slapd, serve_ldaptor: Callable[..., str]) -> None:
    stop(
        walk(slapd, servers=[serve_ldaptor("demo.ldap_server")], start_tls=True),
        "TLS",
        "does not start TLS",
        "ldaps://",
    )


def test_an_unknown_authority_is_named(slapd: Slapd, tmp_path: Path) -> None:
    stop(walk(slapd, ca_file=""), "TLS", "signed by “Twinpurse test authority”, which the operating system", "ca_file")
    other = Authority(tmp_path, name="Somebody else")
    last = stop(
        walk(slapd, ca_file=str(other.ca_file)), "TLS", "signed by “Twinpurse test authority”", str(other.ca_file)
    )
    assert "into ca_file" in last.advice


def test_a_certificate_for_another_name_says_which_it_holds(tmp_path: Path) -> None:
    with Slapd(authority=Authority(tmp_path), names=("DNS:dc1.school.example", "DNS:dc2.school.example")) as server:
        for changes in ({}, {"servers": [server.starttls_url], "start_tls": True}):
            names = "for dc1.school.example, dc2.school.example, not for localhost"
            stop(walk(server, **changes), "TLS", names, "in servers")


def test_a_certificate_that_has_expired_says_since_when(tmp_path: Path) -> None:
    with Slapd(authority=Authority(tmp_path, days=-1)) as server:
        last = stop(walk(server), "TLS", "has expired", "Renew the certificate")
        yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
        assert f"to {yesterday}" in last.says


@pytest.mark.parametrize("url", ["ldap", "ldaps"])
def test_a_web_server_is_called_one(slapd: Slapd, listener: Callable[..., Listener], url: str) -> None:
    server = listener(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    steps = walk(slapd, servers=[f"{url}://127.0.0.1:{server.port}"], plaintext_on_loopback=True)
    assert "web server" in steps[-1].says, steps
    assert "servers" in steps[-1].advice


SILENCE, DRIPS = (b"", 0.0), (b"\x30\x84\x00\x00\x00\x7f" + b"x" * 400, 0.1)


def test_a_server_that_drips_is_given_up_in_time(
    slapd: Slapd, listener: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directory.diagnosis.ANSWER_LIMIT_S", 1.0)
    began = time.monotonic()
    stop(
        walk(slapd, servers=[listener(*DRIPS).url], plaintext_on_loopback=True), "Service account", "No answer in time"
    )
    assert time.monotonic() - began < 1.5


@pytest.mark.long
@pytest.mark.parametrize("answer", [SILENCE, DRIPS])
def test_a_server_that_hangs_or_drips_is_given_up_within_six_seconds(
    slapd: Slapd, listener: Callable[..., Listener], answer: tuple[bytes, float]
) -> None:
    for scheme in ("ldap", "ldaps"):
        url = listener(*answer).url.replace("ldap", scheme)
        began = time.monotonic()
        steps = walk(slapd, servers=[url], plaintext_on_loopback=True)
        assert time.monotonic() - began < 6
        assert not is_well(steps), steps


# -- what is wrong with the settings


def test_a_wrong_password_of_the_service_account(slapd: Slapd) -> None:
    steps = walk(slapd, password="wrong")
    last = stop(steps, "Service account", f"refuses {slapd.bind_dn}", "bind_dn", "secrets/directory.password")
    assert "wrong" not in f"{steps} {last}".replace("wrong password", "")


def test_a_directory_that_takes_no_password_in_the_open() -> None:
    with Slapd(more_settings="security simple_bind=128") as server:
        url = f"ldap://127.0.0.1:{server.port}"
        stop(
            walk(server, servers=[url], plaintext_on_loopback=True),
            "Service account",
            "without TLS",
            "start_tls = true",
        )


def test_a_wrong_base_says_which_the_server_has(slapd: Slapd) -> None:
    stop(walk(slapd, base_dn="dc=example,dc=org"), "Base", "Correct base_dn", f"The server has: {slapd.base_dn}")
    stop(walk(slapd, group_base_dn="ou=teams,dc=example"), "Base", "ou=teams", "Correct group_base_dn")


def test_without_an_account_nothing_is_shown(slapd: Slapd) -> None:
    stop(walk(slapd, ALICE, bind_dn=""), "Base", "may not be read", "set bind_dn")


def test_a_filter_that_fits_nobody(slapd: Slapd) -> None:
    for asked in (NOBODY, ALICE):
        stop(walk(slapd, asked, user_filter="(sAMAccountName={username})"), "Person", "user_filter", "kind")
    stop(walk(slapd, people_filter="(objectClass=person2)"), "Person", "people_filter")


def test_another_kind_is_noticed(slapd: Slapd) -> None:
    steps = walk(slapd, kind="active-directory")
    assert by_name(steps)["Kind"].state == "warn"
    assert "kind" in by_name(steps)["Kind"].advice
    stop(steps, "Person", "kind")


def test_nobody_has_the_name(slapd: Slapd) -> None:
    stop(walk(slapd, Asked("zoe")), "Person", "“zoe”", "compares uid and mail")
    stop(walk(slapd, Asked("alice)(uid=*")), "Person", "Nobody below")
    stop(walk(slapd, Asked("*")), "Person", "Nobody below")
    stop(walk(slapd, Asked("a\x00b")), "Person", "Nobody can have")
    stop(walk(slapd, Asked("SCHOOL\\alice")), "Person", "“SCHOOL”", "add it to domains")
    stop(walk(slapd, Asked("alice@school.example")), "Person", "“school.example”", "add it to domains")


def test_two_have_the_name(slapd: Slapd) -> None:
    last = stop(walk(slapd, Asked("twin", "secret")), "Person", "Several entries", "base_dn", "user_filter")
    assert f"uid=twin,{PEOPLE_DN}" in last.says
    assert f"uid=twin,ou=guests,{PEOPLE_DN}" in last.says


def test_an_id_that_nobody_has_says_which_there_is(slapd: Slapd) -> None:
    for asked in (NOBODY, ALICE):
        stop(walk(slapd, asked, id_attribute="objectGUID"), "Attributes", "objectGUID", 'id_attribute = "entryUUID"')
    stop(walk(slapd, ALICE, username_attribute="sAMAccountName"), "Attributes", "sAMAccountName", "username_attribute")


def test_who_is_in_no_group_is_told_where_groups_are_looked_for(slapd: Slapd) -> None:
    groups = by_name(walk(slapd, Asked("alice"), group_filter="(uniqueMember={dn})"))["Groups"]
    assert (groups.state, groups.says) == ("warn", "In no group.")
    assert "group_base_dn or group_filter" in groups.advice


def test_a_wrong_password(slapd: Slapd) -> None:
    steps = walk(slapd, Asked("alice", "not-hers"))
    last = stop(steps, "Password", "refused", "counts this try")
    assert "not-hers" not in str(steps)
    assert "not-hers" not in str(last)


def test_a_size_limit_that_paging_does_not_lift() -> None:
    limits = 'limits dn.exact="cn=twinpurse,dc=northfield,dc=example" size.soft=3 size.hard=3 size.prtotal=3'
    with Slapd(database_settings=limits) as server:
        stop(walk(server), "Everybody", "LimitExceeded", "raise its limits", "bind_dn")


def test_a_settings_file_that_is_half_done(slapd: Slapd) -> None:
    stop(walk(slapd, password=""), "Settings", "bind_dn", "secrets/directory.password")
    stop(walk(slapd, ca_file="/dev/null"), "Settings", "ca_file")
