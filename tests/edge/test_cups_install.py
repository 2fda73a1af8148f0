"""`twinpurse-cups`: a queue of a real cupsd is wrapped, and put back exactly as it was."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cups_queues import Queue, read_queues, without_password
from tests.edge.instance_stub import TOKEN
from tests.servers.cups import Cups
from tests.servers.process import free_port, make_dir

CHANGES_BY_ITSELF = re.compile(r"^(StateTime|ConfigTime|# .*|NextPrinterId) ?.*$\n", re.MULTILINE)
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cups() -> Iterator[Cups]:
    """A cupsd with a queue that is charged by nobody, to a printer that is off."""
    server = Cups(make_dir("twinpurse-install-"))
    # cupsd writes printers.conf at once, so that the test can look at it.
    (server.folder / "cupsd.conf").write_text((server.folder / "cupsd.conf").read_text() + "DirtyCleanInterval 0\n")
    server.start()
    try:
        lpd = server.folder / "serverbin" / "backend" / "lpd"  # as Debian has it: only root may run it
        lpd.write_text("#!/bin/sh\n")
        lpd.chmod(0o744)
        uri = f"socket://127.0.0.1:{free_port()}"
        ppd = "/usr/share/ppd/cupsfilters/Generic-PDF_Printer-PDF.ppd"
        server.run("lpadmin", "-p", "lab", "-E", "-v", uri, "-P", ppd)
        server.run("lpadmin", "-p", "lab", "-o", "sides-default=two-sided-long-edge", "-L", "Room 7", "-u", "deny:eve")
        server.run("lpadmin", "-p", "lab", "-o", "printer-error-policy=retry-job", "-o", "printer-is-shared=true")
        server.run("lpadmin", "-p", "shy", "-v", uri)
        server.run("lpadmin", "-p", "root-only", "-E", "-v", "lpd://127.0.0.1/x")
        server.run("lpadmin", "-p", "secret", "-E", "-v", "ipp://me:word@127.0.0.1/ipp/print")
        yield server
    finally:
        server.stop()


def command(cups: Cups, *words: str) -> tuple[int, str]:
    """Run `twinpurse-cups`; return its exit code and all that it said."""
    options = ["--printers-conf", str(cups.folder / "etc" / "printers.conf")]
    if words[0] != "list":
        config = cups.write_edge_toml("http://127.0.0.1:9", TOKEN)
        options += ["--config", str(config), "--backend-dir", str(cups.folder / "serverbin" / "backend")]
    done = subprocess.run(
        [sys.executable, "-m", "edge.cups_command", *words, *options],
        cwd=PROJECT,
        env=cups.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def written(cups: Cups, *expected: str) -> str:
    """What cupsd keeps of its queues, without what it changes by itself; waits until `expected` stands there."""
    deadline = time.monotonic() + 10
    while True:
        text = (cups.folder / "etc" / "printers.conf").read_text()
        if all(words in text for words in expected) or time.monotonic() > deadline:
            return CHANGES_BY_ITSELF.sub("", text)
        time.sleep(0.1)


def test_a_queue_is_wrapped_and_put_back_exactly(cups: Cups) -> None:
    before = written(cups, "DenyUser", "retry-job", "word@", "<Printer shy>")
    ppd = (cups.folder / "etc" / "ppd" / "lab.ppd").read_bytes()
    code, said = command(cups, "install", "lab")
    assert code == 0, said
    during = written(cups, "twinpurse:")
    assert [line for line in during.splitlines() if line not in before.splitlines()] == [
        line for line in during.splitlines() if line.startswith("DeviceURI twinpurse:")
    ]
    assert "is charged already" in command(cups, "install", "lab")[1]
    assert "lab\tcharged\tsocket://" in command(cups, "list")[1]
    assert "shy\tNOT CHARGED, same printer as a charged queue" in command(cups, "list")[1]
    code, said = command(cups, "uninstall", "lab")
    assert code == 0, said
    assert written(cups) == before
    assert (cups.folder / "etc" / "ppd" / "lab.ppd").read_bytes() == ppd
    assert "nothing to undo" in command(cups, "uninstall", "lab")[1]


def test_a_queue_that_takes_no_jobs_takes_none_afterwards(cups: Cups) -> None:
    def accepts() -> str:
        return cups.run("lpstat", "-a")

    before = accepts()
    for verb in ("install", "uninstall"):
        assert command(cups, verb, "shy")[0] == 0
        assert accepts() == before


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ("nowhere", "there is no queue nowhere here; there are: lab"),
        ("root-only", "dpkg-statoverride"),
        ("secret", "holds a password"),
    ],
)
def test_what_cannot_be_wrapped_is_said_and_left(cups: Cups, queue: str, words: str) -> None:
    before = written(cups, "word@")
    code, said = command(cups, "install", queue)
    assert code == 1
    assert words in said
    assert written(cups) == before


def test_a_dry_run_changes_nothing(cups: Cups) -> None:
    before = written(cups, "word@")
    code, said = command(cups, "install", "lab", "--dry-run")
    assert (code, "lab: would be charged: twinpurse:" in said) == (0, True)
    assert written(cups) == before


def test_a_password_is_read_where_it_stands_and_shown_nowhere(cups: Cups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPS_SERVER", cups.env["CUPS_SERVER"])
    written(cups, "word@")
    queues = {queue.name: queue for queue in read_queues(cups.folder / "etc" / "printers.conf")}
    assert queues["secret"].uri == "ipp://me:word@127.0.0.1/ipp/print"
    assert without_password(queues["secret"].uri) == "ipp://127.0.0.1/ipp/print"
    assert "word" not in command(cups, "list")[1]
    assert (queues["lab"].shared, queues["lab"].error_policy) == (True, "retry-job")
    assert Queue("x", "twinpurse:/e.toml?wrap=file%3A%2F%2F%2Ftmp%2Fout").device == "file:///tmp/out"
