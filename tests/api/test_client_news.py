"""What desktop clients are told: messages once, tags that follow all that a card shows, no name believed unasked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app import clock
from app.client import news, versions
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.money import MICRO
from app.people.models import User
from app.printing.models import PrintJob
from app.printing.releases import Actor
from app.refunds import service as refunds
from app.schedules import service as schedules
from app.schedules.terms import Terms
from client.answers import read_card, read_messages
from tests.api.conftest import INTERNET, PRINT, Instance, batch, item, job

CLIENT = "/api/v1/client"
URL = "http://127.0.0.1:8001"


class Device:
    """One client that is signed in as alice."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        body = {"name": "desk", "username": "alice", "password": "demo-alice"}
        self.token = instance.call("POST", f"{CLIENT}/devices", body, token="").get_json()["token"]
        self.tag = ""
        self.place = self.messages()[1]

    def balance(self) -> dict[str, Any] | None:
        """The card, None for 304."""
        headers = {"If-None-Match": self.tag} if self.tag else {}
        answer = self.instance.call("GET", f"{CLIENT}/balance", token=self.token, headers=headers)
        assert answer.status_code in (200, 304)
        self.tag = answer.headers["ETag"]
        return None if answer.status_code == 304 else answer.get_json()

    def messages(self, after: str = "") -> tuple[list[dict[str, str]], str]:
        """The messages after a place, and the next place."""
        found = self.instance.ok("GET", f"{CLIENT}/messages?after={after}", token=self.token)
        read_messages(found)  # the client takes it
        return found["messages"], found["next"]

    def news(self) -> list[tuple[str, str]]:
        """Title and text of what is new since the last time."""
        found, self.place = self.messages(self.place)
        return [(message["title"], message["text"]) for message in found]


@pytest.fixture
def shop(printing: Instance) -> Device:
    return Device(printing)


def test_the_client_takes_what_a_real_instance_says(shop: Device) -> None:
    card = shop.balance()
    assert card is not None
    read = read_card(card, server_url=URL)
    assert (read.balance, read.username, read.poll_s, read.news) == ("$1.00", "alice", 60, shop.place)
    assert card["low_micro"] == MICRO


def test_nothing_is_told_of_before_and_everything_after_once(shop: Device) -> None:
    assert shop.messages()[0] == []
    shop.instance.credit("alice", 2 * MICRO)
    assert shop.balance()
    assert shop.news() == [("Credit arrived", "+$2.00 test. You have $3.00.")]
    assert shop.news() == []
    refused = shop.instance.ok("POST", PRINT, job(pages=100))
    assert refused["decision"] == "cancel"
    assert shop.balance() is not None  # the balance is the same, the news is not
    text = "Essay.pdf, printer Library 1. 100 pages cost $5.00, and $3.00 is left. Nothing was charged."
    assert shop.news() == [("Not printed", text)]
    waiting = shop.instance.ok("POST", PRINT, job(job_uuid="urn:uuid:2", title="", pages=None))
    assert waiting["decision"] == "hold"
    titles = [title for title, _ in shop.news()]
    assert "Not printed yet" in titles


def test_a_job_is_told_under_one_id_however_often_it_is_asked_for(shop: Device) -> None:
    before = shop.place
    for _twice in range(2):
        shop.instance.ok("POST", PRINT, job(pages=100))
    ids = [message["id"] for message in shop.messages(before)[0]]
    again = [message["id"] for message in shop.messages(shop.messages(before)[1])[0]]  # clocks may disagree a little
    assert ids == ["job:1:cancelled:1"]
    assert set(again) <= set(ids)


def test_charges_and_limits_are_no_news_and_a_purse_that_runs_empty_is(shop: Device) -> None:
    asked = shop.instance.ok("POST", PRINT, job())
    shop.instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3})
    assert shop.news() == []
    asked = shop.instance.ok("POST", PRINT, job(job_uuid="urn:uuid:2", pages=17))
    shop.instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 17})
    assert shop.news() == [("Nothing left", "Your print purse is empty: $0.00 left.")]


def test_the_internet_is_cut_and_said_so_only_while_it_is(internet: Instance) -> None:
    device = Device(internet)
    internet.ok("POST", f"{INTERNET}/usage", batch(1, item(size_bytes=150_000_000)))
    [(title, text)] = device.news()
    assert title == "Internet cut"
    assert text.startswith("Your Internet purse is empty: −$0.50 left.")
    assert "Printing is not affected" in text
    before = device.place
    internet.credit("alice", MICRO)
    internet.ok("POST", f"{INTERNET}/usage", batch(2, item(size_bytes=60_000_000)))
    internet.credit("alice", 5 * MICRO)
    assert {message["kind"] for message in device.messages(before)[0]} == {"credit"}


def test_what_is_given_back_is_called_so_and_what_is_old_is_not_told(shop: Device, monkeypatch: Any) -> None:
    instance, before = shop.instance, shop.place
    asked = instance.ok("POST", PRINT, job())
    instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3})
    [entry] = instance.entries("alice", "print")
    with instance.app.app_context():
        writing(
            lambda session: ledger.reverse(
                session, entry_id=entry.id, key="r:1", now=clock.now(), title="Refund of Essay"
            )
        )
    assert shop.news() == [("Given back", "+$0.15 Refund of Essay. You have $1.00.")]
    later = clock.now() + news.NEWS_FOR + timedelta(minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert shop.messages(before)[0] == []


def test_at_most_ten_messages_and_the_newest(shop: Device) -> None:
    for _ in range(15):
        shop.instance.credit("alice", MICRO)
    told = shop.news()
    assert (len(told), told[-1][1]) == (10, "+$1.00 test. You have $16.00.")


def test_places_that_were_never_given_out_are_refused_in_words(shop: Device) -> None:
    refused = ("x", "1", "-1-0", "1-2-3", "٣-0", "9" * 40 + "-0", "1-" + "9" * 40, "0-999999999999999999", "0-%00")
    for after in refused:
        answer = shop.instance.call("GET", f"{CLIENT}/messages?after={after}", token=shop.token)
        assert (answer.status_code, answer.get_json()["error"]) == (422, "invalid_input"), after
    assert shop.messages("999999-99999999999999999")[0] == []


def test_the_tag_changes_with_whatever_a_card_shows(shop: Device, monkeypatch: Any) -> None:
    instance = shop.instance
    assert shop.balance()
    assert shop.balance() is None

    def changed() -> bool:
        first, second = shop.balance(), shop.balance()
        return first is not None and second is None

    instance.credit("alice", 1)
    assert changed()
    asked = instance.ok("POST", PRINT, job())
    assert changed()
    instance.ok("POST", f"{PRINT}/{asked['job']}/release", {"run": 1, "reason": "x"})
    assert changed()
    instance.credit("bob", MICRO)
    assert instance.ok("POST", PRINT, job(user="bob", job_uuid="urn:uuid:bob", pages=1000))["decision"] == "cancel"
    assert shop.balance() is None
    with instance.app.app_context():
        account = accounts.get_account(reading(), user_id=instance.users["alice"])
        change = update(type(account)).where(type(account).id == account.id).values(floor=-MICRO, floor_is_own=True)
        writing(lambda session: session.execute(change))
        assert changed()
        rename = update(User).where(User.username == "alice").values(display_name="Alice Brown")
        writing(lambda session: session.execute(rename))
    card = shop.balance()
    assert card is not None
    assert card["user"]["display_name"] == "Alice Brown"
    start = clock.now()
    moved: datetime = start + timedelta(seconds=versions.TERMS_LAST_S + 1)
    with instance.app.app_context():
        writing(lambda session: schedules.create(session, terms=weekly(), now=start))
    monkeypatch.setattr(clock, "now", lambda: moved)
    card = shop.balance()
    assert card is not None
    assert card["next_credit"]["amount_text"] == "+$2.00"
    monkeypatch.setattr(clock, "now", lambda: moved + timedelta(seconds=versions.WORDS_LAST_S))
    assert shop.balance() is not None


def weekly() -> Terms:
    return Terms(
        name="Weekly",
        everyone=True,
        groups=(),
        amount=2 * MICRO,
        top_up="add",
        cap=None,
        period="weekly",
        weekdays=(0,),
        month_day=None,
        time_of_day="07:00",
        time_zone="Europe/Berlin",
    )


def test_a_refused_job_of_long_ago_is_no_place_of_now(shop: Device) -> None:
    shop.instance.ok("POST", PRINT, job(pages=100))
    for number in range(news.JOBS_LOOKED_AT):
        shop.instance.ok("POST", PRINT, job(job_uuid=f"urn:uuid:x{number}", pages=1, title="x"))
    place = news.Place.read(shop.messages()[1])
    assert place.jobs_until == news.EPOCH
    with shop.instance.app.app_context():
        assert reading().query(PrintJob).count() == news.JOBS_LOOKED_AT + 1


def test_a_login_name_is_believed_from_named_networks_only(printing: Instance) -> None:
    body = {"name": "desk", "username": "alice"}
    path = f"{CLIENT}/devices/by-login-name"
    refused = printing.call("POST", path, body, token="")
    assert (refused.status_code, "token" in refused.get_json()) == (403, False)
    settings = printing.app.extensions["twinpurse.settings"]
    believed = settings.config.client.model_copy(update={"login_names_from": ["127.0.0.0/8"]})
    settings.config = settings.config.model_copy(update={"client": believed})
    made = printing.call("POST", path, body, token="")
    assert made.status_code == 201
    assert printing.ok("GET", f"{CLIENT}/balance", token=made.get_json()["token"])["balance_text"] == "$1.00"
    elsewhere = printing.call("POST", path, body, token="", environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert elsewhere.status_code == 403
    forged = printing.call(
        "POST", path, body, token="", headers={"X-Forwarded-For": "127.0.0.1"}, environ_base={"REMOTE_ADDR": "10.0.0.9"}
    )
    assert forged.status_code == 403
    assert printing.call("POST", path, body | {"username": "nobody"}, token="").status_code == 404
    with printing.app.app_context():
        writing(lambda session: session.execute(update(User).where(User.username == "alice").values(status="disabled")))
    assert printing.call("POST", path, body, token="").status_code == 401


def test_the_api_sets_no_cookie_and_reads_none(shop: Device) -> None:
    answer = shop.instance.call("GET", f"{CLIENT}/balance", token=shop.token, headers={"Cookie": "print_session=x"})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)


def test_a_refund_that_was_refused_is_told(shop: Device) -> None:
    asked = shop.instance.ok("POST", PRINT, job())
    shop.instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3})
    assert shop.balance() is not None
    user_id, by = shop.instance.users["alice"], Actor(shop.instance.users["admin"], "admin", "Ada Min (admin)")

    def ask_and_refuse(session: Session) -> None:
        asked = refunds.ask(session, job_id=1, user_id=user_id, reason="Blank", now=clock.now())
        refunds.refuse(session, refund_id=asked.id, answer="It is not", by=by, now=clock.now())

    with shop.instance.app.app_context():
        writing(ask_and_refuse)
    assert shop.balance() is not None
    assert shop.news() == [("Refund refused", "Essay.pdf: It is not")]
