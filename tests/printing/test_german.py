"""Printing in German: what a print server is told, pages, prices and limits in words, and what the edge says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from app.money import MICRO, Unit
from app.printing import limits, price_words, prices, told
from app.printing.documents import Document, Run
from app.printing.prices import Adjustment, Line, PriceList, Terms
from app.printing.scope import Scope
from language import speaking
from tests.api.conftest import PRINT, Instance, job
from tests.web.browsing import signed_in

ROOT = Path(__file__).resolve().parents[2]
TOO_SHORT = "Nicht gedruckt: Der Preis für 100 Seiten ist 5,00 $, übrig sind noch 1,00 $. Es wurde nichts abgebucht."
UNIT, NO_BREAK = Unit(), "\N{NO-BREAK SPACE}"


def test_a_german_instance_refuses_in_german_and_pages_follow_the_visitor(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]
) -> None:
    app = make_instance(language="de")
    with app.app_context():
        shop = Instance(app, known())
    shop.credit("alice", MICRO)
    assert shop.ok("POST", PRINT, job(pages=100))["reason"].replace(NO_BREAK, " ") == TOO_SHORT
    uncounted = job(job_uuid="urn:uuid:2", title="Brief.pdf", pages=None, doubt="the PDF is encrypted")
    assert "gezählt werden (das PDF ist verschlüsselt)" in shop.ok("POST", PRINT, uncounted)["reason"]
    alice = signed_in(app, "alice")
    listed = alice.text("/print-jobs")
    assert "Was Sie zum Drucken gesendet haben" in listed
    assert TOO_SHORT in listed
    assert "Wartet: Seiten nicht gezählt" in listed
    lines = signed_in(app, "admin").get("/admin/print-jobs.csv").text.splitlines()
    assert lines[0].endswith(
        "gesendet;Person;Benutzername;gesendet als;Server;Drucker;Nummer;Titel;Zustand;warum;"
        "Seiten gezählt;Seiten gedruckt;farbige Seiten;Kopien;beidseitig;Papier;Kosten;zurückgegeben;geschätzt;Auftrag"
    )
    assert ";0,00;0,00;nein;1" in lines[-1]
    alice.send("/print-jobs/waiting", "/print-jobs/waiting", one="cancel-2")
    assert "Sie haben ihn abgebrochen. Es wurde nichts abgebucht." in alice.text("/print-jobs/2")
    alice.client.set_cookie("language", "en")
    assert "You cancelled it. Nothing was charged." in alice.text("/print-jobs/2")
    assert TOO_SHORT in alice.text("/print-jobs/1")  # what was told is not told anew


def test_prices_and_limits_in_german_words() -> None:
    lines = (Line(250_000, colour=True), Line(50_000, "a4", False, True), Line(40_000))
    terms = Terms(PriceList(lines, base=100_000), Adjustment("Kollegium", 50))
    document = Document((Run(9, False, "a4"), Run(3, True, "a4")), duplex=True)
    sheets = PriceList(lines, per="sheet")
    with speaking("de"):
        assert price_words.in_words(prices.quote(terms, document, 13), UNIT).replace(NO_BREAK, " ") == (
            "9 graue A4-Seiten beidseitig zu 0,05 $; 3 farbige A4-Seiten beidseitig zu 0,25 $; "
            "1 weitere farbige A4-Seite beidseitig zu 0,25 $; Grundpreis 0,10 $; Kollegium −50 %"
        )
        assert price_words.list_in_words(sheets, UNIT).replace(NO_BREAK, " ") == (
            "Graues A4-Blatt beidseitig: 0,05 $; farbiges Blatt: 0,25 $; jedes Blatt: 0,04 $"
        )
        limit = limits.Limit("pages", 1_500, "except", ("Staff", "Gäste"), Scope(group="Keller"))
        assert limits.in_words(limit, UNIT) == (
            "Alle außer Staff und Gäste: höchstens 1.500 Seiten je Auftrag, gilt für Drucker der Gruppe Keller"
        )


def test_whatever_print_servers_say_is_known_in_german() -> None:
    sources = [path.read_text("utf-8") for path in (*(ROOT / "counting").glob("*.py"), ROOT / "edge" / "cups_count.py")]
    said = {text for source in sources for text in re.findall(r'(?:CannotCount|Count)Error\("([^"]+)"\)', source)}
    said |= {text for source in sources for text in re.findall(r'^[A-Z_]+ = "((?:the|there) [^"]+)"', source, re.M)}
    assert len(said) > 20
    with speaking("de"):
        assert [text for text in said if told.in_words(text) == text] == []
        assert (
            told.in_words("the printer gave the job up (aborted)") == "der Drucker hat den Auftrag aufgegeben (aborted)"
        )
        assert told.in_words("100 % new") == "100 % new"
