"""A real cupsd of our own, for tests: private folder, private ServerBin, one loopback port; its backends run as lp.

Needs root, as cupsd itself does: it hands backends and filters to the user lp.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from edge.cups_job import device_uri
from edge.cups_launcher import write_launcher
from tests.servers.process import LOOPBACK, Child, free_port, need, wait_port

CUPSD = "/usr/sbin/cupsd"
SYSTEM_SERVERBIN = Path("/usr/lib/cups")
SYSTEM_PYTHON = "/usr/bin/python3"  # lp can run Debian's Python; a developer's own one often lies under /root
PROJECT = Path(__file__).resolve().parents[2]
WRAPPED_BACKENDS = ("ipp", "ipps", "socket")
STATE_WORDS = {"pending-held": "held", "processing-stopped": "stopped"}

FILES_CONF = """\
ServerRoot {d}/etc
ServerBin {d}/serverbin
DataDir /usr/share/cups
DocumentRoot /usr/share/cups/doc-root
RequestRoot {d}/spool
TempDir {d}/spool/tmp
CacheDir {d}/cache
StateDir {d}/run
AccessLog {d}/log/access_log
ErrorLog {d}/log/error_log
PageLog {d}/log/page_log
Printcap
User lp
Group lp
SystemGroup root lpadmin
FatalErrors config
"""

DAEMON_CONF = """\
LogLevel debug
MaxLogSize 0
Listen {address}:{port}
Listen {d}/cups.sock
ServerName localhost
Browsing No
WebInterface No
DefaultAuthType None
DefaultPolicy default
ErrorPolicy abort-job
PreserveJobHistory Yes
PreserveJobFiles Yes
JobKillDelay 5
MaxJobs 0
HostNameLookups Off
<Location />
  Order allow,deny
  Allow from {address}
</Location>
<Location /admin>
  Order allow,deny
  Allow from {address}
</Location>
<Policy default>
  JobPrivateAccess all
  JobPrivateValues none
  SubscriptionPrivateAccess all
  SubscriptionPrivateValues none
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
"""

JOB_QUESTION = """\
{
  OPERATION Get-Job-Attributes
  GROUP operation-attributes-tag
  ATTR charset attributes-charset utf-8
  ATTR naturalLanguage attributes-natural-language en
  ATTR uri job-uri $uri
  ATTR name requesting-user-name root
  ATTR keyword requested-attributes all
}
"""


class Cups:
    """One private cupsd. Start it, add queues, print as any user, ask what became of a job, stop it."""

    def __init__(self, folder: Path) -> None:
        """Prepare `folder` (made by make_dir, so that lp may enter it). Raises MissingPackageError."""
        need(CUPSD, "cups")
        need("/usr/bin/lp", "cups-client")
        need("/usr/bin/ipptool", "cups-ipp-utils")
        need(str(SYSTEM_SERVERBIN / "filter" / "pdftopdf"), "cups-filters")
        self.folder = folder
        self.port = free_port()
        self._make_folders()
        self.count_program = str(self._write_count_program())
        write_launcher(folder / "serverbin" / "backend" / "twinpurse", python=SYSTEM_PYTHON, project=PROJECT)
        values = {"d": folder, "port": self.port, "address": LOOPBACK}
        (folder / "cups-files.conf").write_text(FILES_CONF.format(**values))
        (folder / "cupsd.conf").write_text(DAEMON_CONF.format(**values))
        (folder / "job.test").write_text(JOB_QUESTION)
        self.env = {**os.environ, "CUPS_SERVER": f"{LOOPBACK}:{self.port}", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        argv = [CUPSD, "-f", "-c", str(folder / "cupsd.conf"), "-s", str(folder / "cups-files.conf")]
        self.child = Child(argv, log=folder / "log" / "stdout")

    def _make_folders(self) -> None:
        for name in ("etc/ppd", "spool/tmp", "cache/rss", "run/certs", "log", "serverbin/backend"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for entry in SYSTEM_SERVERBIN.iterdir():
            if entry.name != "backend":
                (self.folder / "serverbin" / entry.name).symlink_to(entry)
        for name in WRAPPED_BACKENDS:
            (self.folder / "serverbin" / "backend" / name).symlink_to(SYSTEM_SERVERBIN / "backend" / name)
        self.own_folder("edge")

    def _write_count_program(self) -> Path:
        """Write the counting program as an installation has it, with the libraries of the running Python."""
        libraries = Path(sysconfig.get_paths()["platlib"])
        path = self.folder / "twinpurse-count"
        return write_launcher(
            path, python=SYSTEM_PYTHON, project=PROJECT, more_paths=(libraries,), program="counting.pages"
        )

    def own_folder(self, name: str) -> Path:
        """Make a folder that only lp may enter: for the token and the capture spool."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        account = pwd.getpwnam("lp")
        os.chown(path, account.pw_uid, account.pw_gid)
        return path

    def write_edge_toml(
        self, url: str, token: str, *, server: str = "print-1", name: str = "edge", more: str = ""
    ) -> Path:
        """Write the edge's config for the instance at `url`, with quick retries; `more` lines go into [cups]."""
        folder = self.own_folder("edge")
        account = pwd.getpwnam("lp")
        token_file = folder / f"{name}.token"
        token_file.write_text(token + "\n")
        token_file.chmod(0o600)
        os.chown(token_file, account.pw_uid, account.pw_gid)
        lines = [
            f"instance_url = {json.dumps(url)}",
            f"token_file = {json.dumps(str(token_file))}",
            f"server = {json.dumps(server)}",
            "answer_timeout_s = 2",
            "[cups]",
            f"spool_dir = {json.dumps(str(folder / f'{name}-spool'))}",
            f"count_program = [{json.dumps(self.count_program)}]",
            "retry_first_s = 0.2",
            "retry_most_s = 0.5",
            "deliver_s = 1",
            more,
        ]
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self) -> Cups:
        """Start cupsd and wait for its port. Raises ServerStartError."""
        self.child.start()
        wait_port(self.port, self.child)
        return self

    def stop(self) -> None:
        """Stop cupsd by its own process id."""
        self.child.stop(signal.SIGTERM)

    def run(self, *argv: str) -> str:
        """Run one CUPS command against this server, return what it wrote. Raises CalledProcessError."""
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, argv, done.stdout, done.stderr)
            error.add_note(f"{done.stderr}\n{self.log_of(None)}")
            raise error
        return done.stdout

    def add_queue(self, name: str, edge_toml: Path, wrap_uri: str, *, raw: bool = False, model: str = "") -> None:
        """Add a queue that charges by `edge_toml` and prints on the printer at `wrap_uri`.

        A raw queue has no filters: its backend gets the user's own file. `model` names a driver: a PPD file, or what
        `lpinfo -m` lists. Without either CUPS asks the (IPP) printer what it can.
        """
        driver = [] if raw else ["-P", model] if model.startswith("/") else ["-m", model or "everywhere"]
        self.run("lpadmin", "-p", name, "-E", "-v", wrap_uri, *driver)
        self.run("lpadmin", "-p", name, "-v", device_uri(edge_toml, wrap_uri))

    def print_file(self, queue: str, user: str, path: Path, title: str = "a document", *options: str) -> int:
        """Print one file as `user`; return the job's number. `options` are further arguments of lp."""
        said = self.run("lp", "-U", user, "-d", queue, "-t", title, *options, "--", str(path))
        found = re.search(r"request id is \S+-(\d+) ", said)
        if found is None:
            raise RuntimeError(f"lp said: {said!r}")
        return int(found.group(1))

    def job_attributes(self, job: int) -> dict[str, str]:
        """Ask cupsd for a job's attributes by IPP, as text."""
        uri = f"ipp://{LOOPBACK}:{self.port}/jobs/{job}"
        said = subprocess.run(
            ["ipptool", "-tv", uri, str(self.folder / "job.test")],
            env=self.env,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
        ).stdout
        return dict(re.findall(r"^\s+(\S+) \([^)]*\) = (.*)$", said.split("RECEIVED", 1)[-1], re.MULTILINE))

    def job_state(self, job: int) -> tuple[str, str]:
        """The job's state (pending, held, processing, stopped, canceled, aborted, completed) and message."""
        found = self.job_attributes(job)
        state = found.get("job-state", "unknown")
        return STATE_WORDS.get(state, state), found.get("job-printer-state-message", "")

    def wait_job(self, job: int, *states: str, timeout_s: float = 20) -> tuple[str, str]:
        """Wait until the job has one of `states`. Raises AssertionError with the end of cupsd's log."""
        self.wait_for(lambda: self.job_state(job)[0] in states, f"job {job} in {states}", timeout_s, job)
        return self.job_state(job)

    def wait_for(self, done: Callable[[], bool], what: str, timeout_s: float = 20, job: int | None = None) -> None:
        """Wait until `done()` is true. Raises AssertionError that names `what` was waited for."""
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                state = "" if job is None else f" is {self.job_state(job)}"
                raise AssertionError(f"{what}: not within {timeout_s:g} s{state}\n{self.log_of(job)}")
            time.sleep(0.1)

    def log_of(self, job: int | None) -> str:
        """The lines of cupsd's error_log about one job (or the last lines), without its debugging of the printer."""
        text = (self.folder / "log" / "error_log").read_text(errors="replace").splitlines()
        mark = "" if job is None else f"[Job {job}] "
        return "\n".join([line for line in text if mark in line][-60:])
