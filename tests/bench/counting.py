"""What counting a document takes, from the program's start to its end, beside Ghostscript and poppler alone."""

from __future__ import annotations

import io
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf

from counting.ghostscript import OPTIONS, PROGRAMS
from edge.cups_launcher import write_launcher
from tests.bench.table import Row, side_by_side
from tests.servers.cups import PROJECT, SYSTEM_PYTHON

PAGES, LINES, RUNS = 200, 50, 9
PDFINFO = "/usr/bin/pdfinfo"
COLOUR_BAR = 1.2


def rows() -> list[Row]:
    """Measure a PDF of 200 pages of text, each tenth with colour, and one of 5."""
    with tempfile.TemporaryDirectory(prefix="twinpurse-bench-") as name:
        folder = Path(name)
        libraries = Path(sysconfig.get_paths()["platlib"])
        program = write_launcher(
            folder / "count", python=SYSTEM_PYTHON, project=PROJECT, more_paths=(libraries,), program="counting.pages"
        )
        large, small = folder / "large.pdf", folder / "small.pdf"
        large.write_bytes(text_pdf(PAGES))
        small.write_bytes(text_pdf(5))
        pages = side_by_side(_ms([str(program), str(large)]), _ms([PDFINFO, str(large)]), runs=RUNS)
        found = [Row(f"the pages of a PDF of {PAGES}, whole program (beside pdfinfo)", "ms", *pages)]
        for path, words, bar in ((large, f"{PAGES} pages", COLOUR_BAR), (small, "5 pages", None)):
            drawn = [PROGRAMS[0], *OPTIONS, str(path)]
            both = side_by_side(_ms([str(program), "--colour", str(path)]), _ms(drawn), runs=RUNS)
            found.append(
                Row(f"their colour, {words} (beside Ghostscript alone)", "ms", *both, bar, less_is_better=True)
            )
    return found


def _ms(command: Sequence[str]) -> Callable[[], float]:
    def once() -> float:
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, env={})
        return (time.perf_counter() - start) * 1000

    return once


def text_pdf(pages: int) -> bytes:
    """A PDF of pages full of text, each tenth with a red square."""
    document, out = pikepdf.Pdf.new(), io.BytesIO()
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    resources = document.make_indirect(pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font)))
    for number in range(1, pages + 1):
        page = document.add_blank_page(page_size=(595, 842))
        lines = [f"(Page {number} line {line} the quick brown fox jumps over the lazy dog) '" for line in range(LINES)]
        square = "1 0 0 rg 300 20 100 20 re f" if number % 10 == 0 else ""
        text = f"BT /F1 12 Tf 15 TL 50 815 Td {' '.join(lines)} ET {square}"
        page.obj.Resources, page.obj.Contents = resources, document.make_stream(text.encode())
    document.save(out)
    return out.getvalue()
