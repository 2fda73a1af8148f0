"""A real IPP printer for tests: ippeveprinter, and the private message bus that it wants.

It prints into a folder: every document that came out is kept there, so that "nothing was printed" can be seen.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from tests.servers.process import Child, ServerStartError, free_port, need, wait_port

IPPEVEPRINTER = "/usr/sbin/ippeveprinter"
DBUS_DAEMON = "/usr/bin/dbus-daemon"
DEFAULT_FORMATS = "application/pdf,image/pwg-raster,image/jpeg,image/urf"

# ippeveprinter 2.4 gives up without a system bus; a bus of our own with nobody on it is enough.
BUS_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""

# What the printer does with a document: keep it, count it, say how many impressions came out (ATTR lines are how
# ippeveprinter's command reports job attributes), take as long and end as the test says.
PRINT_COMMAND = """\
#!{python}
import json, os, shutil, subprocess, sys, time
folder = {folder!r}
number = len([n for n in os.listdir(folder + "/printed") if n.endswith(".json")]) + 1
def order(name):
    try:
        with open(folder + "/" + name) as f:
            return f.read().strip()
    except FileNotFoundError:
        return ""
copies = int(os.environ.get("IPP_COPIES") or 1)
said = subprocess.run({count!r} + [sys.argv[1]], capture_output=True, text=True, cwd={project!r}).stdout
pages = json.loads(said)["pages"] if said else 0
claim = order("claim")
shown = int(claim) if claim.isdigit() else pages * copies
def tell(n):
    if claim != "nothing":
        sys.stderr.write("ATTR: job-impressions=%d\\nATTR: job-impressions-completed=%d\\n" % (n, n))
        sys.stderr.flush()
shutil.copy(sys.argv[1], "%s/printed/%d.document" % (folder, number))
with open("%s/printed/%d.tmp" % (folder, number), "w") as f:
    json.dump(dict(pages=pages, copies=copies, printed=shown, ordered=claim.isdigit(),
                   user=os.environ.get("IPP_JOB_ORIGINATING_USER_NAME"),
                   type=os.environ.get("CONTENT_TYPE")), f)
os.rename("%s/printed/%d.tmp" % (folder, number), "%s/printed/%d.json" % (folder, number))
tell(shown)
time.sleep(float(order("seconds") or 0))
sys.exit(int(order("code") or 0))
"""


class IppPrinter:
    """One printer at `uri`. What it says and how it ends can be ordered: claim(), fail(), take()."""

    def __init__(self, folder: Path, formats: str = DEFAULT_FORMATS) -> None:
        """`folder` is made by make_dir. Raises MissingPackageError."""
        need(IPPEVEPRINTER, "cups-ipp-utils")
        need(DBUS_DAEMON, "dbus")
        self.folder = folder
        self.port = free_port()
        self.uri = f"ipp://localhost:{self.port}/ipp/print"
        for name in ("spool", "printed"):
            (folder / name).mkdir(exist_ok=True)
        self._bus_socket = folder / "bus"
        (folder / "bus.conf").write_text(BUS_CONFIG.format(socket=self._bus_socket))
        project = Path(__file__).resolve().parents[2]
        command = folder / "print-command"
        command.write_text(
            PRINT_COMMAND.format(
                python=sys.executable,
                folder=str(folder),
                count=[sys.executable, "-m", "counting.pages"],
                project=str(project),
            )
        )
        command.chmod(0o755)
        self._bus = Child(
            [DBUS_DAEMON, f"--config-file={folder / 'bus.conf'}", "--nofork", "--nopidfile"], log=folder / "bus.log"
        )
        argv = [IPPEVEPRINTER, "-v", "-n", "localhost", "-p", str(self.port), "-r", "off", "-k"]
        argv += ["-d", str(folder / "spool"), "-2", "-s", "10,10", "-f", formats, "-c", str(command), "Test Printer"]
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._bus_socket}"}
        self.child = Child(argv, env=env, log=folder / "log")

    def start(self) -> IppPrinter:
        """Start the bus and the printer. Raises ServerStartError."""
        self._bus.start()
        deadline = time.monotonic() + 10
        while not self._bus_socket.exists():
            if time.monotonic() > deadline or not self._bus.running:
                raise ServerStartError(f"the message bus did not start:\n{self._bus.log_tail()}")
            time.sleep(0.01)
        self.child.start()
        wait_port(self.port, self.child)
        return self

    def stop(self) -> None:
        """Stop the printer and its bus by their own process ids."""
        self.child.stop()
        self._bus.stop()

    def _order(self, name: str, value: str | None) -> None:
        path = self.folder / name
        if value is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(value)

    def claim(self, impressions: int | None) -> None:
        """Claim this many impressions for each job; None: as many as the document has."""
        self._order("claim", None if impressions is None else str(impressions))

    def claim_nothing(self) -> None:
        """Say nothing about impressions, as some printers do."""
        self._order("claim", "nothing")

    def fail(self, code: int | None = 1) -> None:
        """Let each job fail with this exit code of the print command; None: succeed again."""
        self._order("code", None if code is None else str(code))

    def take(self, seconds: float | None) -> None:
        """Let each job take this long after the printer has said its impressions."""
        self._order("seconds", None if seconds is None else str(seconds))

    def behave(self) -> None:
        """Take back every order, and forget what was printed."""
        for name in ("claim", "code", "seconds"):
            self._order(name, None)
        shutil.rmtree(self.folder / "printed")
        (self.folder / "printed").mkdir()

    def printed(self) -> list[Path]:
        """The documents that came out, oldest first."""
        found = (self.folder / "printed").glob("*.json")
        return sorted((path.with_suffix(".document") for path in found), key=lambda path: int(path.stem))
