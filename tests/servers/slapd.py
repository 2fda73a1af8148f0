"""A real OpenLDAP server with the demo's people, for every test that signs people in."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from demo.people import BASE_DN, GROUPS, GROUPS_DN, PEOPLE, PEOPLE_DN, SERVICE_DN, DemoPerson
from tests.servers.authority import LOOPBACK_NAMES, Authority
from tests.servers.process import LOOPBACK, Child, free_port, make_dir, need, wait_port

SLAPD = "/usr/sbin/slapd"
SLAPADD = "/usr/sbin/slapadd"
SERVICE_PASSWORD = "service-secret"

# Passwords may be compared, never read; people read themselves, only the service account reads everybody.
_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
threads 4
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
{settings}
database mdb
maxsize {maxsize}
suffix {base}
directory {folder}/data
dbnosync
index objectClass,uid,mail,member,uniqueMember,memberUid eq
{database_settings}
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by self read by * {others}
{overlays}
"""

_REQUEST = re.compile(r" op=\d+ (BIND(?= dn=.* method=)|SRCH(?= base=)|EXT(?= oid=))")

Attributes = Mapping[str, str | Sequence[str]]


def ldif_entry(dn: str, attributes: Attributes) -> str:
    """Return one entry as LDIF (RFC 2849); whatever is not plain ASCII is written in base64."""
    lines = [_ldif_line("dn", dn)]
    for name, values in attributes.items():
        lines += [_ldif_line(name, value) for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


def person_ldif(person: DemoPerson) -> str:
    """Return a person's entry, with the password and the lasting id that the demo gives them."""
    return ldif_entry(
        person.dn,
        {
            "objectClass": "inetOrgPerson",
            "uid": person.username,
            "cn": person.full_name,
            "givenName": person.given_name,
            "sn": person.surname,
            "mail": person.email,
            "userPassword": person.password,
            "entryUUID": person.entry_uuid,
        },
    )


def group_ldif(name: str, members: Sequence[str]) -> str:
    """Return a group of names; `members` are DNs, at least one (the schema wants it)."""
    return ldif_entry(f"cn={name},{GROUPS_DN}", {"objectClass": "groupOfNames", "cn": name, "member": members})


def demo_ldif() -> str:
    """Return the whole directory of the demo's school, the service account included."""
    return (
        ldif_entry(BASE_DN, {"objectClass": ["organization", "dcObject"], "o": "Northfield", "dc": "northfield"})
        + ldif_entry(PEOPLE_DN, {"objectClass": "organizationalUnit", "ou": "people"})
        + ldif_entry(GROUPS_DN, {"objectClass": "organizationalUnit", "ou": "groups"})
        + ldif_entry(
            SERVICE_DN,
            {
                "objectClass": ["organizationalRole", "simpleSecurityObject"],
                "cn": "twinpurse",
                "userPassword": SERVICE_PASSWORD,
            },
        )
        + "".join(person_ldif(person) for person in PEOPLE)
        + "".join(group_ldif(name, [person.dn for person in PEOPLE if person.group == name]) for name in GROUPS)
    )


class Slapd:
    """OpenLDAP on two free ports of 127.0.0.1: `ldaps_url`, and `starttls_url` which also takes plain LDAP.

    Use it in a `with` block, or call start() and stop(). People sign in as "alice" with "demo-alice", and so on.
    """

    base_dn = BASE_DN
    bind_dn = SERVICE_DN
    bind_password = SERVICE_PASSWORD

    def __init__(
        self,
        *,
        authority: Authority | None = None,
        names: Sequence[str] = LOOPBACK_NAMES,
        more_ldif: str = "",
        more_settings: str = "",
        database_settings: str = "",
        overlays: str = "",
        megabytes: int = 64,
        readable_by_all: bool = False,
    ) -> None:
        """Make the folder, the certificate for `names`, and the database, which may hold so many `megabytes`.

        `more_settings`, `database_settings` and `overlays` are slapd.conf lines: for the server, for its database, and
        for what lies over that, such as "overlay ppolicy" (memberof and ppolicy are loaded).

        With `readable_by_all` nobody needs the service account to look for people.
        """
        need(SLAPD, "slapd")
        need(SLAPADD, "slapd")
        self.folder = make_dir("twinpurse-slapd-")
        authority = authority or Authority(self.folder / "authority")
        self.ca_file = authority.ca_file
        self.port, self.tls_port = free_port(), free_port()
        certificate = authority.sign(f"slapd-{self.tls_port}", names)
        (self.folder / "data").mkdir()
        config, ldif = self.folder / "slapd.conf", self.folder / "people.ldif"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                ca=authority.ca_file,
                certificate=certificate.certificate,
                key=certificate.key,
                settings=more_settings,
                database_settings=database_settings,
                overlays=overlays,
                maxsize=megabytes * 1024 * 1024,
                base=BASE_DN,
                service=SERVICE_DN,
                others="read" if readable_by_all else "none",
            ),
            encoding="utf-8",
        )
        ldif.write_text(demo_ldif() + more_ldif, encoding="ascii")
        self._load(config, ldif)
        urls = f"ldap://{LOOPBACK}:{self.port}/ ldaps://{LOOPBACK}:{self.tls_port}/"
        # Debug level 256 keeps it in the foreground and logs each operation.
        self.child = Child([SLAPD, "-f", str(config), "-d", "256", "-h", urls], log=self.folder / "slapd.log")

    def _load(self, config: Path, ldif: Path) -> None:
        argv = [SLAPADD, "-q", "-f", str(config), "-b", BASE_DN, "-l", str(ldif)]
        loaded = subprocess.run(argv, capture_output=True, text=True, check=False)
        if loaded.returncode != 0:
            raise RuntimeError(f"slapadd refused the entries: {loaded.stderr[-2000:]}")

    @property
    def ldaps_url(self) -> str:
        """TLS from the start."""
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def starttls_url(self) -> str:
        """Plain until StartTLS."""
        return f"ldap://localhost:{self.port}"

    def requests(self) -> list[str]:
        """What clients asked, in order ("BIND", "SRCH", "EXT"); the server logs it before it answers."""
        return _REQUEST.findall(self.child.log.read_text(encoding="utf-8", errors="replace"))

    def start(self) -> Slapd:
        """Start the server and wait until both ports answer."""
        self.child.start()
        for port in (self.port, self.tls_port):
            wait_port(port, self.child)
        return self

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.child.stop()
        if os.environ.get("TWINPURSE_KEEP_TEST_FOLDERS") is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Slapd:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _ldif_line(name: str, value: str) -> str:
    plain = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith((":", "<"))
    return f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(value.encode('utf-8')).decode('ascii')}"
