"""Goes through a site as somebody does who follows every link: each page once, of pages that are alike the first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urljoin, urlsplit

from playwright.sync_api import Page

LEFT_OUT = re.compile(
    r"\.(csv|json|zip|toml|whl|txt|conf|html)$|/static/|/go/|/enter|/download|/export"
    r"|/sign-out|/theme|/language$|/keys/choose|/stay"
)
"""Files, and addresses that change something or lead away."""

PAGES_MAX = 250
NUMBERS = re.compile(r"\d+|(?<=/unknown/)[0-9a-f]{20}")
DEEPER = ("open", "time", "before", "after")
"""Of what stands behind "?" in an address, these make another page; the rest are filters of the same."""


def sign_in(page: Page, address: str, username: str, password: str | None = None) -> None:
    """Fill in the form of a site, and come to its first page."""
    page.goto(f"{address}/sign-in")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password or f"demo-{username}")
    page.click("main button[type=submit]")
    page.wait_for_url(f"{address}/")


def walk(page: Page, address: str, *, broken: list[str] | None = None) -> Iterator[str]:
    """Yield path after path while `page` shows it; `page` may be used for anything between two steps.

    A link that leads to an error is noted in `broken`; without that list it raises AssertionError.
    """
    waiting, known = ["/"], {"/"}
    while waiting:
        path = waiting.pop(0)
        response = page.goto(address + path)
        assert response is not None, path
        if response.status >= 400:
            assert broken is not None, f"{address}{path}: status {response.status}"
            broken.append(f"{address}{path}: status {response.status}")
            continue
        for link in page.eval_on_selector_all("a[href]:not([download])", "all => all.map(a => a.getAttribute('href'))"):
            parts = urlsplit(urljoin(address + path, link))
            found = parts.path + (f"?{parts.query}" if parts.query else "")
            if f"{parts.scheme}://{parts.netloc}" != address or LEFT_OUT.search(parts.path) or _shape(found) in known:
                continue
            known.add(_shape(found))
            waiting.append(found)
        assert len(known) <= PAGES_MAX, "the walk does not end"
        yield path


def name_of(path: str) -> str:
    """Return a name for a page, as files may have it."""
    name = re.sub(r"[^a-z0-9]+", "-", _shape(path).lower()).strip("-")
    return name or "home"


def _shape(path: str) -> str:
    parts = urlsplit(path)
    keys = sorted({key for key, _ in parse_qsl(parts.query) if key in DEEPER})
    return NUMBERS.sub("n", parts.path) + ("?" + "&".join(keys) if keys else "")
