"""The demo, started as `make demo` starts it, walked through with nothing but an HTTP client and plain forms."""

from __future__ import annotations

import http.cookiejar
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import LOOPBACK, Child, make_dir, wait_port

PROJECT = Path(__file__).resolve().parents[2]
RUN = """
import sys
from pathlib import Path
from demo import run
run.STATE = Path(sys.argv.pop(1))
sys.exit(run.main())
"""


class Browser:
    """Follows redirects, keeps cookies, fills in forms; no JavaScript."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, url: str) -> tuple[int, str, str]:
        """Return (status, address in the end, page)."""
        return self._open(urllib.request.Request(url))

    def submit(self, url: str, **fields: str) -> tuple[int, str, str]:
        """Fetch the form at `url`, fill it in, send it."""
        page = self.get(url)[2]
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None, "the form has no token"
        body = urllib.parse.urlencode(fields | {"csrf_token": token[1]}).encode()
        return self._open(urllib.request.Request(url, data=body))

    def _open(self, request: urllib.request.Request) -> tuple[int, str, str]:
        try:
            with self._opener.open(request, timeout=20) as response:
                return response.status, response.url, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.url, error.read().decode()


def free_ports(count: int) -> int:
    """Return the first of `count` neighbouring free ports."""
    for first in range(30_100, 32_000, 10):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind((LOOPBACK, port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[Child, int]]:
    folder, port = make_dir("twinpurse-demo-"), free_ports(4)
    child = Child([sys.executable, "-c", RUN, str(folder), "--port", str(port)], cwd=PROJECT, log=folder / "log")
    child.start()
    try:
        for number in range(3):
            wait_port(port + number, child, timeout_s=60)
        deadline = time.monotonic() + 20
        while "Ctrl-C" not in child.log_tail():
            assert time.monotonic() < deadline, child.log_tail()
            time.sleep(0.1)
        yield child, port
    finally:
        child.stop(signal.SIGINT)
        shutil.rmtree(folder, ignore_errors=True)


def purse_of(page: str) -> list[str]:
    """The big amounts of a page, as they read."""
    found = re.findall(r'<p class="amount[^>]*>(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"\s|<[^>]+>", "", amount) for amount in found]


def test_alice_signs_in_once_sees_both_purses_and_goes_into_each(demo: tuple[Child, int]) -> None:
    _, port = demo
    portal, browser = f"http://{LOOPBACK}:{port}", Browser()
    status, _, page = browser.submit(f"{portal}/sign-in", username="alice", password="demo-alice")
    assert status == 200
    amounts = purse_of(page)
    assert len(amounts) == 2
    assert all(re.fullmatch(r"\$\d+\.\d\d", amount) for amount in amounts)
    ways = re.findall(r'href="(/go/[a-z]+)"', page)
    assert ways == ["/go/print", "/go/net"]
    for number, way in enumerate(ways, start=1):
        status, address, page = browser.get(f"{portal}{way}")
        assert (status, address) == (200, f"http://{LOOPBACK}:{port + number}/")
        assert "Alice Moreau" in page
        assert purse_of(page) == [amounts[number - 1]]


def test_every_wrong_sign_in_gets_the_same_answer(demo: tuple[Child, int]) -> None:
    _, port = demo
    for number in range(3):
        answers = set()
        for name, password in (("bob", "wrong"), ("bob", ""), ("nobody", "demo-bob")):
            status, _, page = Browser().submit(
                f"http://{LOOPBACK}:{port + number}/sign-in", username=name, password=password
            )
            page = re.sub(r'name="csrf_token"[^>]*>', "", page)
            answers.add((status, page.replace(f'value="{name}"', "")))
        assert len(answers) == 1
        assert answers.pop()[0] == 401


def test_the_schedules_can_be_opened_by_the_administrator(demo: tuple[Child, int]) -> None:
    _, port = demo
    for number, name in ((1, "Weekly print money"), (2, "Monthly Internet money")):
        instance, browser = f"http://{LOOPBACK}:{port + number}", Browser()
        browser.submit(f"{instance}/sign-in", username="admin", password="demo-admin")
        status, _, page = browser.get(f"{instance}/admin/schedules")
        assert status == 200
        assert name in page


def test_its_people_are_read_from_its_directory(demo: tuple[Child, int]) -> None:
    instance, browser = f"http://{LOOPBACK}:{demo[1] + 1}", Browser()
    browser.submit(f"{instance}/sign-in", username="admin", password="demo-admin")
    deadline = time.monotonic() + 30
    while "4 people" not in (page := browser.get(f"{instance}/admin/people/sync")[2]):
        assert time.monotonic() < deadline, page
        time.sleep(0.5)
    assert "Failed" not in page


@pytest.mark.long
def test_the_demo_refuses_an_address_that_others_can_reach() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.run", "--host", "0.0.0.0"],  # noqa: S104 - the address that must be refused
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "not a loopback address" in done.stderr


def test_ctrl_c_stops_everything(demo: tuple[Child, int]) -> None:
    child, port = demo
    assert child.stop(signal.SIGINT) == 0
    for number in range(4):
        with socket.socket() as probe:
            assert probe.connect_ex((LOOPBACK, port + number)) != 0
