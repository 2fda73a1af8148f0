"""Document titles: shown to their owner alone where that is set, blanked after a time, here and in the books."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.db import reading, writing
from app.jobs import ticker
from app.ledger.models import Note
from app.printing import titles
from app.printing.models import PrintJob
from app.refunds import service as refunds
from tests.printing.queues import Queues
from tests.web.browsing import signed_in

DAY = timedelta(days=1)


def keep(queues: Queues, days: int, *, hidden: bool = False) -> None:
    """Say what becomes of titles."""
    writing(lambda session: titles.set_privacy(session, hidden=hidden, keep_days=days, by="x", now=queues.now))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("  Essay \n of\tmine\x00 ", "Essay of mine"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("\u200b\ufeff", ""),
        ("\U0001f469\u200d\U0001f4bb Größe", "\U0001f469\u200d\U0001f4bb Größe"),
        ("\ud800half", "half"),
    ],
)
def test_a_title_is_one_line_that_can_be_seen(title: str, expected: str) -> None:
    assert titles.in_one_line(title) == expected


def test_a_long_title_is_cut_for_lists_and_books_and_whole_on_its_page() -> None:
    title = "word " * 800
    job = PrintJob(title=title)
    assert len(titles.short(title)) <= titles.SHORT
    assert len(titles.in_books(title)) <= titles.IN_BOOKS
    assert len(titles.shown(job, whole=True)) == 3999
    assert (titles.in_books("\n"), titles.shown(PrintJob(title=""))) == (titles.NEUTRAL, titles.WITHOUT)


def test_titles_are_blanked_after_their_days_with_the_words_in_the_books(queues: Queues) -> None:
    secret, old = "Letter to my doctor", 40 * DAY
    first, refunded = queues.print(title=secret, ago=old), queues.print(title=secret, ago=old)
    waiting, fresh = queues.send("bob", title=secret, ago=old), queues.print(title="Fresh", ago=DAY)
    writing(
        lambda session: refunds.give(
            session, job_id=refunded, amount=None, reason="Jam", by=queues.actor("admin", "admin"), now=queues.now
        )
    )
    ticker.tick(queues.app, holder="test", now=queues.now)
    assert queues.job(first).title == secret, "by default titles are kept"
    keep(queues, 41)
    ticker.tick(queues.app, holder="test", now=queues.now)
    assert queues.job(first).title == secret
    keep(queues, 40)
    ticker.tick(queues.app, holder="test", now=queues.now + timedelta(minutes=1))
    for job_id in (first, refunded, waiting):
        assert (queues.job(job_id).title, titles.shown(queues.job(job_id))) == ("", titles.BLANKED)
    assert queues.job(fresh).title == "Fresh"
    said = [f"{note.title} {note.detail}" for note in reading().query(Note)]
    assert not [words for words in said if "doctor" in words]
    assert sorted(words for words in said if "rint job" in words) == [
        "Given back: Print job Jam, by Admin (admin)",
        "Print job 3 pages, Free for all",
        "Print job 3 pages, Free for all",
    ]
    assert not titles.anything_due(reading(), now=queues.now + timedelta(minutes=1))


@pytest.mark.long
def test_many_are_blanked_in_chunks(quick_queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    queues = quick_queues
    monkeypatch.setattr(ticker, "TITLE_CHUNKS", 2)
    with queues.app.app_context():
        jobs = [queues.send(pages=1, title=f"Secret {number}", ago=9 * DAY) for number in range(7)]
        keep(queues, 7)
        done = [writing(lambda session: titles.blank_due(session, now=queues.now, limit=3)) for _ in range(4)]
        assert done == [3, 3, 1, 0]
        assert {queues.job(job_id).title for job_id in jobs} == {""}


@pytest.mark.long
def test_where_titles_are_hidden_only_their_owner_reads_them(quick_queues: Queues) -> None:
    queues, secret = quick_queues, "Letter to my doctor"
    with queues.app.app_context():
        job_id = queues.print(title=secret)
        alice_id = queues.users["alice"]
    admin, alice = signed_in(queues.app, "admin"), signed_in(queues.app, "alice")
    seen = (
        "/admin/print-jobs",
        f"/admin/print-jobs/{job_id}",
        "/admin/print-jobs.csv",
        f"/admin/people/{alice_id}",
        f"/admin/people/{alice_id}/statement.csv",
        "/admin/print-jobs?title=doctor",
    )
    assert all(secret in admin.get(path).text for path in seen), "by default administrators read them"
    admin.send("/admin/print-privacy", "/admin/print-privacy", hidden="yes", limited="no", days="90")
    for path in seen:
        assert secret not in (page := admin.get(path)).text, path
        assert titles.HIDDEN in page.text or page.status_code == 422, path
    for path in ("/", "/statement", "/statement.csv", "/print-jobs", f"/print-jobs/{job_id}"):
        assert secret in alice.get(path).text, path


@pytest.mark.long
def test_the_page_states_the_default_and_refuses_nonsense(quick_queues: Queues) -> None:
    admin, here = signed_in(quick_queues.app, "admin"), "/admin/print-privacy"
    assert "Always (the default)" in admin.text(here)
    for days in ("0", "-3", "9999", "x", "", "٣"):
        refused = admin.send(here, here, hidden="no", limited="yes", days=days)
        assert (refused.status_code, "as a number from 1" in refused.text) == (422, True)
    assert admin.send(here, here, hidden="no", limited="yes", days="30").status_code == 303
    with quick_queues.app.app_context():
        assert titles.privacy(reading()) == titles.Privacy(hidden=False, keep_days=30)
