"""`twinpurse-count FILE`: print {"pages": n} for a PDF, PWG raster or Apple raster (URF); exit 3 at any doubt."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import BinaryIO

from counting.raster import apple_raster_pages, pwg_raster_pages
from counting.reasons import CannotCountError

DOUBT = 3
USAGE = 2
MAGIC_BYTES = 8
SECOND_DOCUMENT = re.compile(rb"%%EOF\s*%PDF-")


def main(argv: Sequence[str] | None = None) -> int:
    """Count the pages of one file; return 0, 3 (cannot be counted, the reason is on stderr) or 2 (wrong usage)."""
    words = list(sys.argv if argv is None else argv)
    if len(words) != 2:
        print("usage: twinpurse-count FILE", file=sys.stderr)
        return USAGE
    try:
        with open(words[1], "rb") as file:
            pages = count(file)
    except CannotCountError as error:
        print(error, file=sys.stderr)
        return DOUBT
    except OSError as error:
        print(f"the document cannot be read: {error.strerror}", file=sys.stderr)
        return DOUBT
    except MemoryError:
        print("the document needs too much memory", file=sys.stderr)
        return DOUBT
    print(json.dumps({"pages": pages}))
    return 0


def count(file: BinaryIO) -> int:
    """The pages of an open document, 1 or more. Raises CannotCountError."""
    magic = file.read(MAGIC_BYTES)
    file.seek(0)
    if magic.startswith(b"%PDF-"):
        pages = _pdf_pages(file)
    elif magic.startswith(b"RaS2"):
        pages = pwg_raster_pages(file)
    elif magic == b"UNIRAST\0":
        pages = apple_raster_pages(file)
    else:
        raise CannotCountError("the document is neither PDF, PWG raster nor Apple raster")
    if pages < 1:
        raise CannotCountError("the document has no pages")
    return pages


def _pdf_pages(file: BinaryIO) -> int:
    """The pages that a PDF has, by walking its page tree. Raises CannotCountError.

    A file that had to be repaired, or in which a second one begins, is not counted: the printer may see other pages
    in it than we do. (CUPS joins the files of `lp a.pdf b.pdf` end to end when it filters them.)
    """
    if SECOND_DOCUMENT.search(file.read()):
        raise CannotCountError("there are several documents in one file")
    file.seek(0)
    try:
        import pikepdf  # only for PDF: it takes longer to load than raster takes to count
    except ImportError:
        raise CannotCountError("PDF cannot be counted: the Python package pikepdf is missing") from None
    try:
        with pikepdf.open(file, suppress_warnings=True) as document:
            if document.is_encrypted:
                raise CannotCountError("the PDF is encrypted")
            pages = sum(1 for _ in document.pages)
            damaged = bool(document.get_warnings())
    except pikepdf.PasswordError:
        raise CannotCountError("the PDF is encrypted") from None
    except (pikepdf.PdfError, ValueError, TypeError, RuntimeError, RecursionError):
        raise CannotCountError("the PDF is damaged") from None
    if damaged:
        raise CannotCountError("the PDF is damaged")
    return pages


if __name__ == "__main__":
    sys.exit(main())
