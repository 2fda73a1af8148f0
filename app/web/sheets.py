"""CSV that a spreadsheet opens as it was meant: text stays text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from language import current

BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""At the beginning of the file it tells spreadsheets that the text is UTF-8."""

UNSAFE: Final = frozenset("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection), its full-width twins included."""


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: a quote before what looks like the beginning of one."""
    return f"'{text}" if text[:1] in UNSAFE else text


def as_csv(table: Iterable[Iterable[str]]) -> str:
    """Return rows of cells as CSV, with ";" between them where the language has a decimal comma.

    That is what spreadsheets set to such a language read (RFC 4180 names the comma only).
    """
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=";" if current().point == "," else ",").writerows(table)
    return buffer.getvalue()
