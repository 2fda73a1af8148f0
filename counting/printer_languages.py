"""What a print server sends to a printer as it is: PostScript, PCL 5, PCL XL or PDF, bare or between PJL commands.

PJL is read as HP's "Printer Job Language Technical Reference Manual" has it: UEL begins and ends it, SET COPIES and
SET QTY repeat what follows, SET RENDERMODE=GRAYSCALE prints it in grey.
"""

from __future__ import annotations

import mmap
import os

from counting.papers import paper_of_points
from counting.reasons import CannotCountError, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

UEL = b"\x1b%-12345X"
BETWEEN = b"\0\t\n\x04\r "
MOST_LINE_BYTES = 2_000
MOST_COPIES = 9_999
MOST_PAGES = 1_000_000
# Commands that change the printer for later jobs, or keep this one in it to be printed another number of times.
NOT_FOLLOWED = (b"DEFAULT", b"INITIALIZE", b"EXECUTE", b"FSAPPEND", b"FSDOWNLOAD")
DAMAGED = "the PJL commands before the document make no sense"
SEVERAL = "there are several documents in one file"
MANY_UP = (b"NUP", b"NUMBERUP", b"BOOKLET", b"BOOKLETMODE", b"POSTER", b"WATERMARK")
SINGLE = (b"1", b"OFF", b"NONE", b"FALSE")
LANGUAGES = {b"POSTSCRIPT": "postscript", b"PCL": "pcl", b"PCLXL": "pclxl", b"PDF": "pdf"}


class Job:
    """What the PJL commands say: copies of the whole, the language, and which sides of the paper."""

    def __init__(self) -> None:
        self.copies = 1
        self.language = ""
        self.duplex: bool | None = None
        self.grey = False

    def obey(self, line: bytes) -> None:
        """Take in one line that begins with @PJL. Raises CannotCountError for what changes what is printed."""
        words = line[4:].upper().replace(b"=", b" = ").split()
        if not words:
            return
        if words[0] in NOT_FOLLOWED:
            raise CannotCountError("the document gives the printer commands that cannot be followed")
        if words[0] == b"ENTER" and words[1:3] == [b"LANGUAGE", b"="] and len(words) == 4:
            if words[3] not in LANGUAGES:
                raise CannotCountError("the document is in a printer language that cannot be counted")
            self.language = LANGUAGES[words[3]]
        elif words[0] == b"SET" and words[2:3] == [b"="] and len(words) == 4:
            self._set(words[1], words[3])

    def _set(self, name: bytes, value: bytes) -> None:
        if name in (b"COPIES", b"QTY"):
            if not value.isdigit() or not 1 <= int(value) <= MOST_COPIES:
                raise CannotCountError(DAMAGED)
            self.copies *= int(value)
        elif name == b"DUPLEX":
            self.duplex = value == b"ON"
        elif name == b"RENDERMODE":
            self.grey = value == b"GRAYSCALE"
        elif name in MANY_UP and value not in SINGLE:
            raise CannotCountError("the document asks the printer to put pages together, so they cannot be counted")
        elif name == b"HOLD" and value != b"OFF":
            raise CannotCountError("the document asks the printer to keep it, so its pages cannot be counted")


def printer_language_pages(file: BinaryIO, *, colour: bool) -> tuple[list[Page], bool | None]:
    """The pages of a document in a printer's language, and which sides it asks for. Raises CannotCountError.

    Several documents with commands between them are counted together, as CUPS sends a job with banner pages.
    """
    pages: list[Page] = []
    sides: set[bool | None] = set()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place, number = 0, 0
        while place < len(data):
            job = Job()
            place = _pass_commands(data, place, job)
            if place == len(data):
                break
            end = data.find(UEL, place)
            end = len(data) if end < 0 else end
            number += 1
            if number > 1 and (job.copies > 1 or len(pages) > MOST_PAGES):
                raise CannotCountError(SEVERAL)
            found, sided = _pages(file, data, (place, end), job, colour=colour and not job.grey)
            if len(found) * job.copies > MOST_PAGES or (job.copies > 1 and data.find(b"@PJL ENTER", end) >= 0):
                raise CannotCountError("the document asks for too many pages")
            pages += [(False if job.grey else coloured, paper) for coloured, paper in found] * job.copies
            sides.add(job.duplex if sided is None else sided)
            place = end
    return pages, sides.pop() if len(sides) == 1 else None


def _pages(
    file: BinaryIO, data: mmap.mmap, where: tuple[int, int], job: Job, *, colour: bool
) -> tuple[list[Page], bool | None]:
    """The pages of one document between commands, PJL's copies left aside, and its own word about the sides."""
    begin, end = where
    language = _language(data[begin : begin + 64], job.language)
    if job.language and language != job.language:
        raise CannotCountError(DAMAGED)
    if language == "pdf":
        from counting.pdf import pdf_pages

        return pdf_pages(file, colour=colour, begin=begin, end=end), None
    if language == "postscript":
        if job.copies > 1 and (data.find(b"NumCopies", begin, end) >= 0 or data.find(b"#copies", begin, end) >= 0):
            raise CannotCountError("the document says twice how many copies it wants")
        if data.find(b"@PJL ENTER", end) >= 0:  # Ghostscript would read on into the next one
            raise CannotCountError(SEVERAL)
        return _postscript_pages(file, begin, colour=colour), None
    if language and job.copies > 1:  # a page's own number of copies counts instead: which one would it be?
        raise CannotCountError("the document says twice how many copies it wants")
    if language == "pcl":
        from counting.pcl import pcl_pages

        return pcl_pages(data, begin, end)
    if language == "pclxl":
        from counting.pcl_xl import pcl_xl_pages

        return pcl_xl_pages(data, begin, end)
    raise CannotCountError("the document is in a printer language that cannot be counted")


def _pass_commands(data: mmap.mmap, place: int, job: Job) -> int:
    """Read UEL, PJL lines and blanks from `place` on; return where something else begins. Raises CannotCountError."""
    in_pjl = False
    while place < len(data):
        if data[place : place + len(UEL)] == UEL:
            place, in_pjl = place + len(UEL), True
        elif in_pjl and data[place : place + 4] == b"@PJL":
            end = data.find(b"\n", place, place + MOST_LINE_BYTES)
            if end < 0:
                raise CannotCountError(DAMAGED)
            line = data[place:end]
            place = end + 1
            job.obey(line)
            if job.language:
                break
        elif data[place] in BETWEEN:
            place += 1
        else:
            break
    return place


def _language(start: bytes, said: str) -> str:
    start = start.lstrip(BETWEEN)
    if start.startswith(b"%!"):
        return "postscript"
    if start.startswith((b") HP-PCL XL;", b"( HP-PCL XL;", b"' HP-PCL XL;")):
        return "pclxl"
    if start.startswith(b"%PDF-"):
        return "pdf"
    return "pcl" if start.startswith(b"\x1b") or said == "pcl" else ""


def _postscript_pages(file: BinaryIO, begin: int, *, colour: bool) -> list[Page]:
    """Run a PostScript program to its end and look at what it drew; copies that it asks for are drawn too."""
    from counting.ghostscript import DPI, NO_SIZE, Reading

    os.lseek(file.fileno(), begin, os.SEEK_SET)
    reading = Reading(file.fileno(), seekable=False)
    try:
        return [
            (
                coloured if colour else None,
                "" if (wide, high) == NO_SIZE else paper_of_points(wide * 72 / DPI, high * 72 / DPI),
            )
            for coloured, wide, high in reading.pages()
        ]
    finally:
        reading.close()
