"""The queues of this machine's CUPS, as its own commands and its printers.conf tell of them; and their device URIs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

from edge.cups_job import SCHEME

PRINTERS_CONF: Final = Path("/etc/cups/printers.conf")
DEVICE_LINE: Final = re.compile(r"^device for (.+?): (\S+)$", re.MULTILINE)
ACTIVE_LINE: Final = re.compile(r"^\S*-(\d+)\s", re.MULTILINE)
PRINTER_BLOCK: Final = re.compile(
    r"^<(?:Default)?Printer ([^\s>]+)>$(.*?)^</(?:Default)?Printer>$", re.MULTILINE | re.DOTALL
)
ANSWER_S: Final = 30


class CupsError(Exception):
    """CUPS cannot be asked, or did not do what it was told; the message is its own."""


@dataclass(frozen=True)
class Queue:
    """A queue. `uri` is its device URI; user and password are in it only if printers.conf could be read.

    `shared` and `error_policy` are None and "" where printers.conf could not be read.
    """

    name: str
    uri: str
    shared: bool | None = None
    error_policy: str = ""

    @property
    def charged(self) -> bool:
        """Whether its jobs come by our backend."""
        return self.uri.partition(":")[0] == SCHEME

    @property
    def device(self) -> str:
        """The printer's own URI, also where our backend stands before it."""
        return wrapped_uri(self.uri) if self.charged else self.uri


def wrapped_uri(uri: str) -> str:
    """The URI that `edge.cups_job.device_uri` has wrapped; "" when there is none."""
    return parse_qs(urlsplit(uri).query).get("wrap", [""])[0]


def without_password(uri: str) -> str:
    """The URI without the user and password that may stand in it."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def read_queues(printers_conf: Path = PRINTERS_CONF) -> list[Queue]:
    """Return every queue of the CUPS that CUPS_SERVER names (or this machine's own), by name. Raises CupsError.

    cupsd writes printers.conf up to half a minute after a change, and only there stand passwords: a URI is taken from
    there when it is the same without its password.
    """
    known = _read_printers_conf(printers_conf)
    found = []
    for name, shown in DEVICE_LINE.findall(ask_cups("lpstat", "-v", nothing_is_fine=True)):
        uri = f"file:{shown}" if shown.startswith("/") else shown  # lpstat leaves the scheme of files away
        kept = known.get(name, {})
        whole = kept.get("DeviceURI", "")
        exact = whole if without_password(whole) == uri else uri
        shared = None if "Shared" not in kept else kept["Shared"] == "Yes"
        found.append(Queue(name, exact, shared, kept.get("ErrorPolicy", "")))
    return sorted(found, key=lambda queue: queue.name)


def set_device(name: str, uri: str) -> None:
    """Give a queue another device URI; its PPD, options and state stay. Raises CupsError."""
    ask_cups("lpadmin", "-p", name, "-v", uri)
    if name not in {queue.name for queue in read_queues() if queue.uri == without_password(uri)}:
        raise CupsError(f"CUPS did not take the new device URI of {name}")


def resume(number: int) -> bool:
    """Let a held job go on; return whether CUPS still has it. One that is not held goes on anyway. Raises CupsError."""
    try:
        ask_cups("lp", "-i", str(number), "-H", "resume")
    except CupsError:
        return number in active_jobs()
    return True


def cancel(number: int) -> bool:
    """Cancel a job; return whether it is gone from the queue. Raises CupsError."""
    try:
        ask_cups("cancel", str(number))
    except CupsError:
        if number in active_jobs():
            raise
    return True


def active_jobs() -> set[int]:
    """The numbers of all jobs that are held, waiting or printing. Raises CupsError."""
    listed = ask_cups("lpstat", "-W", "not-completed", "-o", nothing_is_fine=True)
    return {int(number) for number in ACTIVE_LINE.findall(listed)}


def ask_cups(*argv: str, nothing_is_fine: bool = False) -> str:
    """Run one of CUPS' commands, return what it wrote. Raises CupsError with what it said.

    `nothing_is_fine`: lpstat ends with 1 where there is no queue at all.
    """
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(argv, env=environ, capture_output=True, timeout=ANSWER_S, check=False)
    except FileNotFoundError:
        raise CupsError(f"{argv[0]} is not installed (Debian: cups-client)") from None
    except subprocess.TimeoutExpired:
        raise CupsError(f"{argv[0]}: CUPS does not answer") from None
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode and not (nothing_is_fine and "No destinations added" in said):
        raise CupsError(said.removeprefix(f"{argv[0]}: ") or f"{argv[0]} failed")
    return done.stdout.decode("utf-8", "replace")


def _read_printers_conf(path: Path) -> dict[str, dict[str, str]]:
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return {}
    return {name: _directives(block.splitlines()) for name, block in PRINTER_BLOCK.findall(text)}


def _directives(lines: Sequence[str]) -> dict[str, str]:
    pairs = (line.strip().partition(" ") for line in lines if line.strip())
    return {key: value.strip() for key, _, value in pairs}
