"""What is spoken when, and that the catalogue of every language is whole and goes with the texts of the tree."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest
from flask import Flask

from app import money
from app.money import Unit
from language import LANGUAGES, _, _n, current, dates, gather, numbers, speaking
from language.requests import COOKIE
from tests.language.untranslated import untranslated
from tests.web.browsing import Browser

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|<[^>]+>")
PAGES = sorted((ROOT / "app/web/templates").rglob("*.html")) + sorted((ROOT / "portal/templates").rglob("*.html"))


def test_english_is_spoken_until_somebody_chooses_and_only_where_they_did() -> None:
    seen = []
    with speaking("de"):
        thread = threading.Thread(target=lambda: seen.append(current().code))
        thread.start()
        thread.join()
        assert current().code == "de"
        with speaking("tlh"):
            assert current().code == "en"
        assert current().code == "de"
    assert (current().code, seen) == ("en", ["en"])


def test_figures_and_dates_follow_the_language() -> None:
    unit, pages, day = Unit("currency", "€", 2), Unit("other", "pages", 0), date(2026, 3, 2)

    def said() -> tuple[str, ...]:
        return (
            unit.text(-1_234_500_000),
            unit.change(75_000),
            pages.text(1_240_000_000),
            money.plain(3_400_000),
            numbers.percent(50),
            _n("%(num)s page", "%(num)s pages", 1240),
            dates.weekday_and_day(day, year=True),
            dates.short_weekday_and_day(day),
            dates.clock(datetime(2026, 3, 2, 7, 5)),  # noqa: DTZ001 - a time of day needs no zone
        )

    with speaking("de"):
        german = said()
    assert said() == (
        *("−€1,234.50", "+€0.075", "1,240\N{NO-BREAK SPACE}pages", "3.40", "50%", "1,240 pages"),
        *("Monday 2 March 2026", "Mon 2 Mar", "07:05"),
    )
    assert german == (
        *("−1.234,50\N{NO-BREAK SPACE}€", "+0,075\N{NO-BREAK SPACE}€", "1.240\N{NO-BREAK SPACE}pages", "3,40"),
        *("50\N{NO-BREAK SPACE}%", "1.240 Seiten", "Montag, 2. März 2026", "Mo., 2. März", "07:05"),
    )


@pytest.mark.parametrize(
    ("text", "micro"), [("3,40", 3_400_000), ("3.40", 3_400_000), ("3", 3_000_000), ("-0,05", -50_000), (",5", 500_000)]
)
def test_german_amounts_have_a_comma_or_a_point(text: str, micro: int) -> None:
    with speaking("de"):
        assert money.parse_amount(text) == micro


@pytest.mark.parametrize("text", ["1.000", "1.234,50", "1,2,3", "1.000.000", "2e3", "drei", ""])
def test_a_german_amount_that_may_mean_two_things_is_refused(text: str) -> None:
    with speaking("de"), pytest.raises(ValueError, match=r"[a-z]{3}"):
        money.parse_amount(text)


def test_a_request_chooses_by_cookie_then_browser_then_the_settings(make_instance: Callable[..., Flask]) -> None:
    def spoken(app: Flask, accept: str = "", cookie: str = "", path: str = "/sign-in") -> str:
        client = app.test_client()
        if cookie:
            client.set_cookie(COOKIE, cookie)
        return client.get(path, headers={"Accept-Language": accept} if accept else {}).headers["Content-Language"]

    english = make_instance()
    assert spoken(english) == "en"
    assert spoken(english, "de-AT,de;q=0.9,en;q=0.5") == "de"
    assert spoken(english, "fr,it;q=0.5") == "en"
    assert spoken(english, "de", cookie="en") == "en"
    assert spoken(english, "en", cookie="de") == "de"
    assert spoken(english, "de", cookie="<script>") == "de"
    assert spoken(english, cookie="de", path="/api/v1/nothing") == "en"
    german = make_instance(language="de")
    assert spoken(german) == "de"
    assert spoken(german, "en-GB") == "en"
    assert spoken(german, path="/api/v1/nothing") == "de"
    assert current().code == "en"  # nothing is left behind in this thread


def test_the_choice_is_kept_and_leads_back(make_instance: Callable[..., Flask]) -> None:
    browser = Browser(make_instance())
    response = browser.get("/language?value=de&next=/sign-in")
    assert response.status_code == 302
    assert response.headers["Location"] == "/sign-in"
    assert '<html lang="de"' in browser.get("/sign-in").text
    assert browser.get("/language?value=xx&next=https://elsewhere.example/").headers["Location"] == "/"
    assert '<html lang="de"' in browser.get("/sign-in").text


def test_every_text_of_the_tree_is_in_every_catalogue_and_translated() -> None:
    texts = gather.gathered()
    assert len(texts) > 100
    for code in (each.code for each in LANGUAGES.values() if each.has_catalog):
        path = gather.catalog_file(code)
        catalog = gather.translated(path)
        assert [each.id for each in gather.missing(catalog)] == []
        assert not [each.id for each in catalog if each.fuzzy and each.id]
        assert path.read_bytes() == gather.as_po(gather.filled(texts, code, [catalog])), "run `make translations`"
        assert path.with_suffix(".mo").read_bytes() == gather.as_mo(path.read_bytes()), "run `make translations`"


def test_every_translation_holds_what_its_text_holds() -> None:
    wrong = []
    for each in gather.translated(gather.catalog_file("de")):
        ids = each.id if isinstance(each.id, list | tuple) else [each.id]
        strings = each.string if isinstance(each.string, list | tuple) else [each.string]
        held = [sorted(PLACEHOLDER.findall(text)) for text in ids]
        for text in strings if each.id else []:
            if sorted(PLACEHOLDER.findall(text)) not in held:
                wrong.append((each.id, text))
    assert wrong == []


def test_no_template_says_anything_outside_of_a_translation() -> None:
    assert len(PAGES) > 100
    assert [(page.name, *found) for page in PAGES for found in untranslated(page.read_text("utf-8"))] == []


def test_what_stands_outside_is_found() -> None:
    page = '<p title="Some words">Hello</p>{{ "two words" }}{{ _("two words") }}{% trans %}Well{% endtrans %}<b>12</b>'
    assert [text for _line, text in untranslated(page)] == ["Some words", "Hello", '"two words"']


def test_a_percent_sign_is_written_twice_and_shown_once() -> None:
    assert _("50%% of it") == "50% of it"
