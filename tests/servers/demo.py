"""The demo as `make demo` runs it: its directory, both instances and the portal, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import Request, urlopen

from tests.servers.process import LOOPBACK, Child, ServerStartError, make_dir, wait_port

PROJECT = Path(__file__).resolve().parents[2]
TWINPURSE = (sys.executable, "-c", "from app.cli import main; main()")
READY_S = 90.0
PORTS = 4


class Demo:
    """One demo on four neighbouring ports, whose notes are in `language`. `more`: what is added to its environment."""

    def __init__(self, *, language: str = "en", more: Mapping[str, str] | None = None) -> None:
        self.folder = make_dir("twinpurse-demo-")
        self.port = _free_ports()
        self.child = Child(
            [
                *(sys.executable, "-m", "demo.run", "--folder", str(self.state), "--port", str(self.port)),
                *("--language", language),
            ],
            env=os.environ | dict(more or {}),
            cwd=PROJECT,
            log=self.folder / "log",
        )

    @property
    def state(self) -> Path:
        """Where its instances' folders are."""
        return self.folder / "state"

    @property
    def sites(self) -> dict[str, str]:
        """The addresses of the portal and of both instances."""
        return {name: f"http://{LOOPBACK}:{self.port + n}" for n, name in enumerate(("portal", "print", "net"))}

    def card(self, instance: str) -> str:
        """The code of a card that nobody has redeemed when the demo starts."""
        return (self.state / instance / "card").read_text().strip()

    def machine(self, instance: str, scope: str) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
        """Make a machine's token, and return a function that asks the instance's API with it: POST (path, body)."""
        made = subprocess.run(
            [*TWINPURSE, "token", "create", str(self.state / instance), "--name", "test", "--scope", scope],
            cwd=PROJECT,
            check=True,
            capture_output=True,
            text=True,
        )
        headers = {"Authorization": f"Bearer {made.stdout.strip()}", "Content-Type": "application/json"}

        def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
            sent = Request(self.sites[instance] + path, json.dumps(body).encode(), headers)
            with urlopen(sent, timeout=20) as response:
                answer: dict[str, Any] = json.loads(response.read())
            return answer

        return ask

    def start(self) -> Demo:
        """Start it, and wait until it has said that it runs."""
        self.child.start()
        deadline = time.monotonic() + READY_S
        while "Ctrl-C" not in self.child.log_tail():
            if time.monotonic() > deadline or not self.child.running:
                raise ServerStartError(f"the demo does not start:\n{self.child.log_tail()}")
            time.sleep(0.05)
        for number in range(PORTS):
            wait_port(self.port + number, self.child)
        return self

    def stop(self) -> int | None:
        """Stop it as Ctrl-C does, and return its exit code."""
        return self.child.stop(signal.SIGINT, timeout_s=30)

    def __enter__(self) -> Demo:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports() -> int:
    """Return the first of neighbouring free ports; another test process begins its search elsewhere."""
    for first in range(30_100 + os.getpid() % 150 * 10, 32_500, PORTS):
        try:
            for port in range(first, first + PORTS):
                with socket.socket() as probe:
                    probe.bind((LOOPBACK, port))
        except OSError:
            continue
        return first
    raise ServerStartError("no four neighbouring ports are free")
