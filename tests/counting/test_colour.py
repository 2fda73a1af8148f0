"""Colour, paper and sides of each page, as the counter finds them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pikepdf
import pytest

from counting.colour import SPREAD, has_colour
from tests.counting.test_pages import found, refusal
from tests.servers import documents

COLOUR = "--colour"
A4 = (595, 842)


def pdf_of(*drawings: bytes, sizes: dict[int, tuple[float, float]] | None = None, turned: int = 0) -> bytes:
    document, out = pikepdf.Pdf.new(), io.BytesIO()
    for number, drawing in enumerate(drawings):
        page = document.add_blank_page(page_size=(sizes or {}).get(number, A4))
        page.obj.Contents = document.make_stream(drawing)
        page.rotate(turned, relative=False)
    document.save(out)
    return out.getvalue()


LINE, RED = b"0 0 0 RG 72 700 m 400 700 l S", b" 1 0 0 rg 100 100 200 100 re f"


def test_five_colour_pages_of_twenty(tmp_path: Path) -> None:
    content = pdf_of(*(LINE + (RED if number in (0, 4, 5, 6, 19) else b"") for number in range(20)))
    answer = found(tmp_path, content, COLOUR)
    assert answer["runs"] == [
        [1, True, "a4"], [3, False, "a4"], [3, True, "a4"], [12, False, "a4"], [1, True, "a4"],
    ]  # fmt: skip
    assert found(tmp_path, content)["runs"] == [[20, None, "a4"]]


@pytest.mark.parametrize(
    ("drawing", "colour"),
    [
        (b"", False),
        (b"0 0 0 rg 0 0 300 300 re f", False),
        (b"0.5 0.5 0.5 rg 0 0 300 300 re f", False),
        (b"0 0 0 1 k 0 0 300 300 re f", False),
        (b"0.6 0.5 0.5 1 k 0 0 300 300 re f", False),
        (b"1 0 0 rg 300 300 0.3 0.3 re f", True),
        (b"0 0 1 0 k 300 300 20 20 re f", True),
        (b"1 0 0 rg 700 900 20 20 re f", False),
    ],
    ids=["empty", "black", "grey", "K", "rich black", "a red dot", "yellow", "beside the page"],
)
def test_what_has_colour(tmp_path: Path, drawing: bytes, colour: bool) -> None:
    assert found(tmp_path, pdf_of(drawing), COLOUR)["runs"] == [[1, colour, "a4"]]


def test_papers(tmp_path: Path) -> None:
    sizes = {0: (842, 1191), 1: (1190.5, 841.9), 2: (612, 792), 3: (612, 1008), 4: (420, 595), 5: (283, 425)}
    expected = ["a3", "a3", "na_letter", "na_legal", "a5", "custom_100x150mm"]
    answer = found(tmp_path, pdf_of(*[b""] * 6, sizes=sizes, turned=90))
    assert [paper for pages, _, paper in answer["runs"] for _ in range(pages)] == expected
    with pikepdf.open(io.BytesIO(pdf_of(b"", sizes={0: (100, 150)}))) as document:
        document.pages[0].obj.UserUnit = 2
        document.save(tmp_path / "units.pdf")
    assert found(tmp_path, (tmp_path / "units.pdf").read_bytes())["runs"] == [[1, None, "custom_71x106mm"]]


@pytest.mark.parametrize("spread", [SPREAD, SPREAD + 1])
@pytest.mark.parametrize("place", [0, 1, 998, 999])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_among_a_thousand_is_found(spread: int, place: int, channel: int) -> None:
    for base, change in ((0, spread), (255, -spread), (100, spread), (100, -spread)):
        channels = [bytearray([base]) * 1000 for _ in range(3)]
        channels[channel][place] += change
        assert has_colour(*map(bytes, channels)) is (spread > SPREAD)


def raster(space: int, pixel: bytes, *, urf: bool = False, bits: int = 8) -> bytes:
    """Two A4 pages at 10 dpi, the first white, the second with one pixel of its own in the middle."""
    width, lines = 83, 117
    step = len(pixel)
    white = b"\xff" * step
    line = bytes([(width - 1) % 128]) + white if width <= 128 else b""
    page_white = bytes([lines - 1]) + line
    own = bytes([0, 40 - 1]) + white + bytes([0]) + pixel + bytes([257 - 42]) + white * 42
    page_own = bytes([0]) + line + own + bytes([lines - 3]) + line
    if urf:
        header = struct.pack(">BBBBIIIIIII", step * 8, space, 3, 4, 0, 0, width, lines, 10, 0, 0)
        return b"UNIRAST\0" + struct.pack(">I", 2) + header + page_white + header + page_own
    head = bytearray(1796)
    head[0:10] = b"PwgRaster\0"
    for at, value in (
        (272, 1), (276, 10), (280, 10), (372, width), (376, lines), (384, bits), (388, step * 8),
        (392, step * width), (400, space),
    ):  # fmt: skip
        struct.pack_into(">I", head, at, value)
    return b"RaS2" + bytes(head) + page_white + bytes(head) + page_own


@pytest.mark.parametrize(
    ("content", "colours"),
    [
        (raster(19, b"\xff\0\0"), [False, True]),
        (raster(19, b"\x33\x33\x33"), [False, False]),
        (raster(18, b"\0"), [False, False]),
        (raster(1, b"\xff\xff\0\0\0\0", bits=16), [False, True]),
        (raster(6, b"\xff\0\0\0"), [False, True]),
        (raster(16, b"\xff\0\0"), [None, None]),
        (raster(1, b"\xff\0\0", urf=True), [False, True]),
        (raster(0, b"\0", urf=True), [False, False]),
    ],
    ids=["sRGB", "grey in sRGB", "sGray", "16 bits", "CMYK", "Lab", "URF sRGB", "URF grey"],
)
def test_raster(tmp_path: Path, content: bytes, colours: list[bool | None]) -> None:
    answer = found(tmp_path, content, COLOUR)
    assert [colour for pages, colour, _ in answer["runs"] for _ in range(pages)] == colours
    assert answer["duplex"] is True
    assert {paper for _, _, paper in answer["runs"]} == {"a4"}


def test_a_pdf_that_ghostscript_cannot_draw_is_refused_where_colour_counts(tmp_path: Path) -> None:
    for drawings in ((LINE, LINE), (LINE, b"")):
        with pikepdf.open(io.BytesIO(pdf_of(*drawings))) as document:
            document.pages[0].obj.Contents.write(b"this was never deflated", filter=pikepdf.Name.FlateDecode)
            document.save(tmp_path / "broken.pdf", compress_streams=False)
        broken = (tmp_path / "broken.pdf").read_bytes()
        assert "errors" in refusal(tmp_path, broken, COLOUR)
        assert found(tmp_path, broken)["pages"] == 2
    blank = found(tmp_path, pdf_of(LINE + RED, b"", LINE), COLOUR)  # as programs write that put blank pages in
    assert blank["runs"] == [[1, True, "a4"], [2, False, "a4"]]


def test_pages_one_after_the_other_in_several_documents(tmp_path: Path) -> None:
    content = documents.pdf(2) + pdf_of(LINE, RED)
    assert found(tmp_path, content, COLOUR)["runs"] == [[3, False, "a4"], [1, True, "a4"]]
