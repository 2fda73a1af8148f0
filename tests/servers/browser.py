"""A real browser: Debian's Chromium, driven by Playwright, with an empty profile each time."""

from __future__ import annotations

import shutil
import tempfile
from types import TracebackType

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from tests.servers.process import need

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class Browser:
    """One headless Chromium. With `strict` the end of `with` fails on what the console called an error.

    Violations of the Content-Security-Policy, scripts that failed and files that were not found are such errors; a
    page that a test wants to be refused (status 4xx) is not.
    """

    def __init__(self, *, strict: bool = True, javascript: bool = True, time_zone: str = "Europe/Berlin") -> None:
        need(CHROMIUM, "chromium")
        self.strict = strict
        self.errors: list[str] = []
        self._javascript = javascript
        self._time_zone = time_zone
        self._playwright: Playwright | None = None
        self._context: BrowserContext | None = None
        self._profile = ""

    def start(self) -> Browser:
        """Start Chromium with an empty profile."""
        self._profile = tempfile.mkdtemp(prefix="twinpurse-chromium-", dir="/tmp")
        self._playwright = sync_playwright().start()
        self._context = self._playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path=CHROMIUM,
            headless=True,
            args=list(ARGUMENTS),
            timezone_id=self._time_zone,
            locale="en-GB",
            java_script_enabled=self._javascript,
        )
        return self

    def stop(self) -> None:
        """End Chromium and remove its profile."""
        if self._context is not None:
            self._context.close()
        if self._playwright is not None:
            self._playwright.stop()
        shutil.rmtree(self._profile, ignore_errors=True)

    def page(self, *, width: int = 1280, height: int = 900) -> Page:
        """Open a page of so many CSS pixels, whose console is listened to."""
        assert self._context is not None, "the browser was not started"
        page = self._context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(15_000)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.errors.append(f"script error: {error}"))
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        address = message.location.get("url", "")
        refused_page = "Failed to load resource" in message.text and "/static/" not in address
        if not refused_page:
            self.errors.append(f"{message.text} ({address})")

    def __enter__(self) -> Browser:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.strict and self.errors:
            raise AssertionError("the browser's console says:\n" + "\n".join(self.errors))
