"""The program at a terminal: the balance as text, signing in and out, and what it says when it cannot start."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.money import MICRO
from tests.api.conftest import Instance
from tests.client.instance_stub import InstanceStub

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs the client without a screen."""

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "client", *arguments],
            cwd=ROOT,
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return start


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    with InstanceStub() as started:
        yield started


def at_terminal(home: Path, *arguments: str, typed: str) -> str:
    """Run the client at a terminal of its own, type, and return what stood there."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "client", *arguments], {"HOME": str(home)})  # noqa: S606
    shown = b""
    answers = iter(typed.encode().splitlines(keepends=True))
    while True:
        try:
            shown += os.read(terminal, 1000)
        except OSError:
            break
        if shown.endswith((b"name: ", b"Password: ")):
            time.sleep(0.05)
            os.write(terminal, next(answers))
    os.waitpid(child, 0)
    return shown.decode()


def test_signed_in_at_a_terminal_the_balance_of_a_real_instance_is_printed(
    tmp_path: Path,
    make_api: Callable[..., Instance],
    serve: Callable[[Flask], str],
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    instance = make_api()
    instance.credit("alice", 3 * MICRO)
    url = serve(instance.app)
    asked = run("--text", "--server-url", url)
    assert (asked.returncode, "Sign in" in asked.stdout) == (3, True)
    assert "twinpurse-client sign-in" in asked.stderr
    shown = at_terminal(tmp_path, "sign-in", "--server-url", url, typed="alice\nwrong\n")
    assert "wrong" not in shown
    assert "Signed in." not in shown
    shown = at_terminal(tmp_path, "sign-in", "--server-url", url, typed="alice\ndemo-alice\n")
    assert "Signed in." in shown
    assert "demo-alice" not in shown
    told = run("--text", "--server-url", url)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[:2] == ["Print · Alice Andersson: $3.00", "Enough for about 60 pages"]
    assert run("sign-out", "--server-url", url).stdout == "You are signed out.\n"
    assert run("--text", "--server-url", url).returncode == 3


def test_without_an_answer_the_last_value_is_printed_with_its_age(
    run: Callable[..., subprocess.CompletedProcess[str]], stub: InstanceStub, tmp_path: Path
) -> None:
    at_terminal(tmp_path, "sign-in", "--server-url", stub.url, "--user", "alice", typed="x\n")
    assert run("--text", "--server-url", stub.url).returncode == 0
    stub.down()
    away = run("--text", "--server-url", stub.url)
    assert away.returncode == 1
    lines = away.stdout.splitlines()
    assert lines[0] == "Print · Alice Andersson: $3.40"
    assert lines[-2].startswith("Last known at ")
    assert lines[-1] == "127.0.0.1 cannot be reached."


def test_what_cannot_be_started_is_said(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    nowhere = run("--text")
    assert (nowhere.returncode, "No server is named." in nowhere.stderr) == (2, True)
    assert run("--profile", "../x").returncode == 2
    slip = run("--text", "--server-url", "http://127.0.0.1:9", "--windowposition", "middle", "--frobnicate")
    assert "the command line: window_position=middle is none of" in slip.stderr
    assert "--frobnicate is not an option" in slip.stderr
    assert slip.returncode == 3
    screenless = run("--server-url", "http://127.0.0.1:9")
    assert (screenless.returncode, "--text prints the balance" in screenless.stderr) == (2, True)
