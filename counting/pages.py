"""`twinpurse-count [--colour] FILE`: print the pages of a document, with colour and paper; exit 3 at any doubt.

What is printed is one line of JSON: {"pages": n, "duplex": true|false|null, "runs": [[pages, colour, paper], ...]}.
Runs are in the document's order; colour is null unless --colour is given, and where it cannot be known; paper is a
name of `counting.papers`. "duplex" says what the data themselves ask for, null when they leave that to the print job.
"""

from __future__ import annotations

import sys
from itertools import groupby

from counting.reasons import CannotCountError, Page

TYPE_CHECKING = False  # as type checkers know it; the typing package takes as long to load as all else here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

DOUBT = 3
USAGE = 2
MAGIC_BYTES = 1024
WORDS = {None: "null", True: "true", False: "false"}
NOT_KNOWN = "the document is neither PDF, PostScript, PCL nor raster, so its pages cannot be counted"


def main(argv: Sequence[str] | None = None) -> int:
    """Count the pages of one file; return 0, 3 (cannot be counted, the reason is on stderr) or 2 (wrong usage)."""
    words = list(sys.argv[1:] if argv is None else argv[1:])
    colour = words[:1] == ["--colour"]
    if len(words) != 1 + colour:
        print("usage: twinpurse-count [--colour] FILE", file=sys.stderr)
        return USAGE
    try:
        with open(words[-1], "rb") as file:
            pages, duplex = count(file, colour=colour)
    except CannotCountError as error:
        print(error, file=sys.stderr)
        return DOUBT
    except OSError as error:
        print(f"the document cannot be read: {error.strerror}", file=sys.stderr)
        return DOUBT
    except MemoryError:
        print("the document needs too much memory", file=sys.stderr)
        return DOUBT
    print(as_json(pages, duplex))
    return 0


def as_json(pages: Sequence[Page], duplex: bool | None) -> str:
    """The line that is printed. By hand: it is numbers, three words and names; the json package takes 8 ms to load."""
    runs = ",".join(f'[{sum(1 for _ in same)},{WORDS[page[0]]},"{page[1]}"]' for page, same in groupby(pages))
    return f'{{"pages":{len(pages)},"duplex":{WORDS[duplex]},"runs":[{runs}]}}'


def count(file: BinaryIO, *, colour: bool = False) -> tuple[list[Page], bool | None]:
    """The pages of an open document, one or more, and whether the data ask for both sides. Raises CannotCountError."""
    magic = file.read(MAGIC_BYTES)
    file.seek(0)
    pages, duplex = _count_by(magic, file, colour=colour)
    if not pages:
        raise CannotCountError("the document has no pages")
    return pages, duplex


def _count_by(magic: bytes, file: BinaryIO, *, colour: bool) -> tuple[list[Page], bool | None]:
    """Only what the format needs is loaded: for most documents that is most of the time it takes."""
    if magic.startswith(b"%PDF-"):
        from counting.pdf import pdf_pages

        return pdf_pages(file, colour=colour), None
    if magic.startswith(b"RaS2") or magic.startswith(b"UNIRAST\0"):
        from counting.raster import apple_raster_pages, pwg_raster_pages

        return (pwg_raster_pages if magic.startswith(b"RaS2") else apple_raster_pages)(file, colour=colour)
    if magic.startswith((b"%!", b"\x04%!", b"\x1b")):
        from counting.printer_languages import printer_language_pages

        return printer_language_pages(file, colour=colour)
    raise CannotCountError(NOT_KNOWN)


if __name__ == "__main__":
    sys.exit(main())
