"""Documents for tests, written by hand: PDF of n A4 pages, PWG raster, Apple raster.

`python -m tests.servers.documents FOLDER` writes the samples in tests/samples.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

SAMPLES = {"one-page.pdf": 1, "three-pages.pdf": 3}
A4_POINTS = (595, 842)


def pdf(pages: int) -> bytes:
    """Return a PDF 1.4 document of `pages` A4 pages with a line of text each, and a correct cross-reference table."""
    first_page = 4
    kids = " ".join(f"{first_page + 2 * n} 0 R" for n in range(pages))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number in range(1, pages + 1):
        content = f"BT /F1 24 Tf 72 760 Td (Page {number} of {pages}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {A4_POINTS[0]} {A4_POINTS[1]}]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {2 * number + 3} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return pdf_of_objects(objects)


def pdf_of_objects(objects: list[str]) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is its catalogue."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def write_pdf(path: Path, pages: int) -> Path:
    """Write a PDF of `pages` pages, readable by every user (lp sends it to the print server), and return its path."""
    path.write_bytes(pdf(pages))
    path.chmod(0o644)
    return path


def pwg_raster(pages: int, *, stated: int = 0, copies: int = 1, lines: int = 20) -> bytes:
    """Return a PWG raster stream of small grey pages: each one white line that repeats, then lines of three kinds."""
    header = bytearray(1796)
    header[0:10] = b"PwgRaster\0"
    width = 40
    for at, value in ((340, copies), (372, width), (376, lines), (384, 8), (388, 8), (392, width), (452, stated)):
        struct.pack_into(">I", header, at, value)
    return b"RaS2" + (bytes(header) + _lines(lines)) * pages


def apple_raster(pages: int, *, stated: int = 0, lines: int = 20) -> bytes:
    """Return an Apple raster (URF) stream of the same pages."""
    header = struct.pack(">BBBBIIIIIII", 8, 0, 1, 4, 0, 0, 40, lines, 300, 0, 0)
    return b"UNIRAST\0" + struct.pack(">I", stated) + (header + _lines(lines)) * pages


def _lines(lines: int) -> bytes:
    """Compressed lines of 40 grey pixels: a repeated pixel; literal pixels and a repeat; cleared to the end."""
    same = bytes([lines - 3, 39, 255])
    mixed = bytes([0, 257 - 10]) + bytes(range(10)) + bytes([29, 7])
    return same + mixed + bytes([0, 128])


def main() -> None:
    """Write the samples into the folder named by the first argument."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, pages in SAMPLES.items():
        write_pdf(folder / name, pages)


if __name__ == "__main__":
    main()
