"""Every page of the demo in Chromium: no violation of WCAG 2.2 AA, nothing wider than a phone, nothing amiss."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.servers.demo import Demo
from tests.web.auditing import SCHEMES, Auditor, Chromium
from tests.web.walking import sign_in, walk

pytestmark = pytest.mark.long
LOCALES = ("en-GB", "de-DE")
UNLINKED = {"portal": ("/embed",), "print": ("/admin/people", "/release/Studio-colour"), "net": ("/admin/people",)}
"""Pages that no link leads to."""


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
    _audit(auditor, demo.sites[site], "alice", *UNLINKED[site])
    assert auditor.looked_at >= {"portal": 2, "print": 8, "net": 8}[site]


@pytest.mark.parametrize("site", ["print", "net"])
@pytest.mark.timeout(1200)
def test_every_page_of_an_administrator(demo: Demo, auditor: Auditor, site: str) -> None:
    _audit(auditor, demo.sites[site], "admin", "/admin/style-guide")
    assert auditor.looked_at >= 40


def _audit(auditor: Auditor, address: str, person: str, *more: str) -> None:
    """Look at every page that a link leads to, at `more`, and at those of who is not signed in and of errors.

    German pages have the same colours as English ones: only their words can be too long, or lack a label.
    """
    schemes = SCHEMES if auditor.locale == LOCALES[0] else SCHEMES[:1]
    auditor.look(f"{address}/sign-in", schemes=schemes)
    auditor.look(f"{address}/no-such-page", schemes=schemes)
    sign_in(auditor.page, address, person)
    auditor.use_cookies()
    for path in [*walk(auditor.page, address), *more]:
        auditor.look(address + path, schemes=schemes)
