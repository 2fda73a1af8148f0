"""Every text of every page is translated: seen in brackets around English, and in words that German has not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.servers.demo import Demo
from tests.web import untranslated
from tests.web.auditing import Chromium
from tests.web.walking import name_of, sign_in, walk

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
WHO = [("portal", "alice"), ("print", "alice"), ("net", "alice"), ("print", "admin"), ("net", "admin")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def bracketed() -> Iterator[Demo]:
    with untranslated.bracketed_demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo(language="de") as demo:
        yield demo


@pytest.mark.parametrize(("site", "person"), WHO)
def test_no_text_stands_outside_translations(bracketed: Demo, browser: Browser, site: str, person: str) -> None:
    found = [f"{name}: {text}" for name, text in untranslated.on_site(browser, bracketed.sites[site], person)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("site", "person"), WHO)
def test_german_pages_hold_no_english(demo: Demo, browser: Browser, site: str, person: str) -> None:
    page = browser.new_page(locale="de-DE")
    sign_in(page, demo.sites[site], person)
    found: dict[str, str] = {}
    for path in walk(page, demo.sites[site]):
        for text in untranslated.english_on_page(page):
            found.setdefault(text, name_of(path))
    page.close()
    assert not found, "\n".join(f"{name}: {text}" for text, name in found.items())
