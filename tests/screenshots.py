"""`make screenshots`: walks through the demo as a pupil and as an administrator, and takes a picture of every page.

Each page that a link leads to is taken light, dark and 320 px wide, into the folder `screenshots/`; so are pages that
no link leads to. What a browser complains of, and what scrolls sideways, is printed and makes the command fail.
`--language de` takes them in German.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.servers.demo import Demo
from tests.web.auditing import Chromium
from tests.web.walking import name_of, sign_in, walk

PROJECT = Path(__file__).resolve().parents[1]
PEOPLE = ("alice", "admin")
LOOKS = (("light", 1280), ("dark", 1280), ("phone", 320))
SITES = ("portal", "print", "net")
UNLINKED = {
    ("portal", "alice"): ("/embed", "/no-such-page"),
    ("print", "alice"): ("/no-such-page", "/admin/people"),
    ("print", "admin"): ("/admin/style-guide",),
}
"""Pages that no link leads to: of others, and of errors."""

STATION = "/release/Studio-colour"


@dataclass
class Album:
    """Where pictures go, and what was wrong with pages. `only`: what the address of a page must hold."""

    folder: Path
    only: str = ""
    taken: int = 0
    problems: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> Page:
        """Hear from now on what the console of a page says."""
        page.set_default_timeout(20_000)
        page.on("console", self._hear)
        return page

    def take_all(self, page: Page, name: str, path: str) -> None:
        """Take a page light, dark and on a phone, and note what is wrong with it."""
        if self.only not in path:
            return
        for look, width in LOOKS:
            page.emulate_media(color_scheme="dark" if look == "dark" else "light", reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=self.folder / f"{name}-{look}.png", full_page=True)
            self.taken += 1
            too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            self.problems += [f"{name}-{look}: scrolls {too_wide} px sideways"] if too_wide > 0 else []
        page.set_viewport_size({"width": LOOKS[0][1], "height": 900})
        self.problems += [f"{name}: {words}" for words in self.heard]
        self.heard.clear()

    def _hear(self, message: ConsoleMessage) -> None:
        refused_page = "Failed to load resource" in message.text and "/static/" not in message.location.get("url", "")
        if message.type in ("error", "warning") and not refused_page:
            self.heard.append(message.text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; 1 when something is wrong with a page."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / "screenshots")
    parser.add_argument("--portal", default="", help="the portal of a demo that runs already (default: start one)")
    parser.add_argument("--only", default="", help="only pages whose address holds this")
    parser.add_argument("--language", default="en", choices=("en", "de"), help="what the pages speak")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    album = Album(options.folder, options.only)
    with _demo(options.portal, options.language) as sites, Chromium() as browser:
        for site, address in sites.items():
            for person in PEOPLE if site != "portal" else PEOPLE[:1]:
                _walk(_context(browser, options.language), album, site, address, person)
        _others(_context(browser, options.language), album, sites["print"])
    print(f"{album.taken} pictures in {options.folder}")
    print("\n".join(album.problems))
    return 1 if album.problems else 0


def _walk(context: BrowserContext, album: Album, site: str, address: str, person: str) -> None:
    """Sign in, and go to every page that a link leads to; of pages that differ in numbers only, to the first."""
    page = album.listen(context.new_page())
    prefix = f"{site}-{person}"
    page.goto(f"{address}/sign-in")
    album.take_all(page, f"{prefix}-sign-in", "/sign-in")
    sign_in(page, address, person)
    for path in walk(page, address, broken=album.problems):
        album.take_all(page, f"{prefix}-{name_of(path)}", path)
    for path in UNLINKED.get((site, person), ()):
        page.goto(address + path)
        album.take_all(page, f"{prefix}-{name_of(path)}", path)
    context.close()


def _others(context: BrowserContext, album: Album, address: str) -> None:
    """Take what only a form leads to: a refused sign-in, a form with errors, the station, a sheet of cards."""
    page = album.listen(context.new_page())
    page.goto(f"{address}/sign-in")
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", "wrong")
    page.locator("main button[type=submit]").click()
    album.take_all(page, "print-refused", "/sign-in")
    page.goto(address + STATION)
    album.take_all(page, "print-station-sign-in", STATION)
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", "demo-alice")
    page.locator("main button[type=submit]").click()
    album.take_all(page, "print-station", STATION)
    context.clear_cookies(name="print_session")
    sign_in(page, address, "admin")
    page.goto(f"{address}/admin/schedules/new")
    page.locator("form.schedule button[type=submit]").last.click()
    album.take_all(page, "print-admin-schedule-errors", "/admin/schedules/new")
    page.goto(f"{address}/admin/cards/new")
    for name, value in (("name", "Kiosk"), ("amount", "2"), ("count", "12")):
        page.fill(f"[name={name}]", value)
    page.locator("main form button[type=submit]").click()
    album.take_all(page, "print-admin-cards-sheet", "/admin/cards/new")
    context.close()


def _context(browser: Browser, language: str) -> BrowserContext:
    return browser.new_context(locale={"en": "en-GB", "de": "de-DE"}[language], timezone_id="Europe/Berlin")


@contextmanager
def _demo(portal: str, language: str) -> Iterator[dict[str, str]]:
    """Give the addresses of a demo's sites: of the one that runs, or of one that is started, and stopped after."""
    if not portal:
        with Demo(language=language) as demo:
            yield demo.sites
        return
    parts = urlsplit(portal)
    yield {site: f"{parts.scheme}://{parts.hostname}:{(parts.port or 80) + n}" for n, site in enumerate(SITES)}


if __name__ == "__main__":
    sys.exit(main())
