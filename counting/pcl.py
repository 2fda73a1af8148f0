"""Pages of PCL 5, found by following every escape sequence (HP, "PCL 5 Printer Language Technical Reference Manual").

A page comes out at a form feed, and, if something is on it, at a reset, at a change of paper or side, and at the end.
What may begin a page by itself (long text, wrapped lines, macros, HP-GL/2) is not followed and not counted.
"""

from __future__ import annotations

from counting.reasons import CannotCountError, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

ESCAPE, FORM_FEED, LINE_FEED = 0x1B, 0x0C, 0x0A
QUIET = frozenset(b"\0\x07\x08\t\r\x0e\x0f \x04")
MOST_LINES = 40  # fewer than any paper holds
MOST_COPIES = 9_999
MOST_PAGES = 1_000_000
PAPERS = {2: "na_letter", 3: "na_legal", 25: "a5", 26: "a4", 27: "a3"}
DAMAGED = "the PCL document is damaged"
NOT_FOLLOWED = "the document's pages are made by PCL commands that cannot be counted"
EJECTING = (b"&lA", b"&lH", b"&lO", b"&lP", b"&lT", b"&aG")
MARKING = (b"*bW", b"*bV", b"*cP", b"&pX")
COLOURING = (b"*vS", b"*vW", b"*rU")
NEVER = (b"&fX", b"&fY", b"&sC", b"%B")  # macros, wrapped lines, HP-GL/2


class _Paper:
    """The sheet in the printer, and what holds for the next ones."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.duplex: bool | None = None
        self.coloured = False
        self.reset()

    def reset(self) -> None:
        self.copies, self.paper = 1, ""
        self._clear()

    def _clear(self) -> None:
        self.marked, self.lines, self.placed = False, 0, False

    def eject(self, *, always: bool = False) -> None:
        if self.marked or always:
            self.pages += [(None, self.paper)] * self.copies
            if len(self.pages) > MOST_PAGES:
                raise CannotCountError("the document asks for too many pages")
        self._clear()

    def feed_line(self) -> None:
        self.lines += 1
        if self.lines > MOST_LINES or self.placed:
            raise CannotCountError(NOT_FOLLOWED)

    def obey(self, command: bytes, value: int) -> None:
        """Do what one escape sequence says. Raises CannotCountError."""
        if command in NEVER:
            raise CannotCountError(NOT_FOLLOWED)
        if command in EJECTING:
            self.eject()
        if command == b"&lX":
            if not 1 <= value <= MOST_COPIES:
                raise CannotCountError(DAMAGED)
            self.copies = value
        elif command == b"&lA":
            self.paper = PAPERS.get(value, "")
        elif command == b"&lS":
            self.duplex = value in (1, 2)
        elif command in (b"&aV", b"&aR", b"*pY"):
            self.placed = True
        self.marked = self.marked or command in MARKING
        self.coloured = self.coloured or command in COLOURING


def pcl_pages(data: mmap.mmap, begin: int, end: int) -> tuple[list[Page], bool | None]:
    """The pages of the PCL between two places, and whether both sides are asked for. Raises CannotCountError.

    Their colour is grey where the document never speaks of colours, and otherwise not known.
    """
    sheet, place = _Paper(), begin
    while place < end:
        byte = data[place]
        place += 1
        if byte == ESCAPE:
            place = _sequence(data, place, end, sheet)
        elif byte == FORM_FEED:
            sheet.eject(always=True)
        elif byte == LINE_FEED:
            sheet.feed_line()
        elif byte not in QUIET:
            sheet.marked = True
    sheet.eject()
    colour = None if sheet.coloured else False
    return [(colour, paper) for _, paper in sheet.pages], sheet.duplex


def _sequence(data: mmap.mmap, place: int, end: int, sheet: _Paper) -> int:
    """Follow one escape sequence from behind its ESC; return where it ends. Raises CannotCountError."""
    first = data[place : place + 1]
    if first == b"E":
        sheet.eject()
        sheet.reset()
        return place + 1
    if first == b"9":
        return place + 1
    if not first or first not in b"&*()%":
        raise CannotCountError(NOT_FOLLOWED)
    place += 1
    group = b""
    if 0x60 <= data[place] <= 0x7E and place < end:
        group = data[place : place + 1]
        place += 1
    while True:
        number = place
        while place < end and data[place] in b"+-.0123456789":
            place += 1
        if place >= end:
            raise CannotCountError(DAMAGED)
        value = _value(data[number:place])
        letter = data[place : place + 1]
        place += 1
        if not 0x40 <= letter[0] <= 0x7E:
            raise CannotCountError(DAMAGED)
        command = first + group + letter.upper()
        sheet.obey(command, value)
        if letter.upper() == b"W" or command in (b"*bV", b"&pX"):
            place += max(value, 0)
            if place > end:
                raise CannotCountError(DAMAGED)
        if letter.isupper() or letter == b"@":
            return place


def _value(text: bytes) -> int:
    try:
        return int(float(text or b"0"))
    except (ValueError, OverflowError):
        raise CannotCountError(DAMAGED) from None
