"""Pages of PCL XL (PCL 6), found by walking its tokens (HP, "PCL XL Feature Reference Protocol Class 2.0")."""

from __future__ import annotations

from counting.reasons import CannotCountError, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

SPACE = frozenset(b"\0\t\n\x0b\x0c\r ")
BEGIN_PAGE, END_PAGE, EXEC_STREAM, SET_COLOUR_SPACE = 0x43, 0x44, 0x5E, 0x6A
COLOUR_SPACE, MEDIA_SIZE, PAGE_COPIES, SIMPLEX, DUPLEX = 3, 37, 49, 52, 53
GREY = 1
REAL, ATTRIBUTE, EMBEDDED, EMBEDDED_SHORT = 5, 0xF8, 0xFA, 0xFB
SIZES = (1, 2, 4, 2, 4, 4)  # bytes of an unsigned byte, 16 and 32 bits unsigned, then signed, and a real
PAPERS: dict[int | None, str] = {0: "na_letter", 1: "na_legal", 2: "a4", 5: "a3", 16: "a5"}
MOST_HEADER_BYTES = 2_000
MOST_COPIES = 9_999
MOST_PAGES = 1_000_000
DAMAGED = "the PCL XL document is damaged"


class _Session:
    """What the operators have said so far."""

    def __init__(self) -> None:
        self.papers: list[str] = []
        self.duplex: bool | None = None
        self.coloured = self.in_page = False
        self._paper = ""

    def obey(self, operator: int, given: dict[int, int | None]) -> None:
        """Do what an operator says with the attributes given to it. Raises CannotCountError."""
        if operator == EXEC_STREAM or (operator == BEGIN_PAGE and self.in_page):
            raise CannotCountError(DAMAGED)
        if operator == BEGIN_PAGE:
            self.in_page = True
            if MEDIA_SIZE in given:
                self._paper = PAPERS.get(given[MEDIA_SIZE], "")
            if SIMPLEX in given or DUPLEX in given:
                self.duplex = DUPLEX in given
        elif operator == END_PAGE:
            copies = given.get(PAGE_COPIES, 1)
            if not self.in_page or copies is None or not 0 <= copies <= MOST_COPIES:
                raise CannotCountError(DAMAGED)
            self.in_page = False
            self.papers += [self._paper] * copies
            if len(self.papers) > MOST_PAGES:
                raise CannotCountError("the document asks for too many pages")
        elif operator == SET_COLOUR_SPACE and given.get(COLOUR_SPACE, GREY) != GREY:
            self.coloured = True


def pcl_xl_pages(data: mmap.mmap, begin: int, end: int) -> tuple[list[Page], bool | None]:
    """The pages of the PCL XL between two places, and whether both sides are asked for. Raises CannotCountError.

    Their colour is grey where no other space is ever set, and otherwise not known.
    """
    while data[begin] in SPACE:
        begin += 1
    session, value = _Session(), None
    given: dict[int, int | None] = {}
    big = data[begin : begin + 1] == b"("
    place = data.find(b"\n", begin, begin + MOST_HEADER_BYTES) + 1
    try:
        while 0 < place < end:
            token = data[place]
            place += 1
            if 0xC0 <= token <= 0xE5:
                value, place = _data(data, place, token, big)
            elif token in (ATTRIBUTE, ATTRIBUTE + 1):
                width = token - ATTRIBUTE + 1
                given[_number(data, place, width, big)] = value
                place += width
            elif token == EMBEDDED:
                place += 4 + _number(data, place, 4, big)
            elif token == EMBEDDED_SHORT:
                place += 1 + data[place]
            elif 0x41 <= token <= 0xBF:
                session.obey(token, given)
                given = {}
            elif token not in SPACE:
                raise CannotCountError(DAMAGED)
    except IndexError:
        raise CannotCountError(DAMAGED) from None
    if session.in_page or place != end:
        raise CannotCountError(DAMAGED)
    colour = None if session.coloured else False
    return [(colour, paper) for paper in session.papers], session.duplex


def _data(data: mmap.mmap, place: int, token: int, big: bool) -> tuple[int | None, int]:
    """Read a value behind its token: a whole number, or None for what is none; and where it ends."""
    kind, form = token & 7, token & 0xF8
    if kind >= len(SIZES):
        raise CannotCountError(DAMAGED)
    size = SIZES[kind]
    if form == 0xC8:  # an array: its length is a value too
        length, place = _data(data, place + 1, data[place], big)
        if length is None:
            raise CannotCountError(DAMAGED)
        return None, place + length * size
    if form == 0xC0:
        return (_number(data, place, size, big) if kind != REAL else None), place + size
    return None, place + size * (2 if form == 0xD0 else 4)


def _number(data: mmap.mmap, place: int, size: int, big: bool) -> int:
    return int.from_bytes(data[place : place + size], "big" if big else "little")
