"""The pages around notices: one's own amount counts wherever "low" is shown, and administrators see how e-mail does."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from app import clock
from app.db import reading, writing
from app.mail import outbox
from app.notices import choices
from app.people import devices
from app.people.models import User
from tests.notices.conftest import Purse
from tests.people.conftest import Hand
from tests.servers.mail import MailServer
from tests.web.browsing import signed_in

PAGE = "/me/notices"
HEALTH = "/admin/health/mail"


def test_ones_own_amount_counts_on_the_page_and_for_the_desktop(purse: Purse) -> None:
    app, browser = purse.app, signed_in(purse.app, "alice")

    def wrote(_session: object) -> str:
        return devices.make(_session, user_id=purse.user_id, name="desk", now=clock.now())[1]  # type: ignore[arg-type]

    with app.app_context():
        headers = {"Authorization": f"Bearer {writing(wrote)}"}
    before = browser.client.get("/api/v1/client/balance", headers=headers)
    assert (before.json["state"], before.json["low_micro"]) == ("ok", 1_000_000)
    assert "Low." not in browser.text("/")
    response = browser.send(PAGE, PAGE, low="own", amount="6", by_email="y", language="de")
    assert response.headers["Location"] == PAGE
    assert "Saved." in browser.text(PAGE)
    assert "Low." in browser.text("/")
    same = {**headers, "If-None-Match": before.headers["ETag"]}
    after = browser.client.get("/api/v1/client/balance", headers=same)
    assert after.status_code == 200
    assert (after.json["state"], after.json["low_micro"]) == ("low", 6_000_000)
    page = browser.get(PAGE).text
    assert re.search(r'<input[^>]* checked [^>]*value="own"', page)
    assert 'value="6.00"' in page
    assert re.search(r'<option selected value="de">', page)


@pytest.mark.long
def test_never_means_not_low_and_the_usual_amount_can_be_had_again(purse: Purse) -> None:
    browser = signed_in(purse.app, "alice")
    purse.move("-4.50")
    assert "Low." in browser.text("/")
    browser.send(PAGE, PAGE, low="never", language="en")
    assert "Low." not in browser.text("/")
    assert chosen(purse).by_email is False
    browser.send(PAGE, PAGE, low="usual", amount="nonsense", language="en")
    assert "Low." in browser.text("/")
    assert not chosen(purse).is_own


@pytest.mark.long
@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("", "Write the amount in figures, such as 2.00"),
        ("0", "The amount must be more than 0"),
        ("0.005", "Use at most 2 figures after the point"),
    ],
)
def test_an_amount_that_is_none_is_refused_with_its_reason(purse: Purse, amount: str, says: str) -> None:
    browser = signed_in(purse.app, "alice")
    response = browser.send(PAGE, PAGE, low="own", amount=amount, language="en")
    assert response.status_code == 422
    assert says in response.text
    assert not chosen(purse).is_own


@pytest.mark.long
def test_who_cannot_be_written_to_is_told_so_and_keeps_the_rest(purse: Purse) -> None:
    with purse.app.app_context():
        writing(lambda session: setattr(session.get_one(User, purse.user_id), "email", ""))
    # The header's look-up of a person brings the address back only when the directory is asked again.
    browser = signed_in(purse.app, "alice")
    with purse.app.app_context():
        writing(lambda session: setattr(session.get_one(User, purse.user_id), "email", ""))
    words = browser.text(PAGE)
    assert "No e-mail address of yours is known here" in words
    assert "Tell me by e-mail" not in words
    assert browser.send(PAGE, PAGE, low="own", amount="2").status_code == 303
    assert (chosen(purse).threshold, chosen(purse).by_email) == (2_000_000, True)


@pytest.mark.long
def test_without_a_mail_server_nothing_is_offered(print_app: Flask) -> None:
    browser = signed_in(print_app, "alice")
    assert "No e-mails are sent from here." in browser.text(PAGE)
    admin = signed_in(print_app, "admin")
    assert "No e-mail is sent." in admin.text(HEALTH)
    assert "E-mail" not in admin.text("/admin/health")


@pytest.mark.long
def test_a_test_e_mail_arrives_or_says_why_not(purse: Purse, post_office: MailServer) -> None:
    admin = signed_in(purse.app, "admin")
    assert "Send a test e-mail to admin@example.org" in admin.text(HEALTH)
    post_office.stop()
    assert admin.send(f"{HEALTH}/test", HEALTH).status_code == 303
    purse.round()
    words = admin.text(HEALTH)
    assert "The mail server takes nothing at present." in words
    assert "Connection refused" in words
    assert "Does not work" in admin.text("/admin/health")
    post_office.start()
    admin.send(f"{HEALTH}/test", HEALTH)  # asks the server at once, whatever pause it has
    purse.round(seconds=1)
    assert [str(message["Subject"]) for message in post_office.messages] == ["Test e-mail of Print"] * 2
    assert "List-Unsubscribe" not in post_office.messages[0]
    assert "The mail server took it." in admin.text(HEALTH)
    assert "Works The last e-mail was taken" in admin.text("/admin/health")


@pytest.mark.long
def test_what_was_given_up_is_named_with_its_reason(purse: Purse, post_office: MailServer) -> None:
    post_office.at_recipient = lambda address: "550 5.1.1 no mailbox <here>"
    purse.move("-4.50")
    purse.round()
    admin = signed_in(purse.app, "admin")
    assert "Alice Andersson alice@example.org Purse is low 550 5.1.1 no mailbox <here>" in admin.text(HEALTH)
    words = admin.text("/admin/health")
    assert "1 e-mail was given up in the last day; the last because: 550 5.1.1 no mailbox <here>." in words


@pytest.mark.long
def test_a_worker_that_does_not_come_shows_on_the_health_page(purse: Purse, hand: Hand) -> None:
    with purse.app.app_context():
        writing(
            lambda session: outbox.put(
                session,
                user_id=purse.user_id,
                kind="low",
                address="alice@example.org",
                name="",
                language="en",
                subject="x",
                text="x",
                now=clock.now(),
            )
        )
    hand.on(minutes=6)
    admin = signed_in(purse.app, "admin")
    assert "1 e-mail waits. The oldest came 6 minutes ago." in admin.text("/admin/health")


def chosen(purse: Purse) -> choices.Chosen:
    """What Alice has chosen."""
    with purse.app.app_context():
        return choices.of_person(reading(), user_id=purse.user_id, settings=purse.app.extensions["twinpurse.settings"])
