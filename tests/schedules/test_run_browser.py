"""The life of a run in a real browser without scripts: preview, save, run now, watch, cancel, resume, done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.db import reading
from app.ledger.models import Account
from app.ledger.verify import verify
from app.money import MICRO
from app.schedules import runs, tasks
from app.schedules.models import Run
from tests.jobs.conftest import add_people
from tests.servers.browser import Browser
from tests.servers.web import WebServer

PEOPLE = 40
SOON_MS = 15_000


class SlowWorker:
    """Works on the newest run in a thread of the test, a chunk whenever it is let, so that a browser can watch."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self._app = app
        self._go = threading.Semaphore(0)
        credit_chunk = runs.credit_chunk

        def wait_and_credit(*arguments: object, **named: object) -> bool:
            assert self._go.acquire(timeout=60)
            return credit_chunk(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(runs, "CHUNK", 10)
        monkeypatch.setattr(runs, "credit_chunk", wait_and_credit)

    def start(self) -> None:
        """Begin to work."""
        threading.Thread(target=self._work, daemon=True).start()

    def let(self, chunks: int) -> None:
        """Let so many chunks happen."""
        self._go.release(chunks)

    def _work(self) -> None:
        with self._app.app_context():
            tasks.credit_run(max(reading().scalars(select(Run.id))))


@pytest.fixture
def page(print_app: Flask, known: Callable[..., dict[str, int]]) -> Iterator[Page]:
    """A browser without scripts, signed in as the administrator of an instance with some people."""
    with print_app.app_context():
        add_people(PEOPLE)
        known()
    with WebServer(print_app) as server, Browser(javascript=False) as browser:
        page = browser.page()
        page.goto(server.url + "/sign-in?next=/admin/schedules/new")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill("demo-admin")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        yield page


@pytest.mark.long
def test_a_run_is_previewed_made_watched_cancelled_resumed_and_done(
    print_app: Flask, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.get_by_label("Name", exact=True).fill("Start of term")
    page.get_by_label("Everyone").check()
    page.get_by_label("Credit each time").fill("2.00")
    page.get_by_label("Try it on one person").fill("alice")
    page.get_by_role("button", name="Refresh preview").click()
    card = page.get_by_role("region", name="In words")
    assert "Will credit 44 people, $88.00 in all" in card.inner_text()
    assert "Reached because everyone is." in card.inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Who gets what (CSV)").click()
    assert len(download.value.path().read_text("utf-8-sig").splitlines()) == 1 + 44
    page.get_by_role("button", name="Save schedule").click()
    page.get_by_role("link", name="Start of term").click()
    page.get_by_role("link", name="Run now…").click()
    assert "Will credit 44 people, $88.00 in all" in page.get_by_role("main").inner_text()
    page.get_by_role("button", name="Run it now").click()
    assert page.get_by_text("It waits to begin").is_visible()

    worker = SlowWorker(print_app, monkeypatch)
    worker.start()
    worker.let(2)
    expect(page.get_by_text("20 of 44 people", exact=True)).to_be_visible(timeout=SOON_MS)
    worker.let(1)
    expect(page.get_by_text("30 of 44 people", exact=True)).to_be_visible(timeout=SOON_MS)
    page.get_by_role("button", name="Cancel run").click()
    worker.let(1)
    assert page.get_by_text("Cancelled. Nobody further is credited; who was, keeps it.").is_visible()
    assert "after 30 people" in page.get_by_role("region", name="Terms and times").inner_text()
    assert page.get_by_role("table").get_by_role("row").count() == 1 + 30

    page.get_by_role("button", name="Resume run").click()
    worker.start()
    worker.let(3)
    expect(page.get_by_role("heading", name="What it did")).to_be_visible(timeout=SOON_MS)
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    assert page.get_by_text("Done", exact=True).is_visible()
    with print_app.app_context():
        assert set(reading().scalars(select(Account.balance))) == {2 * MICRO}
        assert verify(reading()).differences == []
