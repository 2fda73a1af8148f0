"""The door for print servers: /api/v1/print."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from pydantic import Field

from app import clock
from app.api.access import machine
from app.api.bodies import Body, Text, read_body
from app.db import writing
from app.errors import NotFoundError, UnavailableError
from app.people.credentials import identify
from app.printing import rules, service
from app.settings import settings_of_app

blueprint = Blueprint("printing_api", __name__, url_prefix="/api/v1/print")

JOB_MAX = 2**63 - 1  # a larger number is no row of any database


class JobBody(Body):
    """A job that wants to print."""

    server: Text = Field(min_length=1, max_length=80, pattern="^[^:]+$")  # ":" parts the keys of the books
    printer: Text = Field(min_length=1, max_length=128)
    user: Text = Field(max_length=256)
    job_id: int = Field(ge=0, lt=2**31)
    job_uuid: Text = Field(min_length=1, max_length=100)
    title: Text = Field(default="", max_length=1000)
    pages: int | None = Field(ge=0, le=rules.PAGES_MAX)


class CaptureBody(Body):
    """What the printer says it printed."""

    run: int = Field(ge=1, lt=2**31)
    pages: int = Field(ge=0, le=rules.PAGES_MAX)


class ReleaseBody(Body):
    """Why a run ended without paper."""

    run: int = Field(ge=1, lt=2**31)
    reason: Text = Field(default="", max_length=1000)


@blueprint.post("/jobs")
@machine("print")
def ask_to_print() -> dict[str, Any]:
    """Answer whether a job may print, and hold its price."""
    body, settings = read_body(JobBody), settings_of_app()
    terms = service.Terms(settings.config.print.price_per_page, settings.unit, settings.enforces)
    seen = service.JobSeen(**body.model_dump())
    user_id, looked_up = _user_id(body.user)
    answer = writing(
        lambda session: service.ask(
            session, seen=seen, user_id=user_id, looked_up=looked_up, terms=terms, now=clock.now()
        )
    )
    return {
        "decision": answer.decision,
        "reason": answer.reason,
        "job": answer.job,
        "run": answer.run,
        "price_micro": answer.price,
        "price_text": settings.unit.price(answer.price),
    }


@blueprint.post(f"/jobs/<int(max={JOB_MAX}):job_id>/capture")
@machine("print")
def capture_job(job_id: int) -> dict[str, Any]:
    """Charge what was printed."""
    body = read_body(CaptureBody)
    charged, pages = writing(
        lambda session: service.capture(session, job_id=job_id, run=body.run, pages=body.pages, now=clock.now())
    )
    return {"charged_micro": charged, "charged_text": settings_of_app().unit.price(charged), "pages": pages}


@blueprint.post(f"/jobs/<int(max={JOB_MAX}):job_id>/release")
@machine("print")
def release_job(job_id: int) -> dict[str, Any]:
    """Give back what was held for a run that printed nothing."""
    body = read_body(ReleaseBody)
    writing(lambda session: service.release(session, job_id=job_id, run=body.run, reason=body.reason, now=clock.now()))
    return {}


def _user_id(name: str) -> tuple[int | None, bool]:
    """Return (whose name it is, whether that could be found out): one unknown name must not stop a queue."""
    try:
        return identify(name).id, True
    except NotFoundError:
        return None, True
    except UnavailableError:
        return None, False
