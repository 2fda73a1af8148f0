"""What every page must keep, looked at in Chromium: WCAG by axe-core, narrow screens, the policy, a quiet console."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.servers.browser import ARGUMENTS, CHROMIUM
from tests.servers.process import LOOPBACK, need

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WIDTHS = (1280, 320)
SCHEMES = ("light", "dark")
RUN_AXE = """tags => axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"]}).then(
  found => found.violations.map(one => `${one.id}: ${one.help} (${one.nodes.map(n => n.target.join(" ")).join(", ")})`))
"""
TOO_WIDE = """() => {
  const page = document.documentElement, over = page.scrollWidth - page.clientWidth;
  if (over <= 0) return "";
  const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > page.clientWidth);
  return `${over} px too wide: ${wide.slice(0, 4).map(e => e.tagName + "." + e.className).join(", ")}`;
}"""


@dataclass
class Auditor:
    """Looks at pages in two ways: with the policy on, as people see them; and with it off, since axe is a script.

    What was found is in `problems`. Both contexts hold the same cookies after `use_cookies_of`.
    """

    browser: Browser
    locale: str = "en-GB"
    problems: list[str] = field(default_factory=list)
    looked_at: int = 0

    def __post_init__(self) -> None:
        self.seen = self._context(bypass_csp=False)
        self.probed = self._context(bypass_csp=True)
        self.page = self._listened(self.seen)
        self.probe = self._listened(self.probed)

    def close(self) -> None:
        """Forget who is signed in."""
        self.seen.close()
        self.probed.close()

    def use_cookies(self) -> None:
        """Let the page that axe looks at be signed in as the other one is."""
        self.probed.add_cookies(self.seen.cookies())  # type: ignore[arg-type]

    def look(self, url: str, *, schemes: tuple[str, ...] = SCHEMES) -> None:
        """Look at the page of an address, in each scheme and width. `page` shows it, or another, already."""
        self.probe.goto(url)
        self._judge(self.probe, url, schemes)

    def look_here(self, name: str, page: Page) -> None:
        """Look at what stands in a page of the context without the policy, such as an answer to a form."""
        self._judge(page, name, SCHEMES)

    def _judge(self, page: Page, name: str, schemes: tuple[str, ...]) -> None:
        page.evaluate(AXE.read_text("utf-8"))
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                self.problems += [f"{name} {scheme} {width}: {each}" for each in page.evaluate(RUN_AXE, list(TAGS))]
                wide = page.evaluate(TOO_WIDE) if width == WIDTHS[-1] else ""
                self.problems += [f"{name} {scheme} {width}: {wide}"] if wide else []
        self.looked_at += 1

    def _context(self, *, bypass_csp: bool) -> BrowserContext:
        return self.browser.new_context(locale=self.locale, timezone_id="Europe/Berlin", bypass_csp=bypass_csp)

    def _listened(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: script error: {error}"))
        page.on("requestfailed", self._note_failed)
        page.on("request", self._note_host)
        page.on("response", self._note_answer)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        refused_page = "Failed to load resource" in message.text and "/static/" not in address
        if message.type in ("error", "warning") and not refused_page:
            self.problems.append(f"{address}: the console says: {message.text}")

    def _note_failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # left for the next page while it was loading
            self.problems.append(f"{request.url}: failed: {request.failure}")

    def _note_answer(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.problems.append(f"{response.url}: status {response.status}")

    def _note_host(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != LOOPBACK:
            self.problems.append(f"{request.url}: comes from elsewhere")


class Chromium:
    """One headless Chromium for several contexts: `with Chromium() as browser`."""

    def __enter__(self) -> Browser:
        need(CHROMIUM, "chromium")
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        return self._browser

    def __exit__(self, *_error: object) -> None:
        self._browser.close()
        self._playwright.stop()
