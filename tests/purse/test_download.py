"""The statement as a file for spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.accounts import download
from app.ledger.statement import Line


def line(title: str, detail: str = "", amount: int = -150_000) -> Line:
    at = datetime(2026, 11, 19, 10, 44, tzinfo=UTC)
    return Line(8412, 7, at, at, title, detail, amount, 3_400_000, "print", 0, 3, 47, None, None)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_a_row_has_local_time_with_offset_and_plain_decimals() -> None:
    row = read(download.rows([line("Lab report")], zone=ZoneInfo("Europe/Berlin"), decimals=2))[0]
    assert dict(zip(download.HEAD, row, strict=True)) == {
        "booked": "2026-11-19T11:44:00+01:00",
        "happened": "2026-11-19T11:44:00+01:00",
        "what": "Lab report",
        "details": "",
        "source": "print",
        "quantity": "3",
        "amount": "-0.15",
        "balance": "3.40",
        "entry": "8412",
        "reverses": "",
    }


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_take_for_a_formula_gets_a_quote(begin: str) -> None:
    text = download.rows([line(f"{begin}1+1", f"{begin}cmd")], zone=ZoneInfo("UTC"), decimals=2)
    row = next(csv.reader(io.StringIO(text, newline="")))
    assert row[2:4] == [f"'{begin}1+1", f"'{begin}cmd"]


def test_quotes_commas_and_line_ends_stay_in_their_cell() -> None:
    text = download.rows([line('He said "no", twice\nand left')], zone=ZoneInfo("UTC"), decimals=2)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == 1
    assert rows[0][2] == 'He said "no", twice\nand left'


def test_an_amount_keeps_every_millionth() -> None:
    row = read(download.rows([line("x", amount=-84_834)], zone=ZoneInfo("UTC"), decimals=2))[0]
    assert row[6] == "-0.084834"


def test_the_file_begins_with_the_mark_of_utf_8() -> None:
    assert download.head().encode().startswith(b"\xef\xbb\xbfbooked,")
