"""The backend without CUPS: started as CUPS does, as nobody, with a shell script of the test as device backend."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from edge.cups_job import device_uri
from tests.edge.instance_stub import TOKEN, InstanceStub
from tests.servers.process import make_dir

NOBODY = 65534
PROJECT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"  # nobody can run Debian's Python; a developer's own one often lies under /root
COUNT = "#!/bin/sh\necho '{\"pages\": 3}'\n"


class LoneBackend:
    """One print server without CUPS. `device` is what the next print's device backend does, as a shell script."""

    def __init__(self, stub: InstanceStub) -> None:
        self.stub = stub
        self.folder = make_dir("twinpurse-lone-")
        self.spool = self.folder / "spool"
        self.device = "echo out >> $OUT"
        self.wrapped = "fake:/x"
        (self.folder / "bin" / "backend").mkdir(parents=True)
        (self.folder / "token").write_text(TOKEN)
        (self.folder / "token").chmod(0o600)
        write_program(self.folder / "count", COUNT)
        (self.folder / "essay").write_text("words")
        self.configure()
        for path in (self.folder, self.folder / "token"):
            os.chown(path, NOBODY, NOBODY)

    def configure(self, **keys: object) -> None:
        """Write the config, with these keys of [cups] instead of the usual ones."""
        usual: dict[str, object] = {"spool_dir": str(self.spool), "count_program": [f"{self.folder}/count"]}
        usual |= {"deliver_s": 0.5, "retry_first_s": 0.05, "retry_most_s": 0.2, **keys}
        instance = {"instance_url": self.stub.url, "token_file": f"{self.folder}/token", "server": "s"}
        lines = [
            *(f"{name} = {json.dumps(value)}" for name, value in instance.items()),
            "[cups]",
            *(f"{name} = {json.dumps(value)}" for name, value in usual.items()),
        ]
        (self.folder / "edge.toml").write_text("\n".join(lines) + "\n")

    def start(self, *, job: int = 5, user: str | bytes = "anna", title: str | bytes = "essay") -> subprocess.Popen[str]:
        """Start a passage of a job through the backend."""
        write_program(self.folder / "bin" / "backend" / "fake", f"#!/bin/sh\n{self.device}\n")
        environ = {
            "DEVICE_URI": device_uri(self.folder / "edge.toml", self.wrapped),
            "CUPS_SERVERBIN": str(self.folder / "bin"),
            "TMPDIR": str(self.folder),
            "PATH": "/usr/bin:/bin",
            "PRINTER": "lab",
            "BEGUN": str(self.folder / "begun"),
            "OUT": str(self.folder / "out"),
        }
        argv = [SYSTEM_PYTHON, "-m", "edge.cups", str(job), user, title, "1", f"job-uuid=urn:uuid:{job}"]
        with (self.folder / "essay").open() as document:
            return subprocess.Popen(
                argv,
                env=environ,
                cwd=PROJECT,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                stdin=document,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )

    def print(self, *, job: int = 5, user: str | bytes = "anna", title: str | bytes = "essay") -> tuple[int, str]:
        """Let a job pass through the backend; return the exit code and what it told CUPS."""
        backend = self.start(job=job, user=user, title=title)
        said = backend.communicate(timeout=30)[1]
        return backend.returncode, said

    def print_and_cancel(self) -> tuple[int, str]:
        """Print, and cancel when the device backend has made the file $BEGUN."""
        backend = self.start()
        self.wait(lambda: (self.folder / "begun").exists() or backend.poll() is not None, "the device begins")
        backend.send_signal(signal.SIGTERM)
        said = backend.communicate(timeout=20)[1]
        assert (self.folder / "begun").exists(), said
        return backend.returncode, said

    def kill_when(self, ready: Callable[[], bool]) -> None:
        """Print job 5, and end the backend by SIGKILL as soon as `ready()`."""
        backend = self.start()
        self.wait(ready, "the moment to kill")
        backend.kill()
        backend.communicate(timeout=20)

    def wait(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until `ready()`. Raises AssertionError."""
        deadline = time.monotonic() + 15
        while not ready():
            assert time.monotonic() < deadline, f"{what}: not within 15 s"
            time.sleep(0.005)

    @property
    def printed(self) -> int:
        """How often a device backend has written "out"."""
        out = self.folder / "out"
        return out.read_text().count("out") if out.exists() else 0

    def left(self) -> list[str]:
        """The endings of the files in the spool, but for what is kept about printers."""
        names = [path.name.split(".", 1)[1] for path in self.spool.iterdir()] if self.spool.exists() else []
        return sorted(name for name in names if name != "plan")

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder)


def write_program(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)
