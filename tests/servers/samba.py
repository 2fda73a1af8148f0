"""A real Active Directory for tests: a Samba domain controller on a loopback address of its own.

    @pytest.fixture(scope="session")
    def samba() -> Iterator[Samba]:
        with Samba() as server:
            yield server

It serves LDAP only, at `ldaps_url`: 389 and 636 are fixed in Samba, so the address is what differs (127.0.x.y). It
needs root. Making a domain takes some seconds; it is done once, kept in the user's cache folder under a name that
changes with this code, samba_people.py and Samba's version, and copied for each server. So every server starts the same
and may be changed: `with server.administrator() as admin:` is an ldap3 connection that may change everything, passwords
too.

Who is in it, below OU=People, all with the password "demo-" and the account's name (see samba_people.py): alice, bob,
comma (a DN with a comma) in Students, in Choir, in School, in Choir again; carol with the primary group Staff, in
Employees; jane, whose userPrincipalName has another domain; max, and max2, whose own is max@school.example;
josé; disabled, expired, notyet (expires in 2100), night (never the right hour), elsewhere (only on another machine),
mustchange, oldpassword; recycled, whose name somebody had who was deleted; locked, victim and renamed, for tests that
change them. OU=Crowd: 2,000 disabled accounts, all in the group Everybody. 10 wrong passwords lock an account.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import TracebackType

import ldap3

from tests.servers.authority import Authority
from tests.servers.process import Child, MissingPackageError, make_dir, need, wait_port

SAMBA = "/usr/sbin/samba"
SAMBA_TOOL = "/usr/bin/samba-tool"
DEBIAN_PYTHON = "/usr/bin/python3"
PEOPLE = Path(__file__).with_name("samba_people.py")
REALM, DOMAIN = "ad.example.org", "ADTEST"
BASE_DN = "DC=ad,DC=example,DC=org"
ADMINISTRATOR_PASSWORD = "Adm1n-Passw0rd!"
LDAP_PORT, LDAPS_PORT = 389, 636

_CONFIG = """\
[global]
netbios name = DC1
realm = AD.EXAMPLE.ORG
workgroup = ADTEST
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
nbt client socket address = {address}
disable netbios = yes
load printers = no
private dir = {tree}/private
lock directory = {tree}
state directory = {tree}/state
cache directory = {tree}/cache
binddns dir = {tree}/bind-dns
pid directory = {tree}/run
ncalrpc dir = {tree}/ncalrpc
winbindd socket directory = {tree}/run/winbindd
ntp signd socket directory = {tree}/run/ntp_signd
xattr_tdb:file = {tree}/private/xattr.tdb
posix:eadb = {tree}/private/eadb.tdb
vfs objects = dfs_samba4 acl_xattr xattr_tdb
idmap_ldb:use rfc2307 = yes
log level = 1
ldap server require strong auth = yes
tls enabled = yes
tls keyfile = {folder}/tls.key
tls certfile = {folder}/tls.pem
tls cafile = {folder}/ca.pem
tls dh params file =
"""


class Samba:
    """A domain controller; use it in a `with` block, or call start() and stop()."""

    base_dn = BASE_DN
    people_dn, groups_dn = f"OU=People,{BASE_DN}", f"OU=Groups,{BASE_DN}"
    bind_dn, bind_password = f"CN=Twinpurse Service,OU=People,{BASE_DN}", "service-secret"

    def __init__(self, *, authority: Authority | None = None) -> None:
        """Copy the domain, and make a certificate for the address that was free."""
        for program, package in ((SAMBA, "samba-ad-dc"), (SAMBA_TOOL, "samba"), (DEBIAN_PYTHON, "python3")):
            need(program, package)
        if os.geteuid() != 0:
            raise MissingPackageError("a Samba domain controller wants root: run the tests as root")
        self.address = _free_address()
        with _made_domain() as made:
            self.folder = make_dir("twinpurse-samba-")
            _copy(made, self.folder / "dc")
        authority = authority or Authority(self.folder / "authority")
        self.ca_file = authority.ca_file
        certificate = authority.sign(f"samba-{self.address}", (f"IP:{self.address}",))
        for name, path in (
            ("tls.key", certificate.key),
            ("tls.pem", certificate.certificate),
            ("ca.pem", self.ca_file),
        ):
            shutil.copyfile(path, self.folder / name)
            (self.folder / name).chmod(0o600)  # Samba ends when others can read the key
        config = _write_config(self.folder, self.address)
        argv = [SAMBA, "-i", "-M", "single", "-s", str(config), "--debug-stdout"]
        self.child = Child(argv, log=self.folder / "samba.log")

    @property
    def ldaps_url(self) -> str:
        """TLS from the start."""
        return f"ldaps://{self.address}"

    @property
    def starttls_url(self) -> str:
        """Plain until StartTLS; passwords are refused before it."""
        return f"ldap://{self.address}"

    @contextmanager
    def administrator(self) -> Iterator[ldap3.Connection]:
        """Give a connection that may change everything; its operations raise when they fail."""
        server = ldap3.Server(self.address, port=LDAPS_PORT, use_ssl=True, get_info=ldap3.NONE, connect_timeout=5)
        name = f"{DOMAIN}\\Administrator"
        connection = ldap3.Connection(server, name, ADMINISTRATOR_PASSWORD, raise_exceptions=True, check_names=False)
        connection.open(read_server_info=False)
        connection.bind(read_server_info=False)
        try:
            yield connection
        finally:
            connection.unbind()

    def start(self) -> Samba:
        """Start the server and wait until both ports answer."""
        self.child.start()
        for port in (LDAP_PORT, LDAPS_PORT):
            wait_port(port, self.child, host=self.address)
        return self

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.child.stop()
        if os.environ.get("TWINPURSE_KEEP_TEST_FOLDERS") is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Samba:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _write_config(folder: Path, address: str) -> Path:
    """Write smb.conf for the domain in `folder`/dc, and make the folders that Samba expects."""
    tree, config = folder / "dc", folder / "smb.conf"
    for name in ("run", "ncalrpc", "cache"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    config.write_text(_CONFIG.format(folder=folder, tree=tree, address=address), encoding="ascii")
    return config


def _copy(source: Path, target: Path) -> None:
    """Copy a domain, but not the sockets in it; holes in its files stay holes."""
    subprocess.run(["cp", "-a", "--sparse=always", str(source), str(target)], check=True, capture_output=True)


@contextmanager
def _made_domain() -> Iterator[Path]:
    """Give the folder of the domain to copy, made when it is not there; one process at a time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinpurse-tests"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "samba.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        version = subprocess.run([SAMBA, "--version"], capture_output=True, check=True).stdout
        digest = hashlib.sha256(Path(__file__).read_bytes() + PEOPLE.read_bytes() + version).hexdigest()[:16]
        made = cache / f"samba-{digest}"
        if not made.exists():
            for old in cache.glob("samba-*"):
                shutil.rmtree(old)
            folder = make_dir("twinpurse-samba-")
            try:
                _make_domain(folder)
                _copy(folder / "dc", cache / "samba-half")
                (cache / "samba-half").rename(made)
            finally:
                shutil.rmtree(folder)
        yield made


def _make_domain(folder: Path) -> None:
    """Provision a domain in `folder`/dc and put the people in."""
    nothing = folder / "nothing.conf"
    nothing.write_text("[global]\n", encoding="ascii")
    tree = folder / "dc"
    options = {
        "posix:eadb": tree / "private" / "eadb.tdb",
        "xattr_tdb:file": tree / "private" / "xattr.tdb",
        "vfs objects": "dfs_samba4 acl_xattr xattr_tdb",
        "interfaces": "127.0.0.1/8",
        "bind interfaces only": "yes",
    }
    argv = [SAMBA_TOOL, "domain", "provision", "-s", str(nothing), f"--targetdir={tree}", "--server-role=dc"]
    argv += [f"--realm={REALM.upper()}", f"--domain={DOMAIN}", "--host-name=dc1", "--host-ip=127.0.0.1"]
    argv += ["--use-rfc2307", "--dns-backend=NONE", f"--adminpass={ADMINISTRATOR_PASSWORD}"]
    _run([*argv, *(f"--option={name}={value}" for name, value in options.items())])
    _run([DEBIAN_PYTHON, "-P", str(PEOPLE), str(_write_config(folder, "127.0.0.1"))])


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/bin"})
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {done.stdout[-1000:]}{done.stderr[-3000:]}")


def _free_address() -> str:
    """Return a loopback address whose LDAP ports were free a moment ago; each process begins at one of its own."""
    start = os.getpid() % 200
    for third, number in product(range(77, 100), range(200)):
        address = f"127.0.{third}.{2 + (start + number) % 200}"
        try:
            for port in (LDAP_PORT, LDAPS_PORT, 3268, 3269):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
        except OSError:
            continue
        return address
    raise RuntimeError("no loopback address has free LDAP ports")
