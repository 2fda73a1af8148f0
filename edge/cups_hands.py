"""What `twinpurse-edge` does with root's rights, and nothing else: resume a job, cancel a job, look at the queues.

The part that talks to the network asks for these over a socket pair, one JSON line each; no word of it reaches a shell,
a path or an option: a verb of a fixed list and a number.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge import cups_queues
from edge.cups_faults import faults_of_cupsd
from edge.cups_job import SCHEME

MAX_LINE_BYTES: Final = 4_000_000
VERBS: Final[dict[str, Callable[[int], bool]]] = {"resume": cups_queues.resume, "cancel": cups_queues.cancel}
GONE: Final = "the print server no longer has this job"


class HandsError(Exception):
    """The part with the rights is gone, or CUPS does not answer."""


class Hands:
    """Does things to CUPS' jobs and looks at its queues: in this process, or by asking the part with the rights."""

    def __init__(self, ask: Callable[[dict[str, Any]], dict[str, Any]], line: socket.socket | None = None) -> None:
        self._ask = ask
        self.line = line

    @classmethod
    def here(cls, printers_conf: Path, cupsd_conf: Path, backend_dir: Path) -> Hands:
        """Everything in this process, with the rights that it has."""
        return cls(lambda asked: _answer(asked, printers_conf, cupsd_conf, backend_dir))

    @classmethod
    def apart(cls, account: pwd.struct_passwd) -> tuple[Hands, int]:
        """Split in two; return (hands, 0) in the part that becomes `account`, (hands, its pid) in the other."""
        mine, theirs = socket.socketpair()
        child = os.fork()
        if child:
            theirs.close()
            return cls(lambda _: {}, mine), child
        mine.close()
        os.setgroups([account.pw_gid])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        file = theirs.makefile("rwb")

        def ask(asked: dict[str, Any]) -> dict[str, Any]:
            file.write(json.dumps(asked).encode("ascii") + b"\n")
            file.flush()
            said = file.readline(MAX_LINE_BYTES)
            if not said:
                raise HandsError("the part that has the rights towards CUPS is gone")
            answer: dict[str, Any] = json.loads(said)
            return answer

        return cls(ask, theirs), 0

    def do(self, verb: str, number: int) -> tuple[bool, str]:
        """Resume or cancel a job; return (whether that was done, else why not in words). Raises HandsError."""
        answer = self._told({"verb": verb, "number": number})
        return bool(answer["done"]), str(answer["note"])

    def look(self) -> dict[str, Any]:
        """Return `queues`, as the instance takes them, and `faults`, codes of what is wrong. Raises HandsError."""
        return self._told({"verb": "look"})

    def _told(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._ask(asked)
        except (OSError, ValueError) as problem:
            raise HandsError(f"the part that has the rights towards CUPS failed: {problem}") from None
        if answer.get("problem"):
            raise HandsError(f"CUPS: {answer['problem']}")
        return answer


def serve_hands(hands: Hands, child: int, printers_conf: Path, cupsd_conf: Path, backend_dir: Path) -> int:
    """Be the part with the rights until the other one (`child`) ends; return its exit code."""
    line = hands.line
    if line is None:
        raise HandsError("there is nobody to serve")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _: _pass_on(child, signum))
    file = line.makefile("rwb")
    while asked := file.readline(MAX_LINE_BYTES):
        answer = _answer(json.loads(asked), printers_conf, cupsd_conf, backend_dir)
        with contextlib.suppress(BrokenPipeError):  # the other part has ended meanwhile
            file.write(json.dumps(answer).encode("ascii") + b"\n")
            file.flush()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _answer(asked: dict[str, Any], printers_conf: Path, cupsd_conf: Path, backend_dir: Path) -> dict[str, Any]:
    verb, number = asked.get("verb"), asked.get("number")
    try:
        if verb == "look":
            return _look(printers_conf, cupsd_conf, backend_dir)
        act = VERBS.get(str(verb))
        if act is None or type(number) is not int or number < 1:
            return {"problem": "was asked for something that is not done here"}
        done = act(number)
    except cups_queues.CupsError as problem:
        return {"problem": str(problem)}
    return {"done": done, "note": "" if done else GONE}


def _look(printers_conf: Path, cupsd_conf: Path, backend_dir: Path) -> dict[str, Any]:
    queues = [
        {
            "name": queue.name,
            "device_uri": cups_queues.without_password(queue.device)[:2000],
            "charged": queue.charged,
            "shared": queue.shared,
            "error_policy": queue.error_policy,
        }
        for queue in cups_queues.read_queues(printers_conf)
    ]
    return {"queues": queues, "faults": [*_faults_of_conf(cupsd_conf), *_faults_of_backend(backend_dir / SCHEME)]}


def _faults_of_conf(cupsd_conf: Path) -> list[str]:
    try:
        return faults_of_cupsd(cupsd_conf.read_text("utf-8", "replace"))
    except OSError:
        return []  # it cannot be read: nothing is known to be wrong


def _faults_of_backend(path: Path) -> list[str]:
    try:
        found = path.stat()
    except OSError:
        return ["backend_missing"]
    return [] if found.st_uid == 0 and stat.S_IMODE(found.st_mode) == 0o755 else ["backend_mode"]
