"""An instance whose language is German: its pages, and what machines cause there, whatever they ask for themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock, health_pages
from app.db import reading, writing
from app.internet import setup_texts
from app.internet.rate_changes import Rates
from app.internet.rate_rules import Hours
from app.internet.rules import size_in_words
from app.ledger import tasks
from app.ledger.differences import Difference, to_json
from app.ledger.models import Account, Entry, Note, Verification
from app.money import MICRO
from directory.memory import MemoryDirectory
from language import speaking
from tests.api.conftest import INTERNET, Instance
from tests.internet.conftest import Save
from tests.internet.test_setup import SITE
from tests.web.browsing import Browser, words_of

GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-DE,de;q=0.9,en;q=0.5"}
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def school(make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]) -> Instance:
    """A German instance; alice has 1.00."""
    app = make_instance(charges=("internet",), language="de")
    with app.app_context():
        users = known()
    school = Instance(app, users)
    school.credit("alice", MICRO)
    return school


def german(school: Instance, name: str) -> Browser:
    """A browser that speaks German, in which somebody is signed in."""
    browser = Browser(school.app)
    browser.client.environ_base.update(GERMAN)
    assert browser.sign_in(name).status_code == 303
    return browser


def book(school: Instance, user: str, size: int) -> None:
    """Have a proxy report use, whose client claims to speak English."""
    item = {"user": user, "bytes": size, "at": clock.now().isoformat()}
    batch = {"source": "proxy1", "batch": 1, "position": {}, "items": [item]}
    assert school.ok("POST", f"{INTERNET}/usage", batch, headers=ENGLISH)["booked"] == 1


def test_own_use_and_its_prices(school: Instance, save: Save) -> None:
    with school.app.app_context():
        save(Rates(down=20_000, up=0, hours=(Hours("", "1234567", 0, 0, 50),)), clock.now() - timedelta(days=1))
    book(school, "alice", 12_340_000)
    words = german(school, "alice").text("/internet-use")
    assert "Ihre Internetnutzung" in words
    assert "12 MB 0,12 $" in words.replace("\N{NO-BREAK SPACE}", " ")
    assert "Alle Websites halber Preis 12" in words
    assert "Jeden Tag, den ganzen Tag: halber Preis" in words
    assert "Was über Sie aufbewahrt wird" in words
    page = german(school, "alice").text("/internet-use/calculator?down=500&day=tuesday&time=10:00&site=example.org")
    assert "500 MB empfangen am Dienstag um 10:00 von example.org kosten Sie: 5,00" in page
    with school.app.app_context():  # what the books keep
        mine = select(Note.title, Note.detail).join(Entry, Entry.note_id == Note.id).order_by(Entry.id.desc())
        title, detail = reading().execute(mine.limit(1)).one()
    assert (title, detail) == ("Internetnutzung", "12\N{NO-BREAK SPACE}MB, proxy1")


def test_rates_in_german_and_back_in_english(school: Instance, save: Save) -> None:
    with school.app.app_context():
        save(Rates(model="both", down=10_000, up=0, per_period=50_000, hours=(Hours("Nacht", "67", 1320, 360, 150),)))
    browser = german(school, "admin")
    words = browser.text("/admin/internet-rates/edit").replace("\N{NO-BREAK SPACE}", " ")
    for sentence in (
        "Jedes empfangene MB kostet 0,01 $, jedes gesendete ist kostenlos.",
        "Je 15 Minuten, in denen das Internet genutzt wird, kosten 0,05 $, wie wenig es auch war.",
        "Samstag und Sonntag, 22:00 bis 06:00 am nächsten Tag: 150 % des Preises („Nacht“).",
        "Beenden, was läuft: Downloads und Tunnel werden abgebrochen",
    ):
        assert sentence in words
    wrong = browser.send("/admin/site-lists/new", "/admin/site-lists/new", name="", percent="x", domains="no..site")
    assert "Zeile 1: „no..site“ ist kein Name einer Website." in words_of(wrong.text)
    free = browser.send(
        "/admin/site-lists/new", "/admin/site-lists/new", name="A", percent="kostenlos", domains="a.org"
    )
    assert free.status_code == 303
    table = browser.get("/admin/internet-use/internet-use.csv").text
    assert "Benutzername" in table.partition("\r\n")[0]
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    assert "Each MB received costs $0.01, each MB sent is free." in browser.text("/admin/internet-rates/edit")


def test_health_and_refusals_in_german(
    school: Instance, cast: MemoryDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with school.app.app_context():
        tasks.verify_books()
    browser = german(school, "admin")
    words = browser.text("/admin/health")
    assert "Verzeichnis Antwortet Antwort nach" in words  # from a thread, which begins in English
    assert "Warteschlange Antwortet In der Instanz; 0 Aufgaben warten." in words
    assert "Taktgeber Lief noch nie" in words
    assert "Zu tun:" in words
    found = Difference("balance of the account", school.users["alice"], None, MICRO, 3 * MICRO, micro=True)
    row = Verification(at=clock.now(), accounts=1, entries=1, difference_count=1, differences=to_json([found]))
    with school.app.app_context():
        writing(lambda session: session.add(row))
    monkeypatch.setattr(health_pages, "PATIENCE_S", 0.0)
    words = browser.text("/admin/health").replace("\N{NO-BREAK SPACE}", " ")
    assert "Guthaben des Kontos: erwartet 1,00 $, gefunden 3,00 $." in words
    with school.app.app_context():
        assert reading().scalar(select(Account.balance).where(Account.user_id == school.users["bob"])) == 0
    found = school.ok("GET", f"{INTERNET}/standing/bob", headers=ENGLISH)
    assert found["allowed"] is False
    assert found["message"] == found["messages"]["de"] != found["messages"]["en"]
    assert "0,00" in found["message"]
    assert found["messages"]["en"].startswith("Your Internet purse is empty: $0.00 left.")
    body = {"User-Name": {"type": "string", "value": ["bob"]}}
    token = school.tokens["radius"]
    refused = school.ok("POST", "/api/v1/radius/authorize", body, token=token, headers=ENGLISH)
    assert refused["reply:Reply-Message"]["value"] == [found["message"]]
    body = {"User-Name": {"type": "string", "value": ["nobody"]}}
    refused = school.ok("POST", "/api/v1/radius/authorize", body, token=token, headers=ENGLISH)
    assert refused["reply:Reply-Message"]["value"] == ["Diesen Namen hat hier niemand."]


def test_the_proxys_pages_of_a_german_instance() -> None:
    site = setup_texts.Site(SITE.public_url, SITE.portal_url, SITE.directory, SITE.server, language="de")
    first, other = setup_texts.refusal_pages(site)
    assert (first.name, other.name) == ("ERR_TWINPURSE_EMPTY", "ERR_TWINPURSE_EMPTY_EN")
    assert '<p class="why">%o</p>' in first.text
    assert "Die Seite wurde nicht geöffnet" in first.text
    assert '<p class="why">@Squid{%\'{text_en_}note}</p>' in other.text
    conf = setup_texts.squid_conf(site)
    assert "req_header Accept-Language -i ^en" in conf
    assert "deny_info 403:ERR_TWINPURSE_EMPTY_EN twinpurse_other_language" in conf


def test_sizes() -> None:
    with speaking("de"):
        assert size_in_words(1_234_500_000) == "1.234\N{NO-BREAK SPACE}MB"
        assert size_in_words(12_345_000_000) == "12,3\N{NO-BREAK SPACE}GB"
