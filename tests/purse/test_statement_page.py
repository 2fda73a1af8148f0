"""The statement, its stories, and the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app.accounts import download
from app.accounts import service as administrators
from app.db import reading, writing
from app.ledger import statement
from app.purse import pages
from tests.purse.conftest import Life
from tests.web.browsing import signed_in, words_of

Begin = Callable[[Flask], Life]
LINE = re.compile(r'id="l(\d+)"')


def ids_on(page: str) -> list[int]:
    return [int(number) for number in LINE.findall(page)]


def test_pages_hold_every_line_once_newest_first(
    print_app: Flask, life: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 5)
    here = life(print_app)
    with print_app.app_context():
        booked = [here.post(0.01, ago=timedelta(hours=200 - number)).id for number in range(12)]
    browser, seen, address = signed_in(print_app, "alice"), [], "/statement"
    while address:
        page = browser.get(address).text
        seen += ids_on(page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        address = older.group(1).replace("&amp;", "&") if older else ""
    assert seen == booked[::-1]
    assert "Lines 11 to 12 of 12" in words_of(page)


def test_lines_run_from_balance_to_balance_by_day(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2, ago=timedelta(days=2), title="First", source="allocation")
        here.post(-0.5, ago=timedelta(days=1), title="Second")
        here.post(-0.25, title="Third")
    words = signed_in(print_app, "alice").text("/statement")
    order = ["Today", "Third", "−$0.25", "$1.25", "Yesterday", "Second", "−$0.50", "$1.50", "First", "+$2.00", "$2.00"]
    places = [
        words.index(part, words.index("Time What")) for part in ("Today", "Third", "Yesterday", "Second", "First")
    ]
    assert places == sorted(places)
    assert all(part in words for part in order)


def test_kinds_choose_lines_and_the_file_holds_the_same(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2, title="Credit", source="allocation")
        here.print(2)
        here.post(-0.5, title="Taken")
    browser = signed_in(print_app, "alice")
    for query, titles in (
        ("", {"Credit", "Essay.pdf", "Taken"}),
        ("?kind=credits", {"Credit"}),
        ("?kind=printing", {"Essay.pdf"}),
        ("?kind=other", {"Taken"}),
        ("?kind=internet", set()),
    ):
        page = browser.get(f"/statement{query}").text
        assert {title for title in ("Credit", "Essay.pdf", "Taken") if f">{title}</a>" in page} == titles, query
        rows = csv_of(browser.get(f"/statement.csv{query}").data)
        assert {row["what"] for row in rows} == titles, query


def test_days_choose_lines_on_the_local_clock_and_stay_in_every_link(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        zone = print_app.extensions["twinpurse.settings"].zone
        here.post(1, ago=timedelta(days=9), title="Before")
        inside = here.post(2, ago=timedelta(days=5), title="Inside").id
        here.post(3, title="After")
    day = (here.now - timedelta(days=5)).astimezone(zone).date().isoformat()
    browser = signed_in(print_app, "alice")
    page = browser.get(f"/statement?kind=credits&from={day}&to={day}").text
    assert ids_on(page) == [inside]
    assert f"/statement.csv?kind=credits&amp;from={day}&amp;to={day}" in page
    assert f"open={inside}&amp;kind=credits&amp;from={day}&amp;to={day}#l{inside}" in page


def test_a_wrong_filter_is_named_and_shows_no_lines(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2)
    browser = signed_in(print_app, "alice")
    for query in ("kind=secret", "from=soon", "to=2026-02-30", "from=2026-11-02&to=2026-11-01"):
        response = browser.get(f"/statement?{query}")
        assert response.status_code == 422, query
        assert "Correct the filter to see lines" in response.text
        assert ids_on(response.text) == []
        assert browser.get(f"/statement.csv?{query}").status_code == 422, query


def test_an_empty_filter_result_says_how_to_get_out(print_app: Flask, life: Begin) -> None:
    life(print_app)
    browser = signed_in(print_app, "alice")
    assert "No lines match" in browser.text("/statement?kind=credits")
    assert "Nothing has changed yet" in browser.text("/statement")


def test_the_story_of_a_job_that_printed_less_than_was_held(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2)
        here.print(4, 3, title="Biology lab report.pdf")
        line = statement.lines(reading(), account_id=here.account_id(), limit=1)[0]
    words = signed_in(print_app, "alice").text(f"/statement?open={line.entry_id}")
    for part in (
        "Held for 4 pages, before printing $0.20",
        "4 pages at $0.05",
        "Charged for 3 pages −$0.15",
        "Rest of the hold released $0.05",
        "Printer Library 1",
        "Balance $2.00 before, $1.85 after",
    ):
        assert part in words


def test_the_story_of_a_job_that_printed_more_than_was_there(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(0.1)
        here.print(2, 5)
        lines = statement.lines(reading(), account_id=here.account_id(), limit=2)
    browser = signed_in(print_app, "alice")
    for line in lines:
        words = browser.text(f"/statement?open={line.entry_id}")
        assert "Charged for 5 pages −$0.10" in words
        assert "Charged beyond the hold −$0.15" in words
        assert "$0.15 of this was more than there was." in words
    assert "more than was held" in browser.text("/statement")


def test_the_story_of_internet_use_tells_bytes_and_the_exact_amount(net_app: Flask, life: Begin) -> None:
    here = life(net_app)
    with net_app.app_context():
        here.post(1)
        here.surf(8_472_454)
        line = statement.lines(reading(), account_id=here.account_id(), limit=1)[0]
    words = signed_in(net_app, "alice").text(f"/statement?open={line.entry_id}")
    assert "(8,472,454 bytes)" in words
    assert "Exactly −$0.084724" in words
    assert "Internet use 8.4\N{NO-BREAK SPACE}MB, proxy1 −$0.08".replace("\N{NO-BREAK SPACE}", " ") in words


def test_a_reversal_and_what_it_reverses_point_at_each_other(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2)
        here.print(2)
        line = statement.lines(reading(), account_id=here.account_id(), limit=1)[0]
        undo = writing(
            lambda session: administrators.reverse(
                session,
                account_id=here.account_id(),
                entry_id=line.entry_id,
                reason="Blank pages",
                by="Ada Min (admin)",
                now=here.now,
            )
        )
    browser = signed_in(print_app, "alice")
    first = browser.get(f"/statement?open={line.entry_id}").text
    assert f'href="/statement?open={undo.id}#l{undo.id}"' in first
    second = browser.get(f"/statement?open={undo.id}").text
    assert f'href="/statement?open={line.entry_id}#l{line.entry_id}"' in second
    assert "Reversed: Essay.pdf" in second
    assert "Blank pages, by Ada Min (admin)" in second


def test_a_line_far_down_is_opened_on_the_page_where_it_stands(
    print_app: Flask, life: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 5)
    here = life(print_app)
    with print_app.app_context():
        oldest = here.post(0.01, ago=timedelta(days=9)).id
        for _ in range(6):
            here.post(0.01)
    page = signed_in(print_app, "alice").get(f"/statement?open={oldest}").text
    assert oldest in ids_on(page)
    assert "What happened" in page


def test_nobody_opens_anybody_elses_line(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        theirs = here.post(3, "bob", title="Of Bob alone").id
    browser = signed_in(print_app, "alice")
    response, unknown = browser.get(f"/statement?open={theirs}"), browser.get("/statement?open=987654")
    assert (response.status_code, unknown.status_code) == (404, 404)
    assert words_of(response.text) == words_of(unknown.text)
    assert "Of Bob" not in browser.get("/statement.csv").text


def test_odd_numbers_in_the_address_break_nothing(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2)
    browser = signed_in(print_app, "alice")
    for query in ("before=99999999999999999999", "before=-1", "before=x", "before=1"):
        assert browser.get(f"/statement?{query}").status_code == 200, query
    for query in ("open=99999999999999999999", "open=0", "open='"):
        assert browser.get(f"/statement?{query}").status_code == 404, query


def test_the_file_is_named_quoted_and_whole(print_app: Flask, life: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CHUNK", 4)
    here = life(print_app)
    with print_app.app_context():
        here.post(2000)
        for number in range(10):  # more than are read at a time
            here.post(-0.01, title=f"={number}+1")
    response = signed_in(print_app, "alice").get("/statement.csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="statement-print-\d{4}-\d\d-\d\d\.csv"', response.headers["Content-Disposition"]
    )
    assert response.data.startswith(b"\xef\xbb\xbf")
    rows = csv_of(response.data)
    assert len(rows) == 11
    assert rows[0]["what"] == "'=9+1"
    assert (rows[0]["amount"], rows[0]["balance"]) == ("-0.01", "1999.90")
    assert len({row["entry"] for row in rows}) == 11


def csv_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
