"""The portal in German: its own words, the cards' words, and what it does with words in the other language."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from directory.memory import MemoryDirectory
from portal.factory import create_app
from tests.portal.conftest import csrf_of, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub

GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}
DOLLARS = {"kind": "currency", "symbol": "$", "decimals": 2}
IN_GERMAN = {
    "language": "de",
    "unit": DOLLARS,
    "balance_text": "0,85\N{NO-BREAK SPACE}$",
    "amount_figure": "0,85",
    "state_text": "Niedrig",
    "means": "Genug für etwa 85 MB",
    "lasts_text": "etwa 2 Tage",
}
MORE = """language = "de"
[[link]]
title = "Rules"
title_de = "Regeln"
href = "https://intranet.example.org/rules"
note = "Read them"
[[notice]]
title = "Closed on Friday"
text = "The print room is closed."
text_de = "Der Druckraum ist zu."
"""


def test_who_reads_german_gets_it_from_the_portal_and_from_the_instances(
    mara: FlaskClient, net_stub: InstanceStub
) -> None:
    net_stub.changes = IN_GERMAN
    page = mara.get("/", headers=GERMAN)
    text = text_of(page)
    assert '<html lang="de"' in page.text
    assert "Ihre zwei Konten" in text
    assert "Hallo Mara. Heute ist " in text
    assert 'data-micro="850000">0,85<span class="amount-unit">&nbsp;$' in page.text
    assert "Niedrig" in text
    assert net_stub.seen[-1].headers["accept-language"] == "de"
    mara.get("/language?value=en")
    assert "Your two purses" in text_of(mara.get("/", headers=GERMAN)), "what was chosen counts more"
    assert net_stub.seen[-1].headers["accept-language"] == "en"


def test_a_remembered_card_is_written_anew_and_its_foreign_words_are_left_out(
    mara: FlaskClient, net_stub: InstanceStub
) -> None:
    net_stub.changes = IN_GERMAN
    mara.get("/", headers=GERMAN)
    net_stub.mood = "error"
    assert "0,85" in text_of(mara.get("/", headers=GERMAN))
    assert "Das war Ihr Guthaben vor weniger als einer Minute." in text_of(mara.get("/", headers=GERMAN))
    text = text_of(mara.get("/"))
    assert "$0.85" in text
    assert "0,85" not in text
    (purse,) = [each for each in mara.get("/embed.json").get_json()["purses"] if each["instance"] == "net"]
    assert (purse["balance_text"], purse["state"], purse["is_fresh"]) == ("$0.85", "low", False)
    assert [purse[key] for key in ("state_text", "means", "lasts_text", "next_credit_text")] == [None] * 4


def test_the_small_card_speaks_the_language_that_its_address_names(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.mood = "error"
    page = mara.get("/embed?lang=de")
    assert "nicht bekannt" in text_of(page)
    assert page.headers["Content-Language"] == "de"
    assert "not known" in text_of(mara.get("/embed?lang=tlh"))
    assert "nicht bekannt" in text_of(mara.get("/embed.html", headers=GERMAN))
    assert "not known" in text_of(mara.get("/embed.html?lang=en", headers=GERMAN))
    mara.get("/embed.json?lang=de")
    assert net_stub.seen[-1].headers["accept-language"] == "de"


@pytest.fixture
def german(tmp_path: Path, directory: MemoryDirectory, print_stub: InstanceStub, net_stub: InstanceStub) -> FlaskClient:
    """A portal that speaks German to whoever says nothing."""
    folder = write_folder(tmp_path / "german", [print_stub, net_stub])
    path = folder / "portal.toml"
    head, table, tables = path.read_text().partition("[directory]")
    language, _line, sections = MORE.partition("\n")
    path.write_text(f"{head}{language}\n{table}{tables}{sections}")
    return create_app(folder, directory=directory).test_client()


def test_the_administrators_words_may_be_there_in_german_too(german: FlaskClient) -> None:
    sign_in(german)
    text = text_of(german.get("/"))
    for said in ("Regeln", "Read them", "Closed on Friday", "Der Druckraum ist zu."):
        assert said in text
    assert "Rules" in text_of(german.get("/", headers={"Accept-Language": "en"}))


def test_a_wrong_password_is_refused_in_german(german: FlaskClient) -> None:
    page = german.get("/sign-in")
    form = {"csrf_token": csrf_of(page), "username": "mara", "password": "wrong"}
    assert "Dieser Name und dieses Passwort passen nicht zusammen." in text_of(german.post("/sign-in", data=form))
    assert "That name and password do not match." in text_of(
        german.post("/sign-in", data=form, headers={"Accept-Language": "en"})
    )
