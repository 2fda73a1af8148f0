"""Print jobs as a CSV file that a spreadsheet opens as it was meant, sent as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import flask

from app import money
from app.db import reading
from app.printing import charges, documents, job_words, jobs_list, titles
from app.printing.charges import Charged
from app.printing.jobs_list import Row, Selection
from app.settings import Settings
from app.web.sheets import BOM, as_csv, guarded

HEAD: Final = (
    "sent", "person", "user name", "sent as", "server", "printer", "number", "title", "state", "why", "pages counted",
    "pages printed", "colour pages", "copies", "two-sided", "paper", "cost", "given back", "estimated", "job",
)  # fmt: skip
CHUNK: Final = 1000


def respond(*, selection: Selection, hidden: bool, settings: Settings, now: datetime) -> flask.Response:
    """Return every job of a selection as a file. `hidden`: without titles."""

    def parts() -> Iterator[str]:
        yield BOM + as_csv([HEAD])
        for rows in jobs_list.read_all(reading(), selection=selection, chunk=CHUNK):
            charged = charges.of_jobs(reading(), jobs=[row.job for row in rows])
            yield as_csv(_cells(row, charged[row.job.id], hidden, settings) for row in rows)

    day = now.astimezone(settings.zone).date().isoformat()
    response = flask.Response(flask.stream_with_context(parts()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="print-jobs-{settings.config.id}-{day}.csv"'
    return response


def _cells(row: Row, charged: Charged, hidden: bool, settings: Settings) -> Sequence[str]:
    job, user = row.job, row.user
    decimals = settings.unit.decimals

    def number(value: int | None) -> str:
        return "" if value is None else str(value)

    return (
        job.created_at.astimezone(settings.zone).isoformat(timespec="seconds"),
        guarded(user.display_name) if user else "",
        guarded(user.username) if user else "",
        guarded(job.username),
        guarded(job.server),
        guarded(job.printer),
        str(job.job_number),
        guarded(titles.shown(job, hidden=True)) if hidden else guarded(titles.in_one_line(job.title)),
        job_words.state(job),
        guarded(job.reason),
        number(job.pages_counted),
        number(job.pages_printed),
        number(job.colour_pages),
        str(job.copies),
        "yes" if job.duplex else "no",
        documents.paper_in_words(job.paper) if job.paper else "",
        money.plain(charged.amount if job.state == "printed" else 0, decimals),
        money.plain(charged.given_back, decimals),
        "yes" if job.estimated else "no",
        str(job.id),
    )
