"""What people read about print jobs: their state, what they wait for, what they consist of. Functions of values."""

from __future__ import annotations

from typing import Final

from app.printing.models import PrintJob

STATES: Final = {
    "printed": "Printed",
    "held": "Printing",
    "waiting": "Waiting",
    "cancelled": "Not printed",
    "released": "Ended unpaid",
}
"""The states by which lists are filtered."""

WAITS_FOR: Final = {
    "release": "Waits to be released",
    "count": "Waits: pages not counted",
    "directory": "Waits: owner not known",
}
PILLS: Final = {"printed": "ok", "held": "running", "waiting": "low", "cancelled": "empty", "released": "off"}

ESTIMATED: Final = (
    "This printer does not say what it printed, so the pages that were counted before printing were charged."
)


def state(job: PrintJob) -> str:
    """Return a job's state in a few words."""
    if job.state == "waiting":
        if job.order == "resume" or job.released_at is not None:
            return "Prints soon"
        return WAITS_FOR.get(job.waits_for, "Waiting")
    return STATES[job.state]


def pill(job: PrintJob) -> str:
    """Return the shape and colour of that state, as parts/pill.html knows them."""
    return "waiting" if state(job) == "Prints soon" else PILLS[job.state]


def pages(job: PrintJob) -> int | None:
    """Return the pages that were printed or, before that, counted; None where they are not known."""
    return job.pages_printed if job.pages_printed is not None else job.pages_counted


def count(number: int, one: str, many: str = "") -> str:
    """Return "1 page", "3 pages"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def makeup(job: PrintJob) -> str:
    """Return what a job consists of, for a list: "12 pages, 3 in colour, 2 copies, two-sided, A4"."""
    known = pages(job)
    parts = ["not counted" if known is None else count(known, "page")]
    if job.pages_printed is not None and job.pages_counted is not None and job.pages_printed != job.pages_counted:
        parts[0] += f" of {job.pages_counted:,}"
    if job.colour_pages:
        parts.append(f"{job.colour_pages:,} in colour")
    if job.copies > 1:
        parts.append(f"{job.copies:,} copies")
    if job.duplex:
        parts.append("two-sided")
    return ", ".join(parts)
