"""The demo, started as `make demo` starts it: walked through with plain forms, and looked at in Chromium."""

from __future__ import annotations

import http.cookiejar
import re
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
from playwright.sync_api import Browser as Chrome

from tests.servers.demo import Demo
from tests.servers.process import LOOPBACK
from tests.web import journeys
from tests.web.auditing import Auditor, Chromium
from tests.web.walking import sign_in

PROJECT = Path(__file__).resolve().parents[2]


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


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with Chromium() as browser:
        yield browser


def purse_of(page: str) -> list[str]:
    """The big amounts of a page, as they read."""
    found = re.findall(r'<p class="amount[^>]*>(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"\s|<[^>]+>", "", amount) for amount in found]


def test_alice_signs_in_once_sees_both_purses_and_goes_into_each(demo: Demo) -> None:
    portal, browser = demo.sites["portal"], Browser()
    status, _, page = browser.submit(f"{portal}/sign-in", username="alice", password="demo-alice")
    assert status == 200
    amounts = purse_of(page)
    assert len(amounts) == 2
    assert all(re.fullmatch(r"\$\d+\.\d\d", amount) for amount in amounts)
    ways = re.findall(r'href="(/go/[a-z]+)"', page)
    assert ways == ["/go/print", "/go/net"]
    for number, way in enumerate(ways, start=1):
        status, address, page = browser.get(f"{portal}{way}")
        assert (status, address) == (200, f"http://{LOOPBACK}:{demo.port + number}/")
        assert "Alice Moreau" in page
        assert purse_of(page) == [amounts[number - 1]]


@pytest.mark.long
def test_every_wrong_sign_in_gets_the_same_answer(demo: Demo) -> None:
    for site in demo.sites.values():
        answers = set()
        for name, password in (("bob", "wrong"), ("bob", ""), ("nobody", "demo-bob")):
            status, _, page = Browser().submit(f"{site}/sign-in", username=name, password=password)
            page = re.sub(r'name="csrf_token"[^>]*>', "", page)
            answers.add((status, page.replace(f'value="{name}"', "")))
        assert len(answers) == 1
        assert answers.pop()[0] == 401


def test_the_schedules_can_be_opened_by_the_administrator(demo: Demo) -> None:
    for site, name in (("print", "Weekly print money"), ("net", "Monthly Internet money")):
        instance, browser = demo.sites[site], Browser()
        browser.submit(f"{instance}/sign-in", username="admin", password="demo-admin")
        status, _, page = browser.get(f"{instance}/admin/schedules")
        assert status == 200
        assert name in page


def test_its_people_are_read_from_its_directory(demo: Demo) -> None:
    instance, browser = demo.sites["print"], Browser()
    browser.submit(f"{instance}/sign-in", username="admin", password="demo-admin")
    deadline = time.monotonic() + 30
    while "4 people" not in (page := browser.get(f"{instance}/admin/people/sync")[2]):
        assert time.monotonic() < deadline, page
        time.sleep(0.5)
    assert "Failed" not in page


def test_the_first_pages_keep_what_every_page_must(demo: Demo, chrome: Chrome) -> None:
    auditor = Auditor(chrome)
    for site, path, schemes in (("portal", "/", ("dark",)), ("print", "/", ("light",))):
        sign_in(auditor.page, demo.sites[site], "alice")
        auditor.use_cookies()
        auditor.look(demo.sites[site] + path, schemes=schemes)
    auditor.close()
    assert not auditor.problems, "\n".join(auditor.problems)


def test_a_day_without_scripts(demo: Demo, chrome: Chrome) -> None:
    page, address = journeys.without_scripts(chrome), demo.sites["print"]
    journeys.go_through_the_portal(page, demo)
    journeys.read_the_statement(page, address)
    journeys.redeem(page, address, demo.card("print"))
    journeys.ask_for_a_refund(page, address, "The last page is blank")
    journeys.sign_out(page)


def test_signing_in_with_the_keyboard_alone(demo: Demo, chrome: Chrome) -> None:
    page = chrome.new_page(locale="en-GB")
    journeys.sign_in_by_keys(page, demo.sites["net"])
    journeys.open_and_close_the_menu(page)


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


def test_ctrl_c_stops_everything(demo: Demo) -> None:
    assert demo.stop() == 0
    for number in range(4):
        with socket.socket() as probe:
            assert probe.connect_ex((LOOPBACK, demo.port + number)) != 0
