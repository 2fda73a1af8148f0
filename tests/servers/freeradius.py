"""A real FreeRADIUS of our own, for tests: private folder, free loopback ports, with the lines of the set-up page."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from app.internet import setup_freeradius
from tests.servers.process import LOOPBACK, Child, ServerStartError, free_port, make_dir, need

FREERADIUS = "/usr/sbin/freeradius"
RADCLIENT = "/usr/bin/radclient"
REST = "/usr/lib/freeradius/rlm_rest.so"
RADIUS_USER = "freerad"
SECRET = "testing123"

# Debian's radiusd.conf and sites-enabled/default, cut down: what is there before ours, and where ours comes in.
CONFIG = """\
prefix = /usr
libdir = /usr/lib/freeradius
confdir = {d}
raddbdir = {d}
name = freeradius
logdir = {d}
run_dir = {d}
db_dir = {d}
pidfile = {d}/freeradius.pid
max_request_time = 10
cleanup_delay = 2
max_requests = 16384
hostname_lookups = no
log {{
  destination = stdout
  auth = yes
}}
security {{
  max_attributes = 200
  reject_delay = 0
  status_server = yes
  allow_vulnerable_openssl = yes
}}
thread pool {{
  start_servers = 2
  max_servers = 6
  min_spare_servers = 1
  max_spare_servers = 4
  max_queue_size = 65536
}}
client loopback {{
  ipaddr = 127.0.0.0/8
  secret = {secret}
  require_message_authenticator = no
}}
modules {{
  always reject {{
    rcode = reject
  }}
  always ok {{
    rcode = ok
  }}
  pap {{
  }}
  expr {{
  }}
  preprocess {{
    huntgroups = {d}/empty
    hints = {d}/empty
  }}
  files {{
    usersfile = {d}/users
  }}
  $INCLUDE {d}/mods-enabled/twinpurse
}}
policy {{
  $INCLUDE {d}/policy.d/twinpurse
}}
server default {{
  listen {{
    type = auth
    ipaddr = {address}
    port = {auth}
  }}
  listen {{
    type = acct
    ipaddr = {address}
    port = {acct}
  }}
  authorize {{
    files
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
  }}
  preacct {{
{preacct}
  }}
  accounting {{
    ok
    twinpurse_account
  }}
  post-auth {{
    ok
    twinpurse_may
  }}
}}
"""


class Reply(NamedTuple):
    """What radclient got: "Access-Accept", ..., "" for no answer; and the attributes as it writes them."""

    kind: str
    attributes: dict[str, str]


class FreeRadius:
    """One private FreeRADIUS, in a `with` block. It checks passwords of `users` itself, then asks the instance."""

    def __init__(
        self,
        *,
        instance_url: str,
        token: str,
        users: Mapping[str, str],
        let_in_while_away: bool = False,
        preprocess: bool = False,
    ) -> None:
        """`preprocess`: run the module of that name first, as Debian's default site does."""
        for path, package in ((FREERADIUS, "freeradius"), (RADCLIENT, "freeradius-utils")):
            need(path, package)
        if not Path(REST).exists():
            raise ServerStartError(f"{REST} is missing: apt-get install freeradius-rest")
        self.folder = make_dir("twinpurse-radius-", RADIUS_USER)
        self.auth_port, self.acct_port = free_port(), free_port()
        texts = {
            "mods-enabled/twinpurse": setup_freeradius.module(address=instance_url),
            "policy.d/twinpurse": setup_freeradius.policy(token=token, let_in_while_away=let_in_while_away),
            "dictionary": "$INCLUDE /usr/share/freeradius/dictionary\n",
            "users": "".join(f'"{name}" Cleartext-Password := "{word}"\n' for name, word in users.items()),
            "empty": "",
            "radiusd.conf": CONFIG.format(
                d=self.folder,
                secret=SECRET,
                address=LOOPBACK,
                auth=self.auth_port,
                acct=self.acct_port,
                preacct="    preprocess" if preprocess else "    ok",
            ),
        }
        for name, text in texts.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o640)
        if os.geteuid() == 0:
            account = pwd.getpwnam(RADIUS_USER)
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid)
        argv = [FREERADIUS, "-d", str(self.folder), "-n", "radiusd", "-f", "-l", "stdout"]
        self.child = Child(argv, log=self.folder / "out")

    def start(self) -> FreeRadius:
        """Start it and wait until it answers."""
        self.child.start()
        deadline = time.monotonic() + 20
        while self.send("status", [("Message-Authenticator", "0x00")], wait_s=0.3).kind == "":
            if not self.child.running or time.monotonic() > deadline:
                raise ServerStartError(f"freeradius does not answer; it wrote:\n{self.child.log_tail()}")
        return self

    def stop(self) -> None:
        """End it and remove its folder."""
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_in(self, name: str, password: str, *more: tuple[str, object]) -> Reply:
        """Send an Access-Request and return the answer."""
        attributes = [("User-Name", name), ("User-Password", password), ("NAS-IP-Address", LOOPBACK), *more]
        return self.send("auth", attributes)

    def account(self, **attributes: object) -> bool:
        """Send one Accounting-Request, `Acct_Session_Id="x"` for Acct-Session-Id; return whether it was answered."""
        return self.send("acct", [(key.replace("_", "-"), value) for key, value in attributes.items()]).kind != ""

    def send(self, kind: str, attributes: Sequence[tuple[str, object]], *, wait_s: float = 5) -> Reply:
        """Send one packet with radclient: `kind` "auth", "acct" or "status"."""
        return self.send_many(kind, [attributes], wait_s=wait_s)[0]

    def send_many(
        self, kind: str, packets: Sequence[Sequence[tuple[str, object]]], *, wait_s: float = 5, at_once: int = 1
    ) -> list[Reply]:
        """Send packets with one radclient, `at_once` at a time; return the answers in the order they came in."""
        port = self.acct_port if kind == "acct" else self.auth_port
        text = "\n".join("\n".join(f"{key} = {_quoted(value)}" for key, value in packet) + "\n" for packet in packets)
        argv = [RADCLIENT, "-D", str(self.folder), "-r", "1", "-t", str(wait_s), "-p", str(at_once), "-x"]
        done = subprocess.run(
            [*argv, f"{LOOPBACK}:{port}", kind, SECRET], input=text, capture_output=True, text=True, check=False
        )
        found = _replies(done.stdout)
        return found + [Reply("", {})] * (len(packets) - len(found))

    def __enter__(self) -> FreeRadius:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _quoted(value: object) -> str:
    text = str(value)
    if isinstance(value, int) or text.startswith("0x"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _replies(output: str) -> list[Reply]:
    """Read what radclient -x writes: "Received Access-Accept Id ...", then a line for each attribute."""
    found: list[Reply] = []
    inside = False
    for line in output.splitlines():
        if line.startswith("Received "):
            found.append(Reply(line.split()[1], {}))
            inside = True
        elif inside and line.startswith("\t") and " = " in line:
            name, _, value = line.strip().partition(" = ")
            found[-1].attributes[name] = value.strip('"')
        else:
            inside = False
    return found
