"""A real Squid of our own, for tests: private folder, one loopback port, configured by the files in deploy/squid."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import pwd
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.servers.process import LOOPBACK, Child, free_port, make_dir, need, wait_port

SQUID = "/usr/sbin/squid"
NCSA_AUTH = "/usr/lib/squid/basic_ncsa_auth"
LDAP_AUTH = "/usr/lib/squid/basic_ldap_auth"
SQUID_PAGES = Path("/usr/share/squid-langpack/en")
SQUID_USER = "proxy"
SYSTEM_PYTHON = "/usr/bin/python3"  # the user proxy can run Debian's Python; a developer's own often lies under /root
PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy" / "squid"

# What Debian's squid.conf says before and after it includes conf.d, and what keeps this Squid small and apart.
BEFORE = """\
http_port {address}:{port}
pid_filename {d}/squid.pid
cache_log {d}/log/cache.log
coredump_dir {d}
cache_mem 16 MB
memory_pools off
pinger_enable off
netdb_filename none
visible_hostname squid.test
shutdown_lifetime 0 seconds
max_filedescriptors 1024
logfile_rotate 5
acl SSL_ports port 443 1025-65535
acl Safe_ports port 80 443 1025-65535
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access allow localhost manager
http_access deny manager
"""
AFTER = """
access_log stdio:{d}/log/native.log squid
http_access deny all
"""
COMMANDS = {
    "twinpurse-squid-acl": "squid_acl",
    "twinpurse-squid-log": "squid_log",
    "twinpurse-squid-end": "squid_end",
}
# What a pip-made command looks like, with the folder of our copy in it.
COMMAND = """\
#!{python}
import sys
sys.path.insert(0, {folder!r})
from edge.{module} import main
sys.exit(main())
"""


@dataclass(frozen=True)
class LdapSignIn:
    """The directory that Squid asks about passwords; without `bind_dn` it searches anonymously."""

    url: str
    base_dn: str
    bind_dn: str = ""
    bind_password: str = ""
    user_filter: str = "(uid=%s)"


class Fetched(NamedTuple):
    """What came back through the proxy: `size` is the number of bytes of the body."""

    status: int
    body: bytes
    size: int


class Squid:
    """One private Squid that signs people in, asks our helper, and writes our log.

    Use it in a `with` block, or call start() and stop(). `users` maps names to passwords; or `ldap` says where to
    ask. `edge_toml` is the edge's config file; it is copied with its token, so that the user proxy may read it.
    """

    def __init__(
        self,
        *,
        edge_toml: Path,
        users: Mapping[str, str] | None = None,
        ldap: LdapSignIn | None = None,
        portal_hosts: Sequence[str] = (),
        details_url: str = "http://net.example.org/",
        helper_options: Sequence[str] = (),
        slow: bool = False,
        workers: int = 0,
    ) -> None:
        """`portal_hosts` stay open and free; `helper_options` are added to the helper's command line.

        `slow`: the lines for "slow instead of stop" are in force. `workers`: so many processes serve (SMP); 0: one.
        """
        need(SQUID, "squid")
        need(LDAP_AUTH if ldap else NCSA_AUTH, "squid")
        self.folder = make_dir("twinpurse-squid-", SQUID_USER)
        self.port = free_port()
        self.access_log = self.folder / "log" / "twinpurse.log"
        self.native_log = self.folder / "log" / "native.log"
        self._name = f"t{self.port}"  # keeps two Squids apart in /dev/shm; letters and digits only
        self._config = self.folder / "squid.conf"
        self._make_folder(edge_toml, portal_hosts, details_url)
        own = {"address": LOOPBACK, "port": self.port, "d": self.folder}
        snippet = self._snippet(self._sign_in(users or {}, ldap), helper_options)
        if slow:
            snippet, found = re.subn(r"(?m)^#(?=acl twinpurse_slow |delay_)", "", snippet)
            assert found == 6, "deploy/squid/squid.conf: expected six lines about slowness"
        # Each worker would rename the files by itself, also what another still writes: so logrotate does, as on Debian.
        more = f"workers {workers}\nlogfile_rotate 0\n" if workers else ""
        self._workers = workers
        self._config.write_text(BEFORE.format(**own) + more + snippet + AFTER.format(**own), encoding="utf-8")
        self._hand_over()
        way = "--foreground" if workers else "-N"
        self.child = Child([SQUID, way, "-n", self._name, "-f", str(self._config)], log=self.folder / "out")

    def _make_folder(self, edge_toml: Path, portal_hosts: Sequence[str], details_url: str) -> None:
        (self.folder / "log").mkdir()
        shutil.copytree(PROJECT / "edge", self.folder / "edge", ignore=shutil.ignore_patterns("__pycache__"))
        for command, module in COMMANDS.items():
            path = self.folder / command
            path.write_text(COMMAND.format(python=SYSTEM_PYTHON, folder=str(self.folder), module=module))
            path.chmod(0o755)
        pages = self.folder / "squid-pages"
        shutil.copytree(SQUID_PAGES, pages)
        for name in ("ERR_TWINPURSE_EMPTY", "ERR_TWINPURSE_EMPTY_DE"):
            page = (DEPLOY / name).read_text(encoding="utf-8")
            (pages / name).write_text(_changed(page, "http://net.example.org/", details_url), encoding="utf-8")
        (self.folder / "free-sites.txt").write_text("".join(f"{host}\n" for host in portal_hosts))
        text = edge_toml.read_text(encoding="utf-8")
        token_file = tomllib.loads(text)["token_file"]
        self.edge_toml = self.folder / "edge.toml"
        self.edge_toml.write_text(_changed(text, token_file, str(self.folder / "token")), encoding="utf-8")
        shutil.copyfile(token_file, self.folder / "token")

    def _sign_in(self, users: Mapping[str, str], ldap: LdapSignIn | None) -> str:
        if ldap is None:
            # basic_ncsa_auth also takes the hexadecimal MD5 of a password.
            sums = {name: hashlib.md5(word.encode(), usedforsecurity=False).hexdigest() for name, word in users.items()}
            (self.folder / "passwords").write_text("".join(f"{name}:{md5}\n" for name, md5 in sums.items()))
            return f"{NCSA_AUTH} {self.folder}/passwords"
        bind = ""
        if ldap.bind_dn:
            (self.folder / "directory.password").write_text(ldap.bind_password)
            bind = f" -D {ldap.bind_dn} -W {self.folder}/directory.password"
        return f"{LDAP_AUTH} -v 3 -H {ldap.url} -b {ldap.base_dn}{bind} -f {ldap.user_filter}"

    def _snippet(self, sign_in: str, helper_options: Sequence[str]) -> str:
        """The file that administrators are given, with the paths that they would change changed."""
        text = (DEPLOY / "squid.conf").read_text(encoding="utf-8")
        text, found = re.subn(r"(?m)^(auth_param basic program ).*$", lambda line: line[1] + sign_in, text)
        assert found == 1, "deploy/squid/squid.conf: expected one sign-in program"
        helper = "/usr/local/bin/twinpurse-squid-acl --config /etc/twinpurse/edge.toml"
        options = "".join(f" {option}" for option in helper_options)
        text = _changed(text, helper, f"{self.folder}/twinpurse-squid-acl --config {self.edge_toml}{options}")
        text = _changed(text, "/etc/twinpurse/", f"{self.folder}/")
        return _changed(text, "/var/log/squid/", f"{self.folder}/log/")

    def _hand_over(self) -> None:
        """Give everything to the user that Squid becomes when it is started as root."""
        (self.folder / "token").chmod(0o600)
        if os.geteuid() == 0:
            account = pwd.getpwnam(SQUID_USER)
            for folder, _, files in os.walk(self.folder):
                for path in (folder, *(os.path.join(folder, name) for name in files)):
                    os.chown(path, account.pw_uid, account.pw_gid)

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://{LOOPBACK}:{self.port}"

    def follower(self, *options: str, log: Path | None = None) -> Child:
        """The program that follows this Squid's log, not started yet, with more options of its own."""
        argv = [str(self.folder / "twinpurse-squid-log"), "--config", str(self.edge_toml), *options]
        if "--log" not in options:
            argv += ["--log", str(self.access_log)]
        return Child(argv, log=log or self.folder / "follower.out")

    def meter_live(self) -> Child:
        """Have the follower meter what runs; return the program that ends connections, not started yet (as root)."""
        socket = self.folder / "end.sock"
        with self.edge_toml.open("a", encoding="utf-8") as file:
            file.write(f'\n[live]\nmanager = "{self.url}"\nend_socket = "{socket}"\n')
        argv = [str(self.folder / "twinpurse-squid-end"), "--socket", str(socket), "--port", str(self.port)]
        return Child(argv, log=self.folder / "ender.out")

    def start(self) -> Squid:
        """Start Squid and wait until its port answers."""
        self.child.start()
        wait_port(self.port, self.child)
        return self

    def stop(self) -> None:
        """End Squid and remove its folder."""
        self.child.stop()
        if os.environ.get("TWINPURSE_KEEP_TEST_FOLDERS") is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def rotate(self) -> None:
        """Rotate the logs and wait until the new one is there; Squid also starts its helpers anew."""
        before = self.access_log.stat().st_ino
        if self._workers:
            self.access_log.rename(self.access_log.with_name(f"{self.access_log.name}.1"))
        self._command("rotate")
        self._wait(lambda: self.access_log.exists() and self.access_log.stat().st_ino != before, "no new log")

    def wait_for_line(self, text: str, seconds: float = 5) -> None:
        """Wait until our log holds `text`: Squid writes a request's line a moment after its last byte."""
        self._wait(lambda: text in self.access_log.read_text(encoding="utf-8"), f"no line with {text}", seconds)

    def cache_log(self) -> str:
        """What Squid and its helpers have to say."""
        return (self.folder / "log" / "cache.log").read_text(encoding="utf-8", errors="replace")

    def parse(self) -> str:
        """What `squid -k parse` complains about in the configuration; empty when there is nothing."""
        lines = self._command("parse").splitlines()
        return "\n".join(line for line in lines if re.search(r"ERROR|WARNING|FATAL|Bungled", line))

    def _command(self, word: str) -> str:
        argv = [SQUID, "-k", word, "-n", self._name, "-f", str(self._config)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return done.stderr

    def _wait(self, ready: Callable[[], bool], what: str, seconds: float = 5) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, f"{what} after {seconds:g} s; Squid wrote:\n{self.cache_log()[-3000:]}"
            time.sleep(0.02)

    def fetch(self, user: str | None, password: str, url: str, *, timeout_s: float = 20, speaks: str = "") -> Fetched:
        """GET an http address through the proxy, signed in as `user` (None: not signed in).

        `speaks`: the Accept-Language of their browser.
        """
        # Not urllib: it goes around the proxy for hosts that the environment's no_proxy names.
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=timeout_s)
        headers = {"Connection": "close"} | ({"Accept-Language": speaks} if speaks else {})
        if user is not None:
            word = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Proxy-Authorization"] = f"Basic {word}"
        try:
            connection.request("GET", url, headers=headers)
            response = connection.getresponse()
            body = response.read()
            return Fetched(response.status, body, len(body))
        finally:
            connection.close()

    def __enter__(self) -> Squid:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _changed(text: str, old: str, new: str) -> str:
    """`text` with `old` replaced; fails when it is not there, so that a test never runs on an unchanged file."""
    assert old in text, f"expected to find {old!r}"
    return text.replace(old, new)
