"""Copies of the client on a screen, and real instances for them to ask."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask

from tests.api.conftest import make_api
from tests.servers.display import Display, Place
from tests.servers.process import Child
from tests.servers.web import WebServer

__all__ = ["make_api"]

ROOT = Path(__file__).resolve().parents[2]
LOG = "user-client.log"


@dataclass
class Copy:
    """One copy of the client that runs: its window, and what it wrote into its log."""

    child: Child
    display: Display
    title: str
    log: Path
    profile: str
    window: str = ""

    def wait_window(self, timeout_s: float = 20) -> str:
        """Return the window's id once it is visible."""
        self.window = self.display.wait_window(self.title, timeout_s=timeout_s, child=self.child)
        return self.window

    @property
    def place(self) -> Place:
        """Where its window is."""
        return self.display.place(self.window)

    def lines(self) -> list[str]:
        """What this copy logged."""
        text = self.log.read_text("utf-8") if self.log.exists() else ""
        return [line for line in text.splitlines() if f" {self.profile} " in line]

    def seen(self) -> str:
        """What the window shows, as one line."""
        shown = [line.split(": ", 1)[1] for line in self.lines() if "DEBUG shown under" in line]
        return shown[-1] if shown else ""

    def wait_seen(self, *words: str, timeout_s: float = 15) -> str:
        """Wait until the window shows all of these words; return what it shows."""
        deadline = time.monotonic() + timeout_s
        while not all(word in self.seen() for word in words):
            late = f"not within {timeout_s:g} s: {words}; the window shows {self.seen()!r}. {self.child.log_tail()}"
            assert time.monotonic() < deadline, late
            assert self.child.running, self.child.log_tail()
            time.sleep(0.05)
        return self.seen()

    def sign_in(self, username: str, password: str = "") -> None:
        """Type into the form, as somebody would."""
        self.wait_seen("Sign in")
        self.display.type(self.window, username)
        self.display.key(self.window, "Tab")
        self.display.type(self.window, password or f"demo-{username}")
        self.display.key(self.window, "Return")


@dataclass
class Desk:
    """Somebody's computer: a home folder, a screen, and the copies that run on it."""

    home: Path
    display: Display
    copies: list[Copy] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs at this desk."""
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | self.display.environment

    def configure(self, profile: str, **keys: object) -> Path:
        """Write the user's config.properties of a profile; `_` in a key stands for `-`."""
        path = self.home / ".config" / "twinpurse-client" / profile / "config.properties"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key.replace('_', '-')}={value}\n" for key, value in keys.items()), "utf-8")
        return path

    def start(self, profile: str, title: str, *arguments: str) -> Copy:
        """Start a copy with its debug log."""
        command = [sys.executable, "-m", "client", "--profile", profile, "--debug", *arguments]
        child = Child(command, env=self.environment, cwd=self.home, log=self.home / f"{profile}.out").start()
        self.copies.append(Copy(child, self.display, title, self.home / LOG, profile))
        return self.copies[-1]

    def stop(self) -> None:
        """End every copy."""
        for copy in self.copies:
            copy.child.stop()


@pytest.fixture(scope="session")
def display() -> Iterator[Display]:
    """A screen of 1280 by 800 pixels."""
    with Display() as started:
        yield started


@pytest.fixture
def desk(tmp_path: Path, display: Display) -> Iterator[Desk]:
    """A desk whose copies end with the test."""
    home = tmp_path / "home"
    home.mkdir()
    made = Desk(home, display)
    yield made
    made.stop()


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], str]]:
    """A function that serves an instance and returns its address."""
    running: list[WebServer] = []

    def start(app: Flask) -> str:
        running.append(WebServer(app).start())
        return running[-1].url

    yield start
    for server in running:
        server.stop()
