"""The pages on which people release their jobs: their own, and the screen beside a printer, which forgets them soon."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from app.client import news
from app.db import reading, writing
from app.people.models import LoginSession, User
from app.people.rules import STATION_IDLE
from app.purse import service as purse
from app.settings import settings_of_app
from tests.printing.queues import Queues
from tests.web.browsing import Browser, signed_in, words_of

WAITING = "/print-jobs/waiting"
NASTY = ("<img src=x onerror=alert(1)>", "a\nb\x1b[31m\u202egnp.exe", "x" * 900, "\U0001f5a8\ufe0f Größe 'n'; rm -rf /")


def states(queues: Queues, *job_ids: int) -> list[str]:
    """What the print server is told of each job, or its state."""
    return [queues.job(job_id).order or queues.job(job_id).state for job_id in job_ids]


@pytest.mark.long
def test_one_several_or_all_are_released_and_cancelled_by_one_form(quick_queues: Queues) -> None:
    queues, alice = quick_queues, signed_in(quick_queues.app, "alice")
    queues.printer()
    jobs = [queues.send(title=f"Essay {number}") for number in range(5)]
    alice.send(WAITING, WAITING, one=f"release-{jobs[0]}")
    assert "1 job released. It prints soon." in alice.text(WAITING)
    token = alice.token(WAITING)
    alice.client.post(WAITING, data={"csrf_token": token, "do": "cancel", "job": [jobs[1], jobs[2]]})
    assert states(queues, *jobs) == ["resume", "cancel", "cancel", "waiting", "waiting"]
    assert "Essay 3" in (page := alice.text(WAITING))
    assert "Essay 0" not in page
    assert "$0.15 set aside" in page
    alice.send(WAITING, WAITING, do="release-all")
    assert states(queues, *jobs[3:]) == ["resume", "resume"]
    assert "Nothing waits" in alice.text(WAITING)


@pytest.mark.long
def test_a_form_reaches_no_job_of_somebody_else_whatever_their_role(quick_queues: Queues) -> None:
    queues = quick_queues
    queues.printer()
    job_id, bobs = queues.send(), queues.send("bob")
    for name in ("bob", "admin"):
        other = signed_in(queues.app, name)
        for where in (WAITING, "/release/Library"):
            other.send(where, "/", one=f"release-{job_id}")
            other.send(where, "/", do="cancel", job=str(job_id))
            assert queues.job(job_id).order == ""
        assert other.get(f"/print-jobs/{job_id}").status_code == 404
        assert "Essay" not in (other.text(WAITING) if name == "admin" else "")
    assert states(queues, bobs, job_id) == ["waiting", "waiting"]
    for verb in ("release", "cancel", "send-on"):
        refused = signed_in(queues.app, "bob").send(f"/admin/print-jobs/{job_id}/{verb}", "/")
        assert (refused.status_code, queues.job(job_id).state) == (403, "waiting")


def test_the_screen_at_a_printer_shows_its_own_jobs_and_forgets_who_was_there(quick_queues: Queues) -> None:
    queues, screen = quick_queues, Browser(quick_queues.app)
    queues.printer()
    queues.printer("Hall")
    here, there = queues.send(title="Here.pdf"), queues.send(title="There.pdf", printer="Hall")
    assert "Sign in to let your documents print here" in screen.text("/release/Library")
    fields = {"username": "alice", "password": "demo-alice"}
    answer = screen.send("/release/Library/sign-in", "/release/Library", **fields)
    assert (answer.status_code, answer.location) == (303, "/release/Library")
    page = screen.get("/release/Library")
    assert int(page.headers["Refresh"]) > 60
    assert "Here.pdf" in page.text
    assert "There.pdf" not in page.text
    screen.send("/release/Library", "/release/Library", one=f"release-{here}")
    assert states(queues, here, there) == ["resume", "waiting"]
    assert "Nothing waits for you here" in screen.text("/release/Library")
    let_pass(queues, STATION_IDLE)
    assert "Sign in to let your documents print here" in screen.text("/release/Library")
    assert screen.get("/").status_code == 302, "the whole session is over"
    screen.send("/release/Library", "/release/Library", one=f"cancel-{there}")
    assert states(queues, there) == ["waiting"]


@pytest.mark.long
def test_the_screen_says_no_to_a_wrong_password_and_knows_its_printers(quick_queues: Queues) -> None:
    queues, screen = quick_queues, Browser(quick_queues.app)
    queues.printer()
    refused = screen.send("/release/Library/sign-in", "/release/Library", username="alice", password="wrong")
    assert (refused.status_code, "Sign in to let your documents print" in refused.text) == (401, True)
    assert 'role="alert"' in refused.text
    assert screen.get("/release/Nowhere").status_code == 404


@pytest.mark.long
def test_being_done_signs_out_and_a_session_from_elsewhere_becomes_short_there(quick_queues: Queues) -> None:
    queues, alice = quick_queues, signed_in(quick_queues.app, "alice")
    queues.printer()
    alice.get("/release/Library")
    let_pass(queues, STATION_IDLE)
    assert alice.get("/").status_code == 302
    bob = signed_in(queues.app, "bob")
    bob.send("/release/Library/sign-out", "/release/Library")
    assert bob.get("/").status_code == 302


@pytest.mark.parametrize("title", [NASTY[0], *(pytest.param(title, marks=pytest.mark.long) for title in NASTY[1:])])
def test_titles_are_shown_escaped_wherever_a_job_stands(quick_queues: Queues, title: str) -> None:
    queues, alice, admin = quick_queues, signed_in(quick_queues.app, "alice"), signed_in(quick_queues.app, "admin")
    queues.printer()
    job_id, printed = queues.send(title=title), queues.print(title=title)
    pages = [alice.get(path).text for path in ("/", "/statement", "/print-jobs", WAITING, f"/print-jobs/{job_id}")]
    pages += [admin.get(f"/admin/print-jobs{more}").text for more in ("", f"/{job_id}", f"/{printed}", ".csv")]
    pages.append(alice.get("/release/Library").text)
    for page in pages[:-3] + pages[-1:]:
        assert "<img src=x" not in page
        assert "\x1b" not in page
    assert all("\u202e" not in page for page in pages[2:])
    assert max(len(words_of(page)) for page in pages[2:4]) < 2_000, "lists cut what is too long"


@pytest.mark.long
def test_a_client_hears_of_jobs_that_wait_or_were_refused_and_not_of_its_own_doing(quick_queues: Queues) -> None:
    queues = quick_queues
    queues.printer()
    waits, done = queues.send(title="Waits.pdf"), queues.send(title="Mine.pdf")
    queues.send(title="Dear.pdf", pages=900, printer="Hall")
    alice = signed_in(queues.app, "alice")
    alice.send(WAITING, WAITING, one=f"cancel-{done}")
    with queues.app.app_context():
        settings, user = settings_of_app(), reading().get_one(User, queues.users["alice"])
        mine = purse.look_into(reading(), user=user, settings=settings, now=queues.now)
        heard = news.since(reading(), purse=mine, settings=settings, after=news.Place(10, news.EPOCH))
    assert [(message.title, message.text.partition(",")[0]) for message in heard] == [
        ("Not printed", "Dear.pdf"),
        ("Waits for you", "Waits.pdf"),
    ]
    assert "release" in heard[1].text
    assert queues.job(waits).state == "waiting"


def let_pass(queues: Queues, time: timedelta) -> None:
    """Nobody touches any screen for so long."""
    with queues.app.app_context():
        seen = [(login.id, login.seen_at) for login in reading().query(LoginSession)]
        for login_id, seen_at in seen:
            earlier = update(LoginSession).where(LoginSession.id == login_id).values(seen_at=seen_at - time)
            writing(lambda session, earlier=earlier: session.execute(earlier))
