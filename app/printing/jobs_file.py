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
from language import N_, _

HEAD: Final = (
    N_("sent"), N_("person"), N_("user name"), N_("sent as"), N_("server"), N_("printer"), N_("number"), N_("title"),
    N_("state"), N_("why"), N_("pages counted"), N_("pages printed"), N_("colour pages"), N_("copies"), N_("two-sided"),
    N_("paper"), N_("cost"), N_("given back"), N_("estimated"), N_("job"),
)  # fmt: skip
CHUNK: Final = 1000


def respond(*, selection: Selection, hidden: bool, settings: Settings, now: datetime) -> flask.Response:
    """Return every job of a selection as a file. `hidden`: without titles."""

    def parts() -> Iterator[str]:
        yield BOM + as_csv([[_(name) for name in HEAD]])
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
        guarded(job_words.reason(job)),
        number(job.pages_counted),
        number(job.pages_printed),
        number(job.colour_pages),
        str(job.copies),
        _("yes") if job.duplex else _("no"),
        documents.paper_in_words(job.paper) if job.paper else "",
        money.plain(charged.amount if job.state == "printed" else 0, decimals),
        money.plain(charged.given_back, decimals),
        _("yes") if job.estimated else _("no"),
        str(job.id),
    )
