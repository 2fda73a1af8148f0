"""The directories that the tests ask: one OpenLDAP for all of them, one demo directory, one in-memory twin."""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.people import GROUPS_DN, PEOPLE, PEOPLE_DN, SERVICE_DN
from directory.interface import Directory, Person
from directory.ldap import LdapDirectory
from directory.memory import MemoryDirectory, MemoryPerson
from directory.roster import LdapRoster
from directory.settings import DirectorySettings
from tests.directory import policies
from tests.servers.process import LOOPBACK, Child, free_port, make_dir, wait_port
from tests.servers.samba import DOMAIN, REALM, Samba
from tests.servers.slapd import SERVICE_PASSWORD, Slapd, group_ldif, ldif_entry

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "secret"
UTF8_PASSWORD = "pässwörd-😀"
COMMA_DN = f"cn=Quote\\22 Comma\\2C Plus\\2B,{PEOPLE_DN}"


class Listener:
    """A fake server for what no real one does: it counts who connects, and says `answer` a byte at a time.

    With an empty answer it stays silent; `pause_s` is the time between two bytes.
    """

    def __init__(self, answer: bytes = b"", pause_s: float = 0.0) -> None:
        self._answer, self._pause_s = answer, pause_s
        self._stopping = threading.Event()
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Plain LDAP on loopback."""
        return f"ldap://{LOOPBACK}:{self.port}"

    def stop(self) -> None:
        """Close the port."""
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client:
            try:
                client.recv(4096)
                for byte in self._answer:
                    client.sendall(bytes([byte]))
                    self._stopping.wait(self._pause_s)
                if not self._answer:
                    self._stopping.wait()
            except OSError:
                return


@pytest.fixture
def listener() -> Iterator[Callable[..., Listener]]:
    """Makes listeners and closes them at the end of the test."""
    made: list[Listener] = []

    def make(answer: bytes = b"", pause_s: float = 0.0) -> Listener:
        made.append(Listener(answer, pause_s))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Listener]:
    """The server that our OpenLDAP refers to; nobody must ever connect to it."""
    server = Listener()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def slapd(elsewhere: Listener) -> Iterator[Slapd]:
    """OpenLDAP with the demo's people and the awkward ones."""
    with Slapd(more_ldif=awkward_ldif(elsewhere.url), more_settings=f"referral {elsewhere.url}") as server:
        yield server


def awkward_ldif(referral_url: str) -> str:
    """People and groups that real directories have and demos do not."""

    def person(dn: str, uids: list[str], name: str, password: str = PASSWORD) -> str:
        values = {"objectClass": "inetOrgPerson", "uid": uids, "cn": name, "sn": name, "userPassword": password}
        return ldif_entry(dn, values)

    guests = f"ou=guests,{PEOPLE_DN}"
    return (
        ldif_entry(guests, {"objectClass": "organizationalUnit", "ou": "guests"})
        + person(f"uid=twin,{PEOPLE_DN}", ["twin"], "Twin One")
        + person(f"uid=twin,{guests}", ["twin"], "Twin Two")
        + person(f"uid=josé,{PEOPLE_DN}", ["José"], "José Ångström", UTF8_PASSWORD)
        + person(COMMA_DN, ["comma"], 'Quote" Comma, Plus+')
        + person(f"uid=star\\2A(x)\\5Cy,{PEOPLE_DN}", ["star*(x)\\y"], "Star")
        + person(f"uid=dorothea,{PEOPLE_DN}", ["dora", "Dorothea"], "Dorothea Beale")
        + ldif_entry(
            f"uid=nopass,{PEOPLE_DN}", {"objectClass": "inetOrgPerson", "uid": "nopass", "cn": "No", "sn": "No"}
        )
        + ldif_entry(
            f"uid=gone,{PEOPLE_DN}",
            {"objectClass": ["referral", "extensibleObject"], "uid": "gone", "ref": f"{referral_url}/ou=people"},
        )
        + group_ldif("Zèbres", [COMMA_DN, f"uid=josé,{PEOPLE_DN}"])
        + ldif_entry(
            f"cn=Choir,{GROUPS_DN}", {"objectClass": "groupOfUniqueNames", "cn": "Choir", "uniqueMember": COMMA_DN}
        )
        + ldif_entry(
            f"cn=athletes,{GROUPS_DN}",
            {"objectClass": "posixGroup", "cn": "athletes", "gidNumber": "5000", "memberUid": ["comma", "alice"]},
        )
    )


@pytest.fixture(scope="session")
def ask() -> Callable[..., LdapDirectory]:
    """Makes an LdapDirectory for an OpenLDAP: LDAPS and the service account unless told otherwise."""

    def make(server: Slapd, bind_password: str | None = None, **changes: Any) -> LdapDirectory:
        values: dict[str, Any] = {
            "servers": [server.ldaps_url],
            "ca_file": str(server.ca_file),
            "bind_dn": server.bind_dn,
            "base_dn": server.base_dn,
            **changes,
        }
        password = bind_password if bind_password is not None else (server.bind_password if values["bind_dn"] else "")
        return LdapDirectory(DirectorySettings(**values), password)

    return make


@pytest.fixture(scope="session")
def list_people() -> Callable[..., LdapRoster]:
    """Makes an LdapRoster for an OpenLDAP: LDAPS and the service account unless told otherwise."""

    def make(server: Slapd, **changes: Any) -> LdapRoster:
        values: dict[str, Any] = {
            "servers": [server.ldaps_url],
            "ca_file": str(server.ca_file),
            "bind_dn": server.bind_dn,
            "base_dn": server.base_dn,
            **changes,
        }
        return LdapRoster(DirectorySettings(**values), server.bind_password if values["bind_dn"] else "")

    return make


@pytest.fixture(scope="session")
def policy_slapd() -> Iterator[Slapd]:
    """OpenLDAP with password policies, and people whom they concern; see policies.py."""
    with Slapd(more_ldif=policies.LDIF, overlays=policies.OVERLAYS) as server:
        yield server


@pytest.fixture(scope="session")
def samba() -> Iterator[Samba]:
    """A domain controller of Active Directory; samba.py says who is in it."""
    with Samba() as server:
        yield server


@pytest.fixture(scope="session")
def ask_samba() -> Callable[..., LdapDirectory]:
    """Makes an LdapDirectory for a Samba: LDAPS and the service account unless told otherwise."""

    def make(server: Samba, **changes: Any) -> LdapDirectory:
        values: dict[str, Any] = {
            "kind": "active-directory",
            "servers": [server.ldaps_url],
            "ca_file": str(server.ca_file),
            "bind_dn": server.bind_dn,
            "base_dn": server.base_dn,
            "domains": [DOMAIN, REALM, "school.example"],
            **changes,
        }
        return LdapDirectory(DirectorySettings(**values), server.bind_password if values["bind_dn"] else "")

    return make


@pytest.fixture(scope="session")
def serve_ldaptor() -> Iterator[Callable[..., str]]:
    """Starts a directory that is made with ldaptor (a Python module with the demo's options); returns its URL.

    Asked for the same one again, it gives the one that runs."""
    folder = make_dir("twinpurse-ldaptor-")
    (folder / "service.password").write_text(SERVICE_PASSWORD + "\n", encoding="ascii")
    children: dict[tuple[str, ...], tuple[Child, str]] = {}

    def start(module: str, *options: str) -> str:
        if (module, *options) in children:
            return children[module, *options][1]
        port = free_port()
        argv = [sys.executable, "-m", module, "--port", str(port), "--password-file", str(folder / "service.password")]
        child = Child([*argv, *options], cwd=REPOSITORY, log=folder / f"{port}.log").start()
        url = f"ldap://{LOOPBACK}:{port}"
        children[module, *options] = (child, url)
        wait_port(port, child)
        return url

    yield start
    for child, _ in children.values():
        child.stop()
    shutil.rmtree(folder)


def ldaptor_directory(url: str) -> LdapDirectory:
    """An LdapDirectory for a server from serve_ldaptor."""
    settings = DirectorySettings(
        servers=[url], base_dn=PEOPLE_DN.partition(",")[2], bind_dn=SERVICE_DN, plaintext_on_loopback=True
    )
    return LdapDirectory(settings, SERVICE_PASSWORD)


@pytest.fixture(params=["memory", "demo", "ldaps", "starttls"], scope="session")
def directory(
    request: pytest.FixtureRequest, ask: Callable[..., LdapDirectory], serve_ldaptor: Callable[..., str]
) -> Directory:
    """Each directory in turn, all with the demo's people in them."""
    if request.param == "memory":
        return MemoryDirectory(
            MemoryPerson(
                Person(one.entry_uuid, one.dn, one.username, one.full_name, one.email, (one.group,)), one.password
            )
            for one in PEOPLE
        )
    if request.param == "demo":
        return ldaptor_directory(serve_ldaptor("demo.ldap_server"))
    server: Slapd = request.getfixturevalue("contract_slapd")
    if request.param == "starttls":
        return ask(server, servers=[server.starttls_url], start_tls=True)
    return ask(server)


@pytest.fixture(scope="session")
def contract_slapd() -> Iterator[Slapd]:
    """OpenLDAP with the demo's people only, as the other twins have them."""
    with Slapd() as server:
        yield server
