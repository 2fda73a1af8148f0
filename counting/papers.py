"""Names of paper sizes: the short part of PWG 5101.1's self-describing names, whichever way the page is turned."""

from __future__ import annotations

MM_PER_INCH = 25.4
POINTS_PER_INCH = 72
TOLERANCE_MM = 2.0
KNOWN = (
    ("a4", 210.0, 297.0),
    ("na_letter", 215.9, 279.4),
    ("a3", 297.0, 420.0),
    ("a5", 148.0, 210.0),
    ("na_legal", 215.9, 355.6),
)
MOST_MM = 100_000


def paper_of_points(width: float, height: float) -> str:
    """The paper of a page in points of 1/72 inch: a name of KNOWN, custom_WxHmm, or "" for a page without a size."""
    return paper_of_mm(width * MM_PER_INCH / POINTS_PER_INCH, height * MM_PER_INCH / POINTS_PER_INCH)


def paper_of_mm(width: float, height: float) -> str:
    """The paper of a page in millimetres, as paper_of_points names it."""
    short, long = sorted((width, height))
    if not 0.5 <= short <= long <= MOST_MM:  # written so that "nan" is no size either
        return ""
    for name, w, h in KNOWN:
        if abs(short - w) <= TOLERANCE_MM and abs(long - h) <= TOLERANCE_MM:
            return name
    return f"custom_{round(short)}x{round(long)}mm"
