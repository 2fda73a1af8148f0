"""Who is told by e-mail when: once a crossing, again after there was enough; at their own amount, in their language."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from app.db import reading, writing
from app.mail.models import Mail
from app.notices import rules
from app.notices.models import NoticeTold
from app.people.models import User
from tests.notices.conftest import Purse, with_mail
from tests.servers.mail import MailServer

M = 1_000_000


def text_of(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


def subjects(server: MailServer) -> list[str]:
    return [str(message["Subject"]) for message in server.messages]


def test_what_somebody_has_been_told_follows_from_what_is_left() -> None:
    def after(told: str, left: int, threshold: int = M) -> str:
        return rules.told_after(told, left=left, threshold=threshold)

    assert [after("", left) for left in (M + 1, M, 1, 0, -5)] == ["", "low", "low", "empty", "empty"]
    assert [after("low", left) for left in (M + M // 10 + 1, M + M // 10, 5, 0)] == ["", "low", "low", "empty"]
    assert [after("empty", left) for left in (2 * M, M, M // 10 + 1, M // 10, 0)] == [
        *("", "low", "low", "empty", "empty")
    ]
    assert [after("", left, 0) for left in (1, 0)] == ["", "empty"]
    assert after("empty", 1, 0) == after("low", 1, 0) == ""


def test_once_when_it_becomes_low_and_again_after_there_was_enough(purse: Purse, post_office: MailServer) -> None:
    purse.move("-4.10")
    purse.tick_and_work()
    assert subjects(post_office) == ["Your print purse is low: $0.90 left"]
    purse.move("-0.10")
    purse.round()
    purse.move("0.25")  # $1.05: beside the threshold, not yet enough to be told again
    purse.round()
    purse.move("-0.20")
    purse.round()
    assert len(post_office.messages) == 1
    purse.move("2.00")
    purse.round()
    purse.move("-2.00")
    purse.round()
    assert subjects(post_office)[1:] == ["Your print purse is low: $0.85 left"]
    message = post_office.messages[0]
    assert message["To"] == "Alice Andersson <alice@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == "<http://127.0.0.1:8001/me/notices>"
    assert str(message["Message-ID"]).endswith("@example.org>")
    text = text_of(message)
    assert text.startswith("Hello Alice Andersson,\n\nyour print purse holds $0.90 (")
    assert "Enough for about 18 pages." in text
    assert "No credit is planned." in text
    assert "http://127.0.0.1:8001/me/notices" in text


@pytest.mark.long
def test_an_empty_purse_is_told_once_more_and_by_one_mail_where_it_falls_at_once(
    purse: Purse, post_office: MailServer
) -> None:
    purse.move("-4.50")
    purse.round()
    purse.move("-0.50")
    purse.round()
    assert subjects(post_office) == ["Your print purse is low: $0.50 left", "Your print purse is empty"]
    assert "print jobs are refused" in text_of(post_office.messages[1])
    purse.move("5.00")
    purse.round()
    purse.move("-6.00")
    purse.round()
    assert subjects(post_office)[2:] == ["Your print purse is empty"]
    purse.move("1.05")  # $0.05: so little that falling again is no news
    purse.round()
    purse.move("-0.05")
    purse.round()
    assert len(post_office.messages) == 3


def test_ones_own_amount_and_ones_own_language_count(purse: Purse, post_office: MailServer) -> None:
    purse.choose("3.00", language="de")
    purse.move("-2.50")
    purse.round()
    assert len(post_office.messages) == 1
    message = post_office.messages[0]
    assert message["Content-Language"] == "de"
    assert message["Subject"] == "Ihr Druckkonto ist fast leer: noch 2,50 $"
    assert text_of(message).startswith("Guten Tag Alice Andersson,\n\nIhr Druckkonto enthält noch 2,50")
    purse.choose("0", language="de")
    purse.move("-2.00")
    purse.round()
    assert len(post_office.messages) == 1  # never low; but empty is empty
    purse.move("-0.50")
    purse.round()
    assert subjects(post_office)[1:] == ["Ihr Druckkonto ist leer"]


@pytest.mark.long
def test_who_does_not_want_it_has_no_address_or_has_left_is_not_told(purse: Purse, post_office: MailServer) -> None:
    for unwanted in ("choice", "address", "left"):
        with purse.app.app_context():

            def change(session: object, what: str = unwanted) -> None:
                user = session.get_one(User, purse.user_id)  # type: ignore[attr-defined]
                user.email = "" if what == "address" else "alice@example.org"
                user.status = "disabled" if what == "left" else "active"

            writing(change)
        purse.choose(by_email=unwanted != "choice")
        purse.move("-4.50")
        purse.round()
        purse.move("4.50")
        purse.round()
    assert post_office.messages == []
    assert told(purse) == {}


@pytest.mark.long
def test_those_who_chose_nothing_are_told_only_where_everybody_is(purse: Purse, post_office: MailServer) -> None:
    purse.choose(by_email=None)
    purse.move("-4.50")
    purse.round()
    assert post_office.messages == []
    purse.move("4.50")
    purse.round()
    with_mail(purse.app, post_office, everybody=True)
    purse.move("-4.60")
    purse.round()
    assert subjects(post_office) == ["Your print purse is low: $0.40 left"]


@pytest.mark.long
def test_who_is_low_already_when_asking_for_e_mails_is_not_told_of_it(purse: Purse, post_office: MailServer) -> None:
    purse.choose(by_email=False)
    purse.move("-4.50")
    purse.round()
    purse.choose(by_email=True)
    purse.move("-0.10")
    purse.round()
    assert post_office.messages == []
    purse.choose("0.20")
    purse.move("-0.30")
    purse.round()
    assert subjects(post_office) == ["Your print purse is low: $0.10 left"]
    purse.choose("0.05")  # it would not have been told with this one: so it is armed again
    purse.move("-0.06")
    purse.round()
    assert subjects(post_office)[1:] == ["Your print purse is low: $0.04 left"]


@pytest.mark.long
def test_a_name_with_line_breaks_makes_no_header(purse: Purse, post_office: MailServer) -> None:
    evil = "Eve\r\nBcc: everybody@example.org\r\n\r\nBuy!"
    with purse.app.app_context():
        writing(lambda session: setattr(session.get_one(User, purse.user_id), "display_name", evil))
    purse.move("-4.50")
    purse.round()
    (message,) = post_office.messages
    assert message["Bcc"] is None
    assert post_office.recipients == ["alice@example.org"]
    assert message["To"].addresses[0].display_name == "Eve Bcc: everybody@example.org Buy!"
    assert message["Subject"] == "Your print purse is low: $0.50 left"


@pytest.mark.long
def test_after_days_without_a_look_only_what_comes_then_is_told(purse: Purse, post_office: MailServer) -> None:
    purse.move("-4.50")
    purse.round(seconds=timedelta(days=4).total_seconds())
    assert post_office.messages == []
    purse.move("-0.50")
    purse.round()
    assert subjects(post_office) == ["Your print purse is empty"]


def told(purse: Purse) -> dict[int, str]:
    """Who has been told what."""
    with purse.app.app_context():
        assert reading().scalar(select(Mail.id).where(Mail.state == "waiting")) is None
        return {row.user_id: row.state for row in reading().scalars(select(NoticeTold))}
