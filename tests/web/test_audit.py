"""Every page of the demo in Chromium: no violation of WCAG 2.2 AA, nothing wider than a phone, nothing amiss."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.servers.demo import Demo
from tests.web.auditing import Auditor, Chromium
from tests.web.walking import sign_in, walk

pytestmark = pytest.mark.long
LOCALES = ("en-GB", "de-DE")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Chromium() as browser:
        yield browser


@pytest.fixture(params=LOCALES)
def auditor(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Auditor]:
    auditor = Auditor(browser, locale=request.param)
    yield auditor
    auditor.close()
    assert not auditor.problems, "\n".join(auditor.problems)


@pytest.mark.parametrize("site", ["portal", "print", "net"])
def test_every_page_of_a_user(demo: Demo, auditor: Auditor, site: str) -> None:
    _audit(auditor, demo.sites[site], "alice")
    assert auditor.looked_at >= {"portal": 2, "print": 8, "net": 8}[site]


@pytest.mark.parametrize("site", ["print", "net"])
@pytest.mark.timeout(1200)
def test_every_page_of_an_administrator(demo: Demo, auditor: Auditor, site: str) -> None:
    _audit(auditor, demo.sites[site], "admin")
    assert auditor.looked_at >= 40


def _audit(auditor: Auditor, address: str, person: str) -> None:
    auditor.look(f"{address}/sign-in")
    auditor.look(f"{address}/no-such-page")
    sign_in(auditor.page, address, person)
    auditor.use_cookies()
    for path in walk(auditor.page, address):
        auditor.look(address + path)
