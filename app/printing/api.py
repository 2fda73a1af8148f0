"""The door for print servers: /api/v1/print."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from flask import Blueprint, request
from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError, UnavailableError
from app.people.credentials import identify
from app.printing import asking, charging, printers, rules
from app.printing.documents import Document, Run, paper_key
from app.settings import settings_of_app

blueprint = Blueprint("printing_api", __name__, url_prefix="/api/v1/print")

JOB_MAX = 2**63 - 1  # a larger number is no row of any database
RUNS_MAX = 100_000
COPIES_MAX = 100_000
SERVER_MAX = 80
PRINTER_MAX = 128
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

Pages = Annotated[int, Field(ge=0, le=rules.PAGES_MAX)]
Server = Annotated[Text, Field(min_length=1, max_length=SERVER_MAX, pattern="^[^:]+$")]  # ":" parts the books' keys


def _plausible(at: datetime) -> datetime:
    if at < EARLIEST:
        raise ValueError("lies before this was written")
    return at.astimezone(UTC)


class DocumentBody(Body):
    """What was counted: runs of pages of one copy as [pages, colour, paper], copies, sides."""

    runs: list[tuple[Pages, bool | None, Annotated[Text, Field(max_length=100)]]] = Field(max_length=RUNS_MAX)
    copies: int = Field(default=1, ge=1, le=COPIES_MAX)
    duplex: bool = False

    @model_validator(mode="after")
    def _is_not_endless(self) -> DocumentBody:
        if sum(run[0] for run in self.runs) * self.copies > rules.PAGES_MAX:
            raise ValueError(f"has more than {rules.PAGES_MAX} pages")
        return self

    def read(self) -> Document:
        """Return it as a value."""
        runs = tuple(Run(pages, colour, paper_key(paper)) for pages, colour, paper in self.runs)
        return Document(runs, self.copies, self.duplex)


class JobBody(Body):
    """A job that wants to print."""

    server: Server
    printer: Text = Field(min_length=1, max_length=PRINTER_MAX)
    user: Text = Field(max_length=256)
    job_id: int = Field(ge=0, lt=2**31)
    job_uuid: Text = Field(min_length=1, max_length=100)
    title: Text = Field(default="", max_length=1000)
    pages: Pages | None
    document: DocumentBody | None = None
    host: Text = Field(default="", max_length=256)
    doubt: Text = Field(default="", max_length=500)

    def read(self) -> asking.JobSeen:
        """Return it as a value."""
        return asking.JobSeen(
            server=self.server,
            printer=self.printer,
            user=self.user,
            job_id=self.job_id,
            job_uuid=self.job_uuid,
            title=self.title,
            pages=self.pages,
            document=self.document.read() if self.document is not None and self.pages is not None else None,
            host=self.host,
            doubt=self.doubt,
        )


class PrintedBody(JobBody):
    """A job that was printed while the instance was away."""

    print_key: Text = Field(min_length=1, max_length=100)
    printed: Pages
    estimated: bool = False
    at: Annotated[AwareDatetime, Field(strict=False), AfterValidator(_plausible)]


class CaptureBody(Body):
    """What the printer says it printed; `estimated`: it could not say, and this was counted before."""

    run: int = Field(ge=1, lt=2**31)
    pages: Pages
    estimated: bool = False


class ReleaseBody(Body):
    """Why a run ended without paper."""

    run: int = Field(ge=1, lt=2**31)
    reason: Text = Field(default="", max_length=1000)


@blueprint.get("/printers/<path:name>")
@machine("print")
def describe_printer(name: str) -> dict[str, Any]:
    """Say what must be counted of a printer's jobs, and what to do with them while the instance is away."""
    settings, server = settings_of_app(), request.args.get("server", "")
    if not 1 <= len(server) <= SERVER_MAX or ":" in server or "\0" in server:
        raise InvalidInputError("Name the print server, at most 80 characters.", fields={"server": "required"})
    if len(name) > PRINTER_MAX or "\0" in name:
        raise InvalidInputError("Name the printer, at most 128 characters.", fields={"name": "too long"})
    printer = printers.find(reading(), server=server, name=name)
    if printer is None:
        printer = writing(lambda session: printers.get_printer(session, server=server, name=name, now=clock.now()))
    rule = printers.rule(reading(), printer=printer, settings=settings)
    return {"count": rule.count, "away": rule.away, "fresh_s": rule.fresh_s}


@blueprint.post("/jobs")
@machine("print")
def ask_to_print() -> dict[str, Any]:
    """Answer whether a job may print, and hold its price."""
    body, settings = read_body(JobBody), settings_of_app()
    seen = body.read()
    user_id, looked_up = _user_id(body.user)
    answer = writing(
        lambda session: asking.ask(
            session, seen=seen, user_id=user_id, looked_up=looked_up, settings=settings, now=clock.now()
        )
    )
    return {
        "decision": answer.decision,
        "reason": answer.reason,
        "waits_for": answer.waits_for,
        "job": answer.job,
        "run": answer.run,
        "price_micro": answer.price,
        "price_text": settings.unit.price(answer.price),
    }


@blueprint.post("/printed")
@machine("print")
def book_printed() -> dict[str, Any]:
    """Book a job that was printed while the instance was away."""
    body, settings = read_body(PrintedBody), settings_of_app()
    seen, printed = body.read(), charging.Printed(body.print_key, body.printed, body.estimated, body.at)
    user_id, _ = _user_id(body.user)
    job, charged = writing(
        lambda session: charging.book_printed(
            session, seen=seen, printed=printed, user_id=user_id, settings=settings, now=clock.now()
        )
    )
    return {"job": job.id, "run": job.run, **_charged(charged)}


@blueprint.post(f"/jobs/<int(max={JOB_MAX}):job_id>/capture")
@machine("print")
def capture_job(job_id: int) -> dict[str, Any]:
    """Charge what was printed."""
    body = read_body(CaptureBody)
    charged = writing(
        lambda session: charging.capture(
            session, job_id=job_id, run=body.run, pages=body.pages, estimated=body.estimated, now=clock.now()
        )
    )
    return _charged(charged)


@blueprint.post(f"/jobs/<int(max={JOB_MAX}):job_id>/release")
@machine("print")
def release_job(job_id: int) -> dict[str, Any]:
    """Give back what was held for a run that printed nothing."""
    body = read_body(ReleaseBody)
    writing(lambda session: charging.release(session, job_id=job_id, run=body.run, reason=body.reason, now=clock.now()))
    return {}


def _charged(charged: charging.Charged) -> dict[str, Any]:
    amount = charged.amount
    return {"charged_micro": amount, "charged_text": settings_of_app().unit.price(amount), "pages": charged.pages}


def _user_id(name: str) -> tuple[int | None, bool]:
    """Return (whose name it is, whether that could be found out): one unknown name must not stop a queue."""
    try:
        return identify(name).id, True
    except NotFoundError:
        return None, True
    except UnavailableError:
        return None, False
