"""What every server fixture needs: a free port, a folder, one foreground child, a clear word on a missing package."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

LOOPBACK = "127.0.0.1"
LOG_TAIL_CHARACTERS = 3000


class ServerStartError(RuntimeError):
    """A server did not start; the message holds the end of its log."""


class MissingPackageError(RuntimeError):
    """A program that the tests need is not installed. It fails the test: a skipped server proves nothing."""


def need(path: str, package: str) -> None:
    """Raise MissingPackageError unless the program at `path` can be run."""
    if not os.access(path, os.X_OK):
        raise MissingPackageError(f"{path} is missing: install the Debian package {package}: apt-get install {package}")


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago, another one at each call.

    Not one of those that the kernel gives to connections (32768 on), and each of the test processes that run side by
    side takes from a range of its own: a port that is chosen here must still be free when the server binds it.
    """
    while True:
        port = next(_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 6
    first = 12_000 + worker * 3_000
    start = os.getpid() % 3_000  # two runs of the tests on one machine begin at different places
    while True:
        yield from (first + (start + number) % 3_000 for number in range(3_000))


_PORTS = _ports()


def make_dir(prefix: str, user: str | None = None) -> Path:
    """Make a folder in /tmp that a server may enter after it has dropped root.

    pytest's own folders are 0700 and below one another, so a server that runs as another user cannot reach them.
    As root the folder gets 0755, and belongs to `user` when one is named.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    if os.geteuid() == 0:
        folder.chmod(0o755)
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


class Child:
    """One program in the foreground, its output in a log file; ended by its own process id and nothing else."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        log: Path | str,
    ) -> None:
        """`env` replaces the whole environment when given; `log` is appended to, so a restart keeps the history."""
        self.argv = list(argv)
        self.env = None if env is None else dict(env)
        self.cwd = cwd
        self.log = Path(log)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running (or ended) program. Raises ServerStartError before the first start."""
        if self._process is None:
            raise ServerStartError(f"{self.argv[0]} was not started")
        return self._process

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """True while the program has not ended."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        """The end of what the program wrote."""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARACTERS:]

    def start(self) -> Child:
        """Start the program. Raises ServerStartError when it already runs or cannot be executed."""
        if self.running:
            raise ServerStartError(f"{self.argv[0]} already runs as process {self.pid}")
        with self.log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    self.argv,
                    env=self.env,
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise ServerStartError(f"{self.argv[0]} cannot be executed: {error}") from error
        return self

    def send(self, number: int) -> None:
        """Send one signal to the program, when it still runs."""
        if self.running:
            self.process.send_signal(number)

    def pause(self) -> None:
        """Freeze the program (SIGSTOP): its port still accepts connections and nothing answers."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on (SIGCONT)."""
        self.send(signal.SIGCONT)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10) -> int | None:
        """End the program with a signal, by force after `timeout_s`; return its exit code, None if never started."""
        if self._process is None:
            return None
        if self.running:
            self.send(number)
            self.resume()  # a paused program would never see the signal
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def __enter__(self) -> Child:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_port(
    port: int, process: Child | subprocess.Popen[bytes] | None = None, timeout_s: float = 20, *, host: str = LOOPBACK
) -> None:
    """Wait until `port` of `host` (127.0.0.1) accepts a connection.

    Raises ServerStartError after `timeout_s` seconds, or as soon as `process` has ended; with a Child the message
    holds the end of its log.
    """
    popen = process.process if isinstance(process, Child) else process
    deadline = time.monotonic() + timeout_s
    while True:
        if popen is not None and popen.poll() is not None:
            raise ServerStartError(_start_failure(f"the server ended with code {popen.returncode}", process))
        try:
            with socket.create_connection((host, port), timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                message = f"nothing listens on port {port} after {timeout_s:g} s"
                raise ServerStartError(_start_failure(message, process)) from None
            time.sleep(0.02)


def _start_failure(message: str, process: Child | subprocess.Popen[bytes] | None) -> str:
    if isinstance(process, Child):
        return f"{message}; {process.argv[0]} wrote:\n{process.log_tail()}"
    return message
