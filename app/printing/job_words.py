"""What people read about print jobs: their state, what they wait for, what they consist of. Functions of values."""

from __future__ import annotations

import re
from typing import Final

from app.printing import rules, told
from app.printing.models import PrintJob
from language import LANGUAGES, N_, _, _n, numbers, speaking

STATES: Final = {
    "printed": N_("Printed"),
    "held": N_("Prints now"),
    "waiting": N_("Waiting"),
    "cancelled": N_("Not printed"),
    "released": N_("Ended unpaid"),
}
"""The states by which lists are filtered."""

WAITS_FOR: Final = {
    "release": N_("Waits to be released"),
    "count": N_("Waits: pages not counted"),
    "directory": N_("Waits: owner not known"),
}
PILLS: Final = {"printed": "ok", "held": "running", "waiting": "low", "cancelled": "empty", "released": "off"}

BY_OWNER: Final = N_("You cancelled it. Nothing was charged.")
IN_TIME: Final = N_("Not printed: it was not released in time. Nothing was charged.")
NO_PAPER: Final = N_("The printer printed nothing.")
NOT_CHARGED: Final = "Not charged: {reason}, by {by}"
FIXED: Final = frozenset((BY_OWNER, IN_TIME, NO_PAPER))
"""Reasons that are kept as they stand here, as is NOT_CHARGED: whoever reads them reads them in their own language. All
others are kept in the instance's, as the print server was told them."""

_NOT_CHARGED: Final = re.compile(r"Not charged: (.*), by (.*)", re.S)

ESTIMATED: Final = N_(
    "This printer does not say what it printed, so the pages that were counted before printing were charged."
)


def state(job: PrintJob) -> str:
    """Return a job's state in a few words."""
    if job.state == "waiting":
        return _("Prints soon") if _is_let_go(job) else _(WAITS_FOR.get(job.waits_for, STATES["waiting"]))
    return _(STATES[job.state])


def pill(job: PrintJob) -> str:
    """Return the shape and colour of that state, as parts/pill.html knows them."""
    return "waiting" if job.state == "waiting" and _is_let_go(job) else PILLS[job.state]


def reason(job: PrintJob) -> str:
    """Return why a job is as it is, in a sentence; "" for no reason."""
    if job.reason in FIXED:
        return _(job.reason)
    if match := _NOT_CHARGED.fullmatch(job.reason):
        return _("Not charged: %(reason)s, by %(name)s", reason=match[1], name=match[2])
    return told.in_words(job.reason)


def why(job: PrintJob) -> str:
    """Return the same for a place that says "Not printed" already."""
    text = reason(job)
    for code in LANGUAGES:
        with speaking(code):
            text = text.removeprefix(_("Not printed: %(why)s", why="").rstrip())
    return text.strip()


def pages(job: PrintJob) -> int | None:
    """Return the pages that were printed or, before that, counted; None where they are not known."""
    return job.pages_printed if job.pages_printed is not None else job.pages_counted


def makeup(job: PrintJob) -> str:
    """Return what a job consists of, for a list: "12 pages, 3 in colour, 2 copies, two-sided"."""
    known = pages(job)
    parts = [_("not counted") if known is None else rules.pages_of_in_words(known, job.pages_counted)]
    if job.colour_pages:
        parts.append(_("%(num)s in colour", num=numbers.count(job.colour_pages)))
    if job.copies > 1:
        parts.append(_n("%(num)s copy", "%(num)s copies", job.copies))
    if job.duplex:
        parts.append(_("two-sided"))
    return ", ".join(parts)


def _is_let_go(job: PrintJob) -> bool:
    return job.order == "resume" or job.released_at is not None
