"""The access helper as a program on two pipes, for the tests of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.edge.squid_stub import StubInstance
from tests.servers.process import make_dir

PROJECT = Path(__file__).resolve().parents[2]
PROBES = [f"probe{number}" for number in range(100)]


class Helper:
    """The helper on two pipes, as Squid would hold it."""

    def __init__(self, folder: Path, config: Path, *options: str) -> None:
        self.log = folder / "helper.err"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge.squid_acl", "--config", str(config), *options],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self.next = 0

    def ask(self, user: str) -> bytes:
        """One request, and its answer without the channel-ID."""
        self.next += 1
        self.input.write(b"%d %s -\n" % (self.next, user.encode()))
        self.input.flush()
        channel, answer = self.output.readline().rstrip(b"\n").split(b" ", 1)
        assert int(channel) == self.next
        return answer

    def wait_for(self, user: str, ready: Callable[[bytes], bool], seconds: float = 5) -> float:
        """Ask until the answer is as wanted; return how long it took."""
        begun = time.monotonic()
        while not ready(answer := self.ask(user)):
            assert time.monotonic() - begun < seconds, answer
            time.sleep(0.05)
        return time.monotonic() - begun

    def talk(self, lines: bytes, seconds: float = 30) -> list[bytes]:
        """Send all, close, and return all answers."""
        answers, _ = self.process.communicate(lines, timeout=seconds)
        assert self.process.returncode == 0, self.log.read_text()
        return answers.splitlines()


@contextmanager
def helpers(instance: StubInstance) -> Iterator[Callable[..., Helper]]:
    """A function that starts a helper of this instance with options; all are gone afterwards."""
    folder = make_dir("twinpurse-helper-")
    config = instance.write_config(folder)
    started: list[Helper] = []

    def start_one(*options: str, config: Path = config) -> Helper:
        started.append(Helper(folder, config, *options))
        return started[-1]

    yield start_one
    for helper in started:
        helper.process.kill()
        helper.process.wait()
        helper.input.close()
        helper.output.close()
    shutil.rmtree(folder)


def listed(helper: Helper, instance: StubInstance) -> Helper:
    """Wait until the helper has the list: then it knows a listed user without asking about that user alone."""
    for probe in PROBES:
        assert helper.ask(probe) == b"OK"
        if not instance.asked[probe]:
            instance.asked.clear()
            return helper
        time.sleep(0.05)
    raise AssertionError(f"no list; the helper wrote:\n{helper.log.read_text()}")
