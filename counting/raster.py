"""Pages of raster documents, counted by walking from page header to page header.

PWG raster is PWG 5102.4; the Apple raster header is read as CUPS writes it. A total in a header is not believed
alone: writers of streams leave it 0, and anybody can write anything there.
"""

from __future__ import annotations

import mmap
import struct
from typing import BinaryIO

from counting.reasons import CannotCountError

PWG_SYNC_BYTES = 4
PWG_HEADER_BYTES = 1796
PWG_NAME = b"PwgRaster\0"
URF_FILE_HEADER_BYTES = 12
URF_PAGE_HEADER_BYTES = 32
CLEAR = 128
MAX_LINE_BYTES = 1 << 24
MAX_LINES = 1 << 20
DAMAGED = "the raster document is damaged"


def pwg_raster_pages(file: BinaryIO) -> int:
    """The pages of a PWG raster stream; a page that asks for copies of itself counts as often.

    Raises CannotCountError when a page is cut off, a header makes no sense, or the total in a header is another.
    """
    data = _bytes_of(file)
    place, pages, total = PWG_SYNC_BYTES, 0, 0
    while place < len(data):
        if place + PWG_HEADER_BYTES > len(data) or data[place : place + len(PWG_NAME)] != PWG_NAME:
            raise CannotCountError(DAMAGED)
        (copies,) = struct.unpack_from(">I", data, place + 340)
        lines, bits_per_pixel, bytes_per_line, colour_order = (
            struct.unpack_from(">I", data, place + at)[0] for at in (376, 388, 392, 396)
        )
        (stated,) = struct.unpack_from(">I", data, place + 452)
        if colour_order != 0 or copies > 9999:
            raise CannotCountError(DAMAGED)
        place = _skip_page(data, place + PWG_HEADER_BYTES, lines, max(bits_per_pixel // 8, 1), bytes_per_line)
        pages += max(copies, 1)
        total = max(total, stated)
    if total and total != pages:
        raise CannotCountError("the raster document's total is not the number of its pages")
    return pages


def apple_raster_pages(file: BinaryIO) -> int:
    """The pages of an Apple raster (URF) stream. Raises CannotCountError as pwg_raster_pages does."""
    data = _bytes_of(file)
    if len(data) < URF_FILE_HEADER_BYTES:
        raise CannotCountError(DAMAGED)
    (total,) = struct.unpack_from(">I", data, 8)
    place, pages = URF_FILE_HEADER_BYTES, 0
    while place < len(data):
        if place + URF_PAGE_HEADER_BYTES > len(data):
            raise CannotCountError(DAMAGED)
        bits_per_pixel = data[place]
        width, lines = struct.unpack_from(">II", data, place + 12)
        pixel_bytes = bits_per_pixel // 8
        if bits_per_pixel not in (8, 16, 24, 32, 48, 64):
            raise CannotCountError(DAMAGED)
        place = _skip_page(data, place + URF_PAGE_HEADER_BYTES, lines, pixel_bytes, width * pixel_bytes)
        pages += 1
    if total and total != pages:
        raise CannotCountError("the raster document's total is not the number of its pages")
    return pages


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
