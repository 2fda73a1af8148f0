"""CSV that a spreadsheet opens as it was meant: text stays text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""At the beginning of the file it tells spreadsheets that the text is UTF-8."""

UNSAFE: Final = frozenset("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection), its full-width twins included."""


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: a quote before what looks like the beginning of one."""
    return f"'{text}" if text[:1] in UNSAFE else text


def as_csv(table: Iterable[Iterable[str]]) -> str:
    """Return rows of cells as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(table)
    return buffer.getvalue()
