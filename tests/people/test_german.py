"""The sign-in page, the list of people and what is kept on statements, in German."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts import service as adjusting
from app.accounts.rules import SOURCE_WORDS, Limit
from app.db import reading, writing
from app.ledger import accounts, statement
from app.ledger.models import Entry
from app.ledger.rules import SOURCES
from app.money import MICRO
from app.people.sync_models import DirectorySync
from app.people.sync_words import SKIPPED, groups_in_words, message_in_words
from app.settings import settings_of_app
from directory.refusals import WRONG
from directory.throttle import FREE_FAILURES
from language import _, speaking
from tests.web.browsing import Browser, signed_in, words_of


def german(browser: Browser) -> Browser:
    """The browser after somebody chose German."""
    browser.get("/language?value=de")
    return browser


def test_the_sign_in_page_and_its_refusals(print_app: Flask) -> None:
    browser = german(Browser(print_app))
    page = browser.get("/sign-in").text
    assert '<html lang="de"' in page
    assert "Bei Ihrem Konto „Print“ anmelden" in words_of(page)
    assert all(word in words_of(page) for word in ("Benutzername", "Passwort", "Die Feststelltaste ist an."))
    refused = browser.sign_in("alice", "wrong")
    with speaking("de"):
        wrong = _(WRONG)
    assert wrong != WRONG
    assert wrong in words_of(refused.text)
    for _try in range(FREE_FAILURES + 1):
        refused = browser.sign_in("alice", "wrong")
    assert refused.status_code == 429
    wait_s = int(refused.headers["Retry-After"])
    assert wait_s > 0
    assert f"Warten Sie etwa {-(-wait_s // 60)} Minuten und" in words_of(refused.text)


def test_the_list_of_people_and_its_search(print_app: Flask, known: Callable[..., dict[str, int]]) -> None:
    browser = german(signed_in(print_app, "admin"))
    with print_app.app_context():
        known()
    everybody = browser.text("/admin/people")
    assert "4 Personen haben hier ein Konto." in everybody
    assert "Alice Andersson alice Leer Students 0,00 $" in everybody.replace("\N{NO-BREAK SPACE}", " ")
    assert "1 Person passt zu „ali“." in browser.text("/admin/people?q=ali")
    nobody = browser.get("/admin/people?q=nobody&status=gone").text
    assert "Niemand passt" in nobody
    # What the script fills anew while somebody types is there, and the form goes without it.
    assert all(
        part in nobody for part in ('data-live="matching found"', 'id="matching"', 'id="found"', 'action="/admin/')
    )


def test_what_is_kept_is_in_the_language_of_the_instance(
    print_app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    config = print_app.extensions["twinpurse.settings"].config
    print_app.extensions["twinpurse.settings"].config = config.model_copy(update={"language": "de"})
    with print_app.app_context():
        account_id, unit = accounts.get_account(reading(), user_id=known()["alice"]).id, settings_of_app().unit
        for _again in range(2):  # the same form twice is once, whoever reads English or German
            writing(
                lambda session: adjusting.set_limit(
                    session,
                    account_id=account_id,
                    limit=Limit("overdraft", 2 * MICRO),
                    by="Ada Min (admin)",
                    form_id="the-same-form-id",
                    unit=unit,
                    now=clock.now(),
                )
            )
        [entry_id] = reading().scalars(select(Entry.id).where(Entry.account_id == account_id))
        line = statement.line(reading(), account_id=account_id, entry_id=entry_id)
    assert line is not None
    told = (line.title.replace("\N{NO-BREAK SPACE}", " "), line.detail)
    assert told == ("Grenze: überziehbar bis −2,00 $", "von Ada Min (admin)")


def test_every_source_of_entries_has_a_word() -> None:
    assert set(SOURCE_WORDS) == set(SOURCES)


def test_reports_of_the_sync_are_kept_as_codes_and_told_in_every_language() -> None:
    told = DirectorySync(message=f"{SKIPPED}1200")
    assert message_in_words(told).startswith("1,200 entries have no single identifier")
    with speaking("de"):
        assert message_in_words(told).startswith("1.200 Einträge haben keine eindeutige Kennung")
        assert message_in_words(DirectorySync(message="It lost its worker")) == "Sein Arbeitsprozess ist ausgefallen."
        assert message_in_words(DirectorySync(message="no server answers")) == "No server answers."
        assert groups_in_words("role admin; Staff") == "Rolle Administration; Staff"
    assert groups_in_words("role admin; Staff") == "role admin; Staff"
