"""Pages, colour and paper of raster documents, found by walking from page header to page header.

PWG raster is PWG 5102.4; the Apple raster header is read as CUPS writes it. A total in a header is not believed
alone: writers of streams leave it 0, and anybody can write anything there.
"""

from __future__ import annotations

import mmap
import struct

from counting.colour import has_colour
from counting.papers import POINTS_PER_INCH, paper_of_points
from counting.reasons import CannotCountError, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

PWG_SYNC = b"RaS2"
PWG_SYNC_BYTES = 4
PWG_HEADER_BYTES = 1796
PWG_NAME = b"PwgRaster\0"
URF_NAME = b"UNIRAST\0"
URF_FILE_HEADER_BYTES = 12
URF_PAGE_HEADER_BYTES = 32
CLEAR = 128
MAX_LINE_BYTES = 1 << 24
MAX_LINES = 1 << 20
MOST_COPIES = 9_999
MOST_PAGES = 1_000_000
LOOK_BYTES = 1 << 19
# Colour spaces as CUPS numbers them (cups/raster.h): white, black, sGray; RGB, CMY, CMYK, sRGB, Adobe RGB.
PWG_GREYS, PWG_COLOURS = frozenset({0, 3, 18}), frozenset({1, 4, 6, 19, 20})
# And those of Apple raster (cups/raster-stream.c): sGray, grey; sRGB, Adobe RGB, RGB, CMYK.
URF_GREYS, URF_COLOURS = frozenset({0, 4}), frozenset({1, 3, 5, 6})
URF_TWO_SIDED = (2, 3)
DAMAGED = "the raster document is damaged"


def pwg_raster_pages(file: BinaryIO, *, colour: bool = False) -> tuple[list[Page], bool]:
    """The pages of a PWG raster stream, and whether it asks for both sides of the paper.

    A page that asks for copies of itself counts as often. Raises CannotCountError when a page is cut off, a header
    makes no sense, or the total in a header is another.
    """
    data = _bytes_of(file)
    place, total, duplex, before = PWG_SYNC_BYTES, 0, False, 0
    pages: list[Page] = []
    while place < len(data):
        if data[place : place + PWG_SYNC_BYTES] == PWG_SYNC:  # the next of several: CUPS sends banner pages so
            _check_total(total, len(pages) - before)
            place, total, before = place + PWG_SYNC_BYTES, 0, len(pages)
        if place + PWG_HEADER_BYTES > len(data) or data[place : place + len(PWG_NAME)] != PWG_NAME:
            raise CannotCountError(DAMAGED)
        (copies,) = struct.unpack_from(">I", data, place + 340)
        two_sided, across_dpi, down_dpi = struct.unpack_from(">III", data, place + 272)
        points = struct.unpack_from(">II", data, place + 352)
        width, lines, _, bits_a_sample, bits_a_pixel, line_bytes, order, space = struct.unpack_from(
            ">IIIIIIII", data, place + 372
        )
        (stated,) = struct.unpack_from(">I", data, place + 452)
        if order != 0 or copies > MOST_COPIES:
            raise CannotCountError(DAMAGED)
        pixel_bytes = max(bits_a_pixel // 8, 1)
        begin = place + PWG_HEADER_BYTES
        place = _skip_page(data, begin, lines, pixel_bytes, line_bytes)
        shape = (bits_a_sample, pixel_bytes, line_bytes)
        looked = _colour(data, begin, place, shape, _known(space, PWG_GREYS, PWG_COLOURS), look=colour)
        pages += [(looked, paper_of_points(*points) or _paper(width, lines, across_dpi, down_dpi))] * max(copies, 1)
        if len(pages) > MOST_PAGES:
            raise CannotCountError("the raster document asks for too many pages")
        total, duplex = max(total, stated), duplex or two_sided == 1
    _check_total(total, len(pages) - before)
    return pages, duplex


def apple_raster_pages(file: BinaryIO, *, colour: bool = False) -> tuple[list[Page], bool]:
    """The pages of an Apple raster (URF) stream; otherwise as pwg_raster_pages."""
    data = _bytes_of(file)
    if len(data) < URF_FILE_HEADER_BYTES:
        raise CannotCountError(DAMAGED)
    (total,) = struct.unpack_from(">I", data, 8)
    place, duplex, before = URF_FILE_HEADER_BYTES, False, 0
    pages: list[Page] = []
    while place < len(data):
        if data[place : place + len(URF_NAME)] == URF_NAME and place + URF_FILE_HEADER_BYTES <= len(data):
            _check_total(total, len(pages) - before)
            (total,) = struct.unpack_from(">I", data, place + 8)
            place, before = place + URF_FILE_HEADER_BYTES, len(pages)
        if place + URF_PAGE_HEADER_BYTES > len(data):
            raise CannotCountError(DAMAGED)
        bits_a_pixel, space, sides = data[place], data[place + 1], data[place + 2]
        width, lines, dpi = struct.unpack_from(">III", data, place + 12)
        if bits_a_pixel not in (8, 16, 24, 32, 48, 64):
            raise CannotCountError(DAMAGED)
        pixel_bytes, begin = bits_a_pixel // 8, place + URF_PAGE_HEADER_BYTES
        place = _skip_page(data, begin, lines, pixel_bytes, width * pixel_bytes)
        bits_a_sample = 16 if bits_a_pixel in (48, 64) else 8
        shape = (bits_a_sample, pixel_bytes, width * pixel_bytes)
        looked = _colour(data, begin, place, shape, _known(space, URF_GREYS, URF_COLOURS), look=colour)
        pages.append((looked, _paper(width, lines, dpi, dpi)))
        duplex = duplex or sides in URF_TWO_SIDED
    _check_total(total, len(pages) - before)
    return pages, duplex


def _check_total(total: int, pages: int) -> None:
    if total and total != pages:
        raise CannotCountError("the raster document's total is not the number of its pages")


def _paper(width: int, lines: int, across_dpi: int, down_dpi: int) -> str:
    if not (across_dpi and down_dpi):
        return ""
    return paper_of_points(width / across_dpi * POINTS_PER_INCH, lines / down_dpi * POINTS_PER_INCH)


def _known(space: int, greys: frozenset[int], colours: frozenset[int]) -> bool | None:
    """False for a space without colour, True for one whose first three samples are RGB or CMY, None for others."""
    return False if space in greys else True if space in colours else None


def _colour(
    data: mmap.mmap | bytes, place: int, end: int, shape: tuple[int, int, int], can: bool | None, *, look: bool
) -> bool | None:
    """Whether a page that _skip_page has passed over has colour; None where nobody looked, or could."""
    bits_a_sample, pixel_bytes, line_bytes = shape
    sample_bytes = bits_a_sample // 8
    if not can:
        return can
    if not look or bits_a_sample not in (8, 16) or pixel_bytes < 3 * sample_bytes:
        return None
    pixels = bytearray()
    while place < end:
        place += 1
        filled = 0
        while filled < line_bytes:
            code = data[place]
            if code == CLEAR:
                place += 1
                break
            step = pixel_bytes if code < CLEAR else (257 - code) * pixel_bytes
            pixels += data[place + 1 : place + 1 + step]
            place += 1 + step
            filled += (code + 1) * pixel_bytes if code < CLEAR else step
        if len(pixels) > LOOK_BYTES:
            if _has_colour(pixels, pixel_bytes, sample_bytes):
                return True
            pixels.clear()
    return _has_colour(pixels, pixel_bytes, sample_bytes)


def _has_colour(pixels: bytearray, pixel_bytes: int, sample_bytes: int) -> bool:
    """Of samples of two bytes the first is looked at: it is the larger (both formats are big-endian)."""
    first, second, third = (bytes(pixels[n * sample_bytes :: pixel_bytes]) for n in range(3))
    return has_colour(first, second, third)


def _bytes_of(file: BinaryIO) -> mmap.mmap | bytes:
    """The whole file without reading it into memory: 200 pages of raster are some 400 MB."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (ValueError, OSError):
        raise CannotCountError("the document is empty or not a plain file") from None


def _skip_page(data: mmap.mmap | bytes, place: int, lines: int, pixel_bytes: int, bytes_per_line: int) -> int:
    """Return the place after a page's compressed lines. Raises CannotCountError when they do not end where they must.

    Each line: how often it repeats (one byte, less one); then runs until the line is full: 0 to 127 is one pixel
    that repeats (one more than the number), 129 to 255 is 257 less the number of pixels as they are, 128 clears the
    rest of the line.
    """
    if not (0 < lines <= MAX_LINES and 0 < bytes_per_line <= MAX_LINE_BYTES):
        raise CannotCountError(DAMAGED)
    # One addition per run instead of a choice: a page of photographs has a million runs.
    fills = [(code + 1) * pixel_bytes if code < CLEAR else (257 - code) * pixel_bytes for code in range(256)]
    steps = [1 + (pixel_bytes if code < CLEAR else fills[code]) for code in range(256)]
    fills[CLEAR], steps[CLEAR] = bytes_per_line, 1
    done = 0
    try:
        while done < lines:
            done += data[place] + 1
            place += 1
            filled = code = 0
            while filled < bytes_per_line:
                code = data[place]
                filled += fills[code]
                place += steps[code]
            if filled != bytes_per_line and code != CLEAR:
                raise CannotCountError(DAMAGED)
    except IndexError:
        raise CannotCountError(DAMAGED) from None
    if done != lines or place > len(data):
        raise CannotCountError(DAMAGED)
    return place
