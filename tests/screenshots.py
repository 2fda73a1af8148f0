"""`make screenshots`: walks through the demo as a pupil and as an administrator, and takes a picture of every page.

Each page that a link leads to is taken light, dark and 320 px wide, into the folder `screenshots/`. What a browser
complains of, and what scrolls sideways, is printed and makes the command fail.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.servers.browser import ARGUMENTS, CHROMIUM
from tests.servers.process import free_port

PROJECT = Path(__file__).resolve().parents[1]
PEOPLE = ("alice", "admin")
LOOKS = (("light", 1280), ("dark", 1280), ("phone", 320))
LEFT_OUT = re.compile(
    r"\.(csv|json|zip|toml|whl|txt|conf|html)$|/sign-out|/theme|/static/|/go/|/enter|/download|/embed"
)
PAGES_MAX = 150
NUMBERS = re.compile(r"\d+")
READY_S = 120.0


@dataclass
class Album:
    """Where pictures go, and what was wrong with pages."""

    folder: Path
    taken: int = 0
    problems: list[str] = field(default_factory=list)

    def take(self, page: Page, name: str) -> None:
        """Take one picture, and note whether the page scrolls sideways."""
        page.screenshot(path=self.folder / f"{name}.png", full_page=True)
        self.taken += 1
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if too_wide > 0:
            self.problems.append(f"{name}: scrolls {too_wide} px sideways")


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; 1 when something is wrong with a page."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / "screenshots")
    parser.add_argument("--portal", default="", help="the portal of a demo that runs already (default: start one)")
    parser.add_argument("--only", default="", help="only pages whose address holds this")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    album = Album(options.folder)
    with _demo(options.portal) as portal, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        port = urlsplit(portal).port or 0
        sites = {"portal": portal, "print": _beside(portal, port + 1), "net": _beside(portal, port + 2)}
        for site, address in sites.items():
            for person in PEOPLE if site != "portal" else PEOPLE[:1]:
                context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin")
                _walk(context, album, f"{site}-{person}", address, person, options.only)
                context.close()
        browser.close()
    print(f"{album.taken} pictures in {options.folder}")
    print("\n".join(album.problems))
    return 1 if album.problems else 0


def _walk(context: BrowserContext, album: Album, prefix: str, address: str, person: str, only: str) -> None:
    """Sign in, and go to every page that a link leads to; of pages that differ in numbers only, to the first."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            heard.append(message.text)

    page.on("console", listen)
    page.goto(f"{address}/sign-in")
    _pictures(page, album, f"{prefix}-sign-in", heard)
    page.fill("input[name=username]", person)
    page.fill("input[name=password]", f"demo-{person}")
    page.click("main button[type=submit]")
    page.wait_for_url(f"{address}/")
    waiting, known = ["/"], {"/"}
    while waiting and len(known) <= PAGES_MAX:
        path = waiting.pop(0)
        response = page.goto(address + path)
        if response is None or response.status >= 500:
            album.problems.append(f"{prefix} {path}: status {response.status if response else 'none'}")
            continue
        for link in page.eval_on_selector_all("a[href]:not([download])", "all => all.map(a => a.getAttribute('href'))"):
            parts = urlsplit(urljoin(address + path, link))
            shape = NUMBERS.sub("N", parts.path)
            if f"{parts.scheme}://{parts.netloc}" != address or LEFT_OUT.search(parts.path) or shape in known:
                continue
            known.add(shape)
            waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))
        if only in path:
            name = re.sub(r"[^a-z0-9]+", "-", NUMBERS.sub("N", urlsplit(path).path).lower()).strip("-") or "home"
            _pictures(page, album, f"{prefix}-{name}", heard)


def _pictures(page: Page, album: Album, name: str, heard: list[str]) -> None:
    for look, width in LOOKS:
        page.emulate_media(color_scheme="dark" if look == "dark" else "light", reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        album.take(page, f"{name}-{look}")
    page.set_viewport_size({"width": LOOKS[0][1], "height": 900})
    album.problems += [f"{name}: {words}" for words in heard]
    heard.clear()


@contextmanager
def _demo(portal: str) -> Iterator[str]:
    """Give the address of a demo's portal: the one that runs, or one that is started, and stopped by its own pid."""
    if portal:
        yield portal.rstrip("/")
        return
    port = free_port()
    child = subprocess.Popen([sys.executable, "-m", "demo.run", "--port", str(port)], cwd=PROJECT)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"http://127.0.0.1:{port + 2}/healthz", child)
        yield address
    finally:
        child.terminate()
        child.wait(30)


def _wait(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise SystemExit("the demo did not start; its words are above")


def _beside(portal: str, port: int) -> str:
    return f"{urlsplit(portal).scheme}://{urlsplit(portal).hostname}:{port}"


if __name__ == "__main__":
    sys.exit(main())
