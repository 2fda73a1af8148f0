"""The page with every purse: what it says when all is well, and when an instance is down, slow, broken or lying."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from directory.memory import MemoryDirectory
from portal import calls
from portal.factory import create_app
from tests.portal.conftest import Clock, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub

LATE, LONG = ("slow", "silent", "drip", "drip headers"), pytest.mark.long  # each waits for the whole of our time
MOODS = (
    "slow",
    "error",
    "html",
    "json-as-html",
    "bad json",
    "huge",
    "redirect",
    "drip",
    "drip headers",
    "gzip",
    "not http",
    "silent",
)


def test_both_cards_say_what_their_instances_say(mara: FlaskClient) -> None:
    page = mara.get("/")
    text = text_of(page)
    assert "Your two purses" in text
    assert "Hello Mara. It is " in text
    for said in ("$3.40", "Enough for about 68 pages", "Monday 07:00, +$2.00", "Weekly print money", "about 2 weeks"):
        assert said in text
    for said in ("$0.85", "Low", "Enough for about 85 MB", "1 December 00:05, +$10.00", "about 2 days", "as of "):
        assert said in text
    assert "Print money pays only for printing. Internet money pays only for the Internet." in text
    html = page.get_data(as_text=True)
    assert 'href="/go/print"' in html
    assert 'href="/go/net"' in html
    assert html.count('class="trend"') == 2
    assert 'http-equiv="refresh"' not in html
    assert "Try now" not in html


@pytest.mark.parametrize("mood", [pytest.param(mood, marks=LONG if mood in LATE else ()) for mood in MOODS])
def test_a_bad_instance_harms_only_its_own_card(
    mara: FlaskClient, net_stub: InstanceStub, clock: Clock, mood: str
) -> None:
    mara.get("/")
    clock.forward(minutes=20)
    net_stub.mood = mood
    began = time.monotonic()
    page = mara.get("/")
    assert time.monotonic() - began < 2.5
    text, html = text_of(page), page.get_data(as_text=True)
    assert page.status_code == 200
    assert "$3.40" in text
    assert "$0.85" in text
    assert "This was your balance 20 minutes ago. It may have changed." in text
    assert "$0.00" not in text
    assert "$99" not in text
    slow = mood in ("slow", "drip", "drip headers", "silent")
    assert ("server does not answer" in text) == slow
    assert ("server gave no answer that this page can use" in text) == (not slow)
    assert re.search(r'http-equiv="refresh" content="30\b', html)
    assert '<a class="btn quiet" href="/?retry=now">' in html
    assert 'href="/go/net"' not in html


def test_an_instance_that_is_down_does_not_hold_the_page(
    mara: FlaskClient, net_stub: InstanceStub, clock: Clock
) -> None:
    mara.get("/")
    net_stub.__exit__()
    clock.forward(hours=26)
    sign_in(mara)
    began = time.monotonic()
    text = text_of(mara.get("/"))
    assert time.monotonic() - began < 2.4
    assert "about 26 hours ago" in text
    assert "The Internet server does not answer." in text


def test_a_balance_that_was_never_known_is_called_not_known(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.mood = "error"
    text = text_of(mara.get("/"))
    assert "Not known" in text
    assert "Your balance appears here as soon as the Internet server has answered once." in text
    assert "$0" not in text
    assert "Internet money pays" not in text


def test_all_instances_down_is_still_a_page(
    mara: FlaskClient, print_stub: InstanceStub, net_stub: InstanceStub
) -> None:
    print_stub.mood = net_stub.mood = "slow"
    began = time.monotonic()
    page = mara.get("/")
    assert time.monotonic() - began < 2.5
    assert page.status_code == 200
    assert text_of(page).count("Not known") == 2


def test_an_instance_that_was_late_does_not_hold_up_the_next_pages(
    mara: FlaskClient, net_stub: InstanceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    mara.get("/")
    net_stub.mood = "slow"
    mara.get("/")
    asked = len(net_stub.seen)
    net_stub.mood = "good"
    began = time.monotonic()
    text = text_of(mara.get("/"))
    assert time.monotonic() - began < 1.5
    assert len(net_stub.seen) == asked
    assert "The Internet server does not answer." in text
    assert "$0.85" in text, "the last known balance"
    assert "does not answer" not in text_of(mara.get("/?retry=now")), "who asks to try now is not put off"
    assert "does not answer" not in text_of(mara.get("/")), "an answer ends the pause"
    assert len(net_stub.seen) == asked + 2
    net_stub.mood = "slow"
    monkeypatch.setattr(calls, "SKIPPED_S", 0.0)
    mara.get("/")
    net_stub.mood = "good"
    assert "does not answer" not in text_of(mara.get("/")), "the pause has an end"


def test_an_instance_that_refuses_at_once_is_asked_each_time(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.__exit__()
    assert "The Internet server does not answer." in text_of(mara.get("/"))
    with InstanceStub("net", port=net_stub.port):
        assert "does not answer" not in text_of(mara.get("/"))


def test_the_page_can_be_told_to_stop_trying(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.mood = "error"
    page = mara.get("/?retry=off")
    assert "does not try again by itself" in text_of(page)
    assert 'http-equiv="refresh"' not in page.get_data(as_text=True)
    assert "retry.js" not in page.get_data(as_text=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"balance_micro": "3400000"},
        {"balance_micro": 0.5},
        {"balance_micro": 2**70},
        {"state": "fine"},
        {"as_of": "yesterday"},
        {"instance": "print"},
        {"trend": [{"on": "2026-11-19", "balance_micro": 0}] * 500},
        {"means": "x" * 1000},
    ],
)
def test_an_answer_that_is_not_as_agreed_is_not_shown(
    mara: FlaskClient, net_stub: InstanceStub, changes: dict[str, object]
) -> None:
    net_stub.changes = changes
    assert "server gave no answer that this page can use" in text_of(mara.get("/"))


def test_a_field_of_a_newer_instance_is_no_fault(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.changes = {"colour_of_the_year": "teal"}
    assert "$0.85" in text_of(mara.get("/"))


def test_words_of_an_instance_stay_words(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.changes = {"means": "<script>alert(1)</script>", "state_text": "<b>x"}
    html = mara.get("/").get_data(as_text=True)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_person_without_a_purse_is_told_so(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.mood = "unknown person"
    page = mara.get("/")
    assert "You have no purse here." in text_of(page)
    assert "Try now" not in text_of(page)
    assert 'http-equiv="refresh"' not in page.get_data(as_text=True)


EMPTY = {
    "balance_micro": -20_000,
    "balance_text": "−$0.02",
    "amount_figure": "−0.02",
    "available_micro": -20_000,
    "state": "empty",
    "state_text": "Empty",
    "means": "",
    "lasts_text": "",
    "next_credit": None,
}


def test_an_empty_purse_says_what_surely_still_works(
    mara: FlaskClient, net_stub: InstanceStub, print_stub: InstanceStub
) -> None:
    net_stub.changes = EMPTY
    text = text_of(mara.get("/"))
    assert "This purse is empty." in text
    assert "−$0.02" in text
    assert "None is planned" in text
    assert "Printing still works: Print is a purse of its own." in text
    print_stub.mood = "error"
    assert "still works" not in text_of(mara.get("/"))
    print_stub.mood, print_stub.changes = "good", {"state": "empty", "state_text": "Empty"}
    assert "still works" not in text_of(mara.get("/"))


def test_counting_only_is_not_called_empty_and_refused(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.changes = EMPTY | {"mode": "monitor"}
    text = text_of(mara.get("/"))
    assert "Nothing is refused at present" in text
    assert "This purse is empty" not in text


def test_money_on_hold_is_shown(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.changes = {"available_micro": 800_000, "held_text": "$0.05"}
    text = text_of(mara.get("/"))
    assert "Held now" in text
    assert "$0.05" in text


def test_a_unit_that_is_no_currency_stands_behind_its_figure(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.changes = {"balance_text": "850 MB", "amount_symbol": "MB", "amount_figure": "850"}
    assert re.search(r'data-micro="850000">850<span class="amount-unit">&nbsp;MB', mara.get("/").get_data(as_text=True))


def test_last_known_values_are_each_persons_own(app: Flask, mara: FlaskClient, net_stub: InstanceStub) -> None:
    mara.get("/")
    net_stub.mood = "error"
    ben = app.test_client()
    sign_in(ben, "ben", "demo-ben")
    text = text_of(ben.get("/"))
    assert "Hello Ben." in text
    assert "$0.85" not in text


@pytest.fixture
def third_stub() -> Iterator[InstanceStub]:
    """A third instance."""
    with InstanceStub("library") as stub:
        yield stub


def test_any_number_of_instances(
    tmp_path: Path,
    directory: MemoryDirectory,
    print_stub: InstanceStub,
    net_stub: InstanceStub,
    third_stub: InstanceStub,
) -> None:
    for stubs, heading in (([print_stub], "Your purse"), ([print_stub, net_stub, third_stub], "Your three purses")):
        client = create_app(write_folder(tmp_path / heading, stubs), directory=directory).test_client()
        sign_in(client)
        page = client.get("/")
        assert heading in text_of(page)
        assert page.get_data(as_text=True).count('class="card purse"') == len(stubs)
