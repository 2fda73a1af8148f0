"""The purse's pages, its file and its JSON in German: words, commas, days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Flask

from app.schedules.forms import ScheduleForm
from app.settings import settings_of_app
from language import speaking
from tests.purse.conftest import Life
from tests.web.browsing import signed_in, words_of


def test_balance_statement_and_file_are_german_and_the_books_the_same(
    print_app: Flask, life: Callable[[Flask], Life]
) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.schedule()
        here.post(5, ago=timedelta(days=20), source="allocation", title="Weekly money")
        here.print(32, ago=timedelta(days=2), title="Long essay.pdf")
    browser = signed_in(print_app, "alice")
    browser.get("/language?value=de")
    page = browser.get("/").text
    words = words_of(page)
    assert '<html lang="de"' in page
    assert 'data-micro="3400000"' in page
    assert "Reicht für etwa 68 Seiten" in words
    assert "3,40 $ von höchstens 10,00 $" in words
    assert "etwa 8 Wochen bei Ihren üblichen 0,40 $ in der Woche" in words
    assert "Jetzt vorgemerkt 0,00 $ kein Auftrag druckt" in words
    words = browser.text("/statement")
    assert "Guthaben jetzt 3,40 $" in words
    assert "−1,60 $" in words
    assert "Alle 2 Zeilen herunterladen (CSV)" in words
    lines = browser.get("/statement.csv").text.splitlines()
    assert lines[0].count(";") == lines[1].count(";") == 9
    assert ";-1,60;3,40;" in lines[1]
    browser.get("/language?value=en")
    assert "Enough for about 68 pages" in browser.text("/")


def test_an_amount_with_a_comma_is_read_where_german_is_spoken(print_app: Flask) -> None:
    for code, typed, amount in (("de", "3,40", 3_400_000), ("en", "3.40", 3_400_000), ("en", "3,40", None)):
        with print_app.test_request_context(method="POST", data={"amount": typed, "period": "daily"}), speaking(code):
            terms, problems = ScheduleForm(meta={"csrf": False}).read(settings_of_app().unit)
        assert problems.get("amount", "") == "" if amount else "amount" in problems, (code, typed)
        assert terms.amount == (amount or 0)
