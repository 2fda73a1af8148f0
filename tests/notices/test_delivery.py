"""How e-mails get to the mail server: over TLS, after outages, at least once, and given up with a reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app import check, clock
from app.db import reading, writing
from app.mail import outbox, rules, smtp
from app.mail.models import Mail
from app.mail.models import MailServer as Server
from app.settings import Settings
from app.settings_tables import MailSection
from tests.notices.conftest import PASSWORD, Purse, with_mail
from tests.servers.authority import Authority
from tests.servers.mail import MailServer

ROOT = Path(__file__).resolve().parents[2]

NO_STARTTLS = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
"""aiosmtpd does not see that TLS from the beginning needs no STARTTLS."""


def letter_for(purse: Purse, *, address: str = "alice@example.org", subject: str = "Low") -> int:
    """Put an e-mail into the outbox; return its number."""
    with purse.app.app_context():
        return writing(
            lambda session: (
                outbox.put(
                    session,
                    user_id=purse.user_id,
                    kind="low",
                    address=address,
                    name="Alice",
                    language="en",
                    subject=subject,
                    text="Hello\n",
                    now=clock.now(),
                ).id
            )
        )


def mail_of(purse: Purse, mail_id: int) -> Mail:
    with purse.app.app_context():
        return reading().get_one(Mail, mail_id)


def problem(purse: Purse) -> str:
    with purse.app.app_context():
        return reading().scalar(select(Server.problem)) or ""


def test_a_server_that_is_away_loses_nothing_and_is_asked_less_and_less_often(
    purse: Purse, post_office: MailServer
) -> None:
    post_office.stop()
    mail_id = letter_for(purse)
    purse.round()
    assert "localhost, port" in problem(purse)
    assert "refused" in problem(purse)
    failures = []
    for _ in range(40):
        purse.round(seconds=60)
        with purse.app.app_context():
            failures.append(reading().scalar(select(Server.failures)))
    assert failures[0] == 2
    assert failures[-1] == 6  # the last pauses were 1, 2, 5, 10 and 20 minutes
    assert mail_of(purse, mail_id).state == "waiting"
    post_office.start()
    purse.round(seconds=1800)
    assert [str(message["Subject"]) for message in post_office.messages] == ["Low"]
    done = mail_of(purse, mail_id)
    assert (done.state, done.text) == ("sent", "")
    assert problem(purse) == ""


@pytest.mark.long
def test_what_has_waited_for_a_day_is_given_up_with_the_reason(purse: Purse, post_office: MailServer) -> None:
    post_office.stop()
    mail_id = letter_for(purse)
    for _ in range(50):
        purse.round(seconds=1800)
    given_up = mail_of(purse, mail_id)
    assert given_up.state == "failed"
    assert "refused" in given_up.reason
    with purse.app.app_context():
        found = outbox.standing(reading(), now=clock.now())
    assert (found.waiting, found.given_up) == (0, 1)


@pytest.mark.long
def test_a_refusal_for_good_ends_it_and_one_for_now_is_tried_again(purse: Purse, post_office: MailServer) -> None:
    post_office.at_recipient = lambda address: {
        "nobody@example.org": "550 no such user here",
        "busy@example.org": "450 greylisted, come back",
    }.get(address, "250 ok")
    nobody, busy, alice = (letter_for(purse, address=f"{who}@example.org") for who in ("nobody", "busy", "alice"))
    none = letter_for(purse, address="not an address")
    purse.round()
    assert post_office.recipients == ["alice@example.org"]  # one refusal holds up nobody else
    assert mail_of(purse, alice).state == "sent"
    refused = mail_of(purse, nobody)
    assert (refused.state, refused.reason) == ("failed", "550 no such user here")
    assert mail_of(purse, none).reason == "'not an address' is no e-mail address"
    waiting = mail_of(purse, busy)
    assert (waiting.state, waiting.reason) == ("waiting", "450 greylisted, come back")
    purse.round(seconds=30)
    assert len(post_office.recipients) == 1
    post_office.at_recipient = lambda address: "250 ok"
    purse.round(seconds=60)
    assert post_office.recipients[1:] == ["busy@example.org"]


@pytest.mark.long
def test_after_a_day_of_refusals_for_now_it_is_given_up(purse: Purse, post_office: MailServer) -> None:
    post_office.at_data = lambda: "451 try again later"
    mail_id = letter_for(purse)
    for _ in range(50):
        purse.round(seconds=1800)
    given_up = mail_of(purse, mail_id)
    assert (given_up.state, given_up.reason) == ("failed", "451 try again later")


@pytest.mark.long
def test_a_server_that_closes_with_421_is_away_and_the_mail_is_not_to_blame(
    purse: Purse, post_office: MailServer
) -> None:
    post_office.at_recipient = lambda address: "421 shutting down"
    mail_id = letter_for(purse)
    purse.round()
    assert problem(purse) == "421 shutting down"
    post_office.at_recipient = lambda address: "250 ok"
    purse.round(seconds=90)
    assert mail_of(purse, mail_id).state == "sent"


WORKER = """
import sys
from app.factory import create_app
from app.mail import tasks
from app.settings import Settings
from tests.notices.conftest import with_mail
from tests.servers.mail import MailServer
app = create_app(Settings.load(sys.argv[1]))
with_mail(app, MailServer(port=int(sys.argv[2])))
with app.app_context():
    tasks.send_waiting()
"""


@pytest.mark.long
@pytest.mark.parametrize(("answer", "copies"), [("", 1), ("250 taken", 2)])
def test_a_worker_killed_while_it_sends_loses_nothing(
    purse: Purse, post_office: MailServer, answer: str, copies: int
) -> None:
    """Killed before the server has taken it: it comes once. Between the server's OK and our note: twice, same id."""
    purse.hand.on(minutes=-5)  # the worker goes by the real clock
    mail_id = letter_for(purse)
    settings: Settings = purse.app.extensions["twinpurse.settings"]
    command = [sys.executable, "-c", WORKER, str(settings.folder), str(post_office.port)]
    worker = subprocess.Popen(command, cwd=ROOT)

    def kill() -> str:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
        return answer or "451 not taken"

    post_office.at_data = kill
    assert worker.wait(30) == -signal.SIGKILL
    post_office.at_data = lambda: "250 taken"
    assert mail_of(purse, mail_id).state == "waiting"
    purse.round(seconds=6 * 60)
    assert len(post_office.messages) == copies - 1  # somebody may still be at it
    purse.round(seconds=rules.CLAIMED_FOR.total_seconds())
    purse.round(seconds=3600)
    assert mail_of(purse, mail_id).state == "sent"
    assert len(post_office.messages) == copies
    assert len({message["Message-ID"] for message in post_office.messages}) == 1


@pytest.mark.long
def test_two_workers_at_once_send_each_once(purse: Purse, post_office: MailServer) -> None:
    settings: Settings = purse.app.extensions["twinpurse.settings"]
    purse.hand.on(minutes=-5)  # the workers go by the real clock
    for number in range(30):
        letter_for(purse, subject=f"Number {number}")
    command = [sys.executable, "-c", WORKER, str(settings.folder), str(post_office.port)]
    workers = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    found = sorted(str(message["Subject"]) for message in post_office.messages)
    assert found == sorted(f"Number {number}" for number in range(30))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("mail"))


@pytest.fixture(params=["starttls", "tls"])
def guarded(request: pytest.FixtureRequest, authority: Authority) -> Iterator[tuple[str, MailServer]]:
    """A mail server that wants TLS and a password."""
    tls = request.param == "tls"
    with MailServer(certificate=authority.sign(request.param), tls=tls, password=PASSWORD) as server:
        yield request.param, server


@pytest.mark.long
@NO_STARTTLS
def test_over_tls_with_a_password(purse: Purse, guarded: tuple[str, MailServer], authority: Authority) -> None:
    security, server = guarded
    options = {"security": security, "username": "purse", "ca_file": str(authority.ca_file)}
    with_mail(purse.app, server, password=PASSWORD, **options)
    mail_id = letter_for(purse)
    purse.round()
    assert mail_of(purse, mail_id).state == "sent"
    assert server.encrypted == [True]

    def trouble(password: str = PASSWORD, **other: str) -> str:
        mail = MailSection(server="localhost", port=server.port, sender="purse@example.org", **(options | other))  # type: ignore[arg-type]
        return smtp.problem_of(mail, password)

    assert trouble() == ""
    assert "does not accept the password of purse: 535" in trouble("wrong")
    assert "certificate that is not trusted" in trouble(ca_file="")
    assert PASSWORD not in trouble("wrong") + trouble(ca_file="")


@pytest.mark.long
@NO_STARTTLS
def test_a_wrong_password_loses_nothing(purse: Purse, guarded: tuple[str, MailServer], authority: Authority) -> None:
    security, server = guarded
    options = {"security": security, "username": "purse", "ca_file": str(authority.ca_file)}
    with_mail(purse.app, server, password="wrong", **options)
    mail_id = letter_for(purse)
    purse.round()
    assert mail_of(purse, mail_id).state == "waiting"
    assert "535" in problem(purse)
    with_mail(purse.app, server, password=PASSWORD, **options)
    purse.round(seconds=90)
    assert mail_of(purse, mail_id).state == "sent"


@pytest.mark.long
def test_nothing_is_sent_in_the_clear_to_a_server_without_tls(purse: Purse, post_office: MailServer) -> None:
    with_mail(purse.app, post_office, security="starttls")
    letter_for(purse)
    purse.round()
    assert post_office.messages == []
    assert "STARTTLS" in problem(purse)


@pytest.mark.long
def test_check_says_what_is_wrong_with_the_mail_server(make_instance: Callable[..., Flask]) -> None:
    folder = make_instance().extensions["twinpurse.settings"].folder
    config, text = folder / "config.toml", (folder / "config.toml").read_text()
    with MailServer() as server:
        table = (
            f'\n[mail]\nserver = "localhost"\nport = {server.port}\nsecurity = "none"\nsender = "purse@example.org"\n'
        )
        config.write_text(text + table)
        assert [line for line in check.check_folder(folder) if "mail" in line] == []
    assert any(line.startswith("mail: localhost, port") for line in check.check_folder(folder))
    config.write_text(text + table + 'username = "purse"\n')
    assert any("a password would travel in the clear" in line for line in check.check_folder(folder))
    config.write_text(text + table.replace('"none"', '"tls"') + 'username = "purse"\nca_file = "/nowhere.pem"\n')
    problems = check.check_folder(folder)
    assert any("mail.username: its password is missing" in line for line in problems)
    assert any("mail.ca_file: /nowhere.pem cannot be read" in line for line in problems)


@pytest.mark.long
def test_old_e_mails_are_forgotten(purse: Purse, post_office: MailServer) -> None:
    mail_id = letter_for(purse)
    purse.round()
    with purse.app.app_context():
        later = clock.now() + outbox.KEPT + timedelta(minutes=1)
        assert writing(lambda session: outbox.forget_old(session, now=clock.now())) == 0
        assert writing(lambda session: outbox.forget_old(session, now=later)) == 1
        assert reading().get(Mail, mail_id) is None
