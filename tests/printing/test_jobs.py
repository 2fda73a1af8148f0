"""Lists of print jobs: every filter alone and together, page by page and as a file, however the clock ran."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from app.db import db, reading, writing
from app.printing import job_story, jobs_list
from app.printing.jobs_list import Selection
from app.printing.models import PrintJob
from app.settings import settings_of_app
from tests.printing.queues import Queues
from tests.web.browsing import signed_in, words_of


def many(queues: Queues, count: int) -> None:
    """So many jobs, written straight into the table: of three people, two printers, two servers, each state."""
    states = ("printed", "held", "waiting", "cancelled", "released")
    rows: list[dict[str, Any]] = []
    for number in range(count):
        name = ("alice", "bob", "nobody")[number % 3]
        at = queues.now - timedelta(minutes=(number * 7919) % count)
        rows.append(
            {
                "server": ("cups1", "cups2")[number % 5 == 0],
                "job_uuid": f"many-{number}",
                "run": 1,
                "job_number": number,
                "printer": ("Library", "Hall")[number % 7 == 0],
                "username": name,
                "user_id": queues.users.get(name),
                "title": f"Report {number}" if number % 11 == 0 else "Essay",
                "state": states[number % 5],
                "pages_counted": 1,
                "reason": "",
                "created_at": at,
                "updated_at": at,
            }
        )
    writing(lambda session: session.execute(insert(PrintJob), rows))


def listed(selection: Selection, limit: int = 7) -> list[int]:
    """The jobs of a selection, read page by page."""
    found, after = [], None
    while True:
        page = jobs_list.read_page(reading(), selection=selection, limit=limit, after=after)
        found += [row.job.id for row in page.rows]
        after = page.following
        if after is None:
            return found


def test_every_filter_finds_exactly_what_it_says_newest_first(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_list, "STRETCH", 20)
    many(queues, 240)
    since, until = queues.now - timedelta(minutes=200), queues.now - timedelta(minutes=20)
    alice = queues.users["alice"]
    cases = [
        (Selection(), lambda job: True),
        (Selection(user_id=alice), lambda job: job.user_id == alice),
        (Selection(nobody="nobody"), lambda job: job.user_id is None),
        (Selection(nobody="alice"), lambda job: False),
        (Selection(printer="Hall"), lambda job: job.printer == "Hall"),
        (Selection(server="cups2"), lambda job: job.server == "cups2"),
        (Selection(state="waiting"), lambda job: job.state == "waiting"),
        (Selection(since=since, until=until), lambda job: since <= job.created_at < until),
        (Selection(title="rEPORT 1"), lambda job: "Report 1" in job.title),
        (Selection(title="100%"), lambda job: False),
        (
            Selection(user_id=alice, printer="Library", state="printed", since=since, until=until, title="Report"),
            lambda job: (
                (job.user_id, job.printer, job.state) == (alice, "Library", "printed")
                and since <= job.created_at < until
                and "Report" in job.title
            ),
        ),
    ]
    everything = sorted(reading().query(PrintJob), key=lambda job: (job.created_at, job.id), reverse=True)
    for selection, fits in cases:
        assert listed(selection) == [job.id for job in everything if fits(job)], selection


@pytest.mark.long
def test_an_empty_page_of_titles_says_how_far_it_looked(quick_queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_list, "STRETCH", 50)
    with quick_queues.app.app_context():
        many(quick_queues, 120)
    admin = signed_in(quick_queues.app, "admin")
    page = admin.get("/admin/print-jobs?title=unheard+of")
    assert "Not found yet" in page.text
    assert "looked back to" in page.text
    assert "after=" in page.text


@pytest.mark.long
def test_no_filter_reads_the_whole_table(queues: Queues) -> None:
    """The database says itself which index it takes."""
    many(queues, 3000)
    if db.engine.dialect.name == "postgresql":
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE print_jobs"))
    place = jobs_list.Place(queues.now - timedelta(minutes=500), 10)
    for selection in (
        Selection(),
        Selection(user_id=1),
        Selection(nobody="nobody"),
        Selection(printer="Hall"),
        Selection(server="cups2"),
        Selection(state="waiting"),
        Selection(since=queues.now - timedelta(days=1), until=queues.now - timedelta(hours=9)),
    ):
        for after in (None, place):
            plan = explain(selection, after)
            assert "Seq Scan on print_jobs" not in plan, plan
            assert "SCAN print_jobs\n" not in f"{plan}\n", plan
            assert "Sort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan


def explain(selection: Selection, after: jobs_list.Place | None) -> str:
    """How the database reads a page: what it says of each statement that was made."""
    made: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        made.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        jobs_list.read_page(reading(), selection=selection, limit=50, after=after)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    word = "EXPLAIN QUERY PLAN" if db.engine.dialect.name == "sqlite" else "EXPLAIN"
    said = [
        str(row[-1])
        for statement, parameters in made
        for row in reading().connection().exec_driver_sql(f"{word} {statement}", parameters)
    ]
    assert said
    return "\n".join(said)


@pytest.mark.long
def test_the_file_has_exactly_what_the_page_lists_and_no_formula(quick_queues: Queues) -> None:
    queues = quick_queues
    with queues.app.app_context():
        for title in ("=1+2", "@SUM(A1)", "\t=x", "two\nlines", 'plain, with “quotes” and "these"'):
            queues.print(title=title)
        queues.print("bob", title="Not hers")
    admin = signed_in(queues.app, "admin")
    sent = admin.get("/admin/print-jobs.csv?person=alice")
    assert sent.mimetype == "text/csv"
    assert 'filename="print-jobs-' in sent.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(sent.get_data(as_text=True).lstrip("\ufeff"))))
    assert [row["title"] for row in rows] == [
        'plain, with “quotes” and "these"',
        "two lines",
        "'=x",
        "'@SUM(A1)",
        "'=1+2",
    ]
    assert {row["user name"] for row in rows} == {"alice"}
    assert {(row["cost"], row["pages printed"], row["state"]) for row in rows} == {("0.15", "3", "Printed")}
    assert len(admin.get("/admin/print-jobs.csv").text.splitlines()) == 7
    for wrong in ("from=yesterday", "state=lost", "from=2026-12-01&to=2026-11-01"):
        assert admin.get(f"/admin/print-jobs.csv?{wrong}").status_code == 422
        assert admin.get(f"/admin/print-jobs?{wrong}").status_code == 422


@pytest.mark.long
def test_the_filter_stands_in_the_address_and_names_people(quick_queues: Queues) -> None:
    queues = quick_queues
    with queues.app.app_context():
        queues.print(title="Alpha")
        queues.print("bob", title="Beta", printer="Hall")
    admin = signed_in(queues.app, "admin")
    assert "Alpha" in (only := admin.text("/admin/print-jobs?person=ALICE"))
    assert "Beta" not in only
    assert "Several people match" in admin.text("/admin/print-jobs?person=Students")
    assert "Nobody is known as “ghost”" in admin.text("/admin/print-jobs?person=ghost")
    assert "Beta" in (hall := admin.text("/admin/print-jobs?printer=Hall&state=printed"))
    assert "Alpha" not in hall
    assert "No job matches" in admin.text("/admin/print-jobs?printer=Hall&state=held")


def test_a_job_opens_to_its_whole_story(quick_queues: Queues) -> None:
    queues = quick_queues
    with queues.app.app_context():
        queues.printer()
        job_id = queues.print(pages=5, printed=3, title="Essay.pdf")
        story = job_story.tell(reading(), job=queues.job(job_id), unit=settings_of_app().unit)
        assert [step.what for step in story.steps] == [
            "Sent to print",
            "Price held",
            "Rest of what was held is free again",
            "Charged for 3 pages",
        ]
        assert [text_ for _, text_ in story.price] == ["$0.15", "$0.15"]
    alice = signed_in(queues.app, "alice")
    page = alice.text(f"/print-jobs/{job_id}")
    for words in ("Essay.pdf", "Charged for 3 pages", "−$0.15", "5 pages", "3 pages at $0.05", "Together"):
        assert words in page, words
    listed_own = alice.text("/print-jobs")
    assert "3 pages of 5" in listed_own
    assert "Sent to print" in words_of(signed_in(queues.app, "admin").get(f"/admin/print-jobs/{job_id}").text)
