"""The pages of print jobs: one's own, and for administrators all of them with filters and as a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor, helper, signed_in
from app.db import reading, writing
from app.errors import InvalidInputError, NotFoundError, WrongStateError
from app.people import service as people
from app.people.models import User
from app.people.rules import name_key
from app.printing import charges, job_story, job_words, jobs_file, jobs_filter, jobs_list, releases, titles
from app.printing.jobs_filter import Filter
from app.printing.jobs_list import Selection
from app.printing.models import PrintJob
from app.printing.releases import Actor
from app.settings import settings_of_app
from app.web.addresses import read_number
from language import N_, _

PAGE = 50
NAMESAKES_MAX = 10
ID = "int(max=9223372036854775807)"
DONE = {
    "release": N_("Released. It prints soon."),
    "cancel": N_("Cancelled. Nothing was charged."),
    "send_on": N_("Sent on."),
}

blueprint = Blueprint("print_jobs", __name__)


@dataclass(frozen=True)
class Persons:
    """Whom a filter means: one user, several to choose from, or a name that nobody has; `nobody` is that name."""

    user: User | None = None
    namesakes: list[User] = field(default_factory=list)
    nobody: str = ""


@blueprint.app_context_processor
def _words() -> dict[str, Any]:
    """What pages about jobs need to show them."""
    return {"job_words": job_words, "shown_title": titles.shown, "title_for_admin": title_for_admin}


def title_for_admin(job: PrintJob) -> str:
    """Return what stands for a job's title on pages of administrators."""
    return titles.shown(job, hidden=_hidden())


def _hidden() -> bool:
    if "titles_hidden" not in flask.g:
        flask.g.titles_hidden = titles.privacy(reading()).hidden
    return bool(flask.g.titles_hidden)


@blueprint.get("/print-jobs")
@signed_in
def list_own() -> str:
    """List the visitor's own jobs, newest first."""
    session, now = reading(), clock.now()
    after = jobs_list.place_of(session, job_id=read_number(request.args.get("after")))
    page = jobs_list.read_page(session, selection=Selection(user_id=current_user.id), limit=PAGE, after=after)
    jobs = [row.job for row in page.rows]
    return flask.render_template(
        "printing/jobs.html",
        page=page,
        after=after,
        charged=charges.of_jobs(session, jobs=jobs),
        waiting=releases.list_waiting(session, user_id=current_user.id),
        keep_days=titles.privacy(session).keep_days,
        now=now,
    )


@blueprint.get(f"/print-jobs/<{ID}:job_id>")
@signed_in
def show_own(job_id: int) -> str:
    """Show one of the visitor's own jobs with its whole story."""
    return render_own(own_job(reading(), job_id=job_id))


def own_job(session: Session, *, job_id: int) -> PrintJob:
    """Return a job of the visitor's own. Raises NotFoundError for anybody else's, as for none."""
    job = session.get(PrintJob, job_id)
    if job is None or job.user_id != current_user.id:
        raise NotFoundError(_("There is no such job of yours."))
    return job


def render_own(job: PrintJob, **forms: Any) -> str:
    """Return the page of one's own job. `forms`: those of other rooms, as they were sent."""
    return _render("printing/job.html", job, titles.shown(job, whole=True), forms)


def render_for_admin(job: PrintJob, **forms: Any) -> str:
    """Return the page of anybody's job."""
    return _render("printing/job_admin.html", job, titles.shown(job, whole=True, hidden=_hidden()), forms)


def _render(template: str, job: PrintJob, title: str, forms: dict[str, Any]) -> str:
    session, settings = reading(), settings_of_app()
    return flask.render_template(
        template,
        job=job,
        title=title,
        story=job_story.tell(session, job=job, unit=settings.unit),
        waiting=releases.beside(session, jobs=[job])[0] if job.state == "waiting" else None,
        owner=people.get_user(session, user_id=job.user_id) if job.user_id is not None else None,
        forms=forms,
    )


@blueprint.get("/admin/print-jobs")
@auditor
def list_all() -> str | tuple[str, int]:
    """List the jobs that the address asks for, newest first."""
    session, settings, hidden = reading(), settings_of_app(), _hidden()
    chosen = jobs_filter.read(request.args, titles=not hidden)
    meant = _persons(session, chosen)
    after = jobs_list.place_of(session, job_id=read_number(request.args.get("after")))
    page = jobs_list.Page([])
    if not chosen.problems and not meant.namesakes:
        page = jobs_list.read_page(session, selection=_selection(chosen, meant), limit=PAGE, after=after)
    printers, servers = jobs_list.known_printers(session)
    made = flask.render_template(
        "printing/jobs_admin.html",
        page=page,
        after=after,
        chosen=chosen,
        meant=meant,
        hidden=hidden,
        printers=printers,
        servers=servers,
        charged=charges.of_jobs(session, jobs=[row.job for row in page.rows]),
        zone=settings.zone,
    )
    return (made, 422) if chosen.problems else made


@blueprint.get("/admin/print-jobs.csv")
@auditor
def download() -> Response:
    """Give the jobs that the address asks for as a file."""
    settings, hidden = settings_of_app(), _hidden()
    chosen = jobs_filter.read(request.args, titles=not hidden)
    meant = _persons(reading(), chosen)
    problems = chosen.problems | ({"person": _("Several people have such a name")} if meant.namesakes else {})
    if problems:
        raise InvalidInputError(". ".join(problems.values()) + ".", fields=problems)
    return jobs_file.respond(selection=_selection(chosen, meant), hidden=hidden, settings=settings, now=clock.now())


@blueprint.get(f"/admin/print-jobs/<{ID}:job_id>")
@auditor
def show(job_id: int) -> str:
    """Show anybody's job with its whole story."""
    return render_for_admin(any_job(reading(), job_id=job_id))


@blueprint.post(f"/admin/print-jobs/<{ID}:job_id>/release")
@helper
def release(job_id: int) -> Response:
    """Let somebody's job print."""
    return _act("release", job_id)


@blueprint.post(f"/admin/print-jobs/<{ID}:job_id>/cancel")
@helper
def cancel(job_id: int) -> Response:
    """Throw somebody's waiting job out."""
    return _act("cancel", job_id)


@blueprint.post(f"/admin/print-jobs/<{ID}:job_id>/send-on")
@admin
def send_on(job_id: int) -> Response:
    """Have the print server ask again for a job that waits for an administrator."""
    return _act("send_on", job_id)


def any_job(session: Session, *, job_id: int) -> PrintJob:
    """Return a job, whoever's it is. Raises NotFoundError."""
    job = session.get(PrintJob, job_id)
    if job is None:
        raise NotFoundError(_("There is no such job."))
    return job


def visitor() -> Actor:
    """Return who visits, with what they may do here."""
    language = settings_of_app().config.language
    return Actor(current_user.id, current_user.role, current_user.signature, language)


def _act(verb: str, job_id: int) -> Response:
    do, by, now = getattr(releases, verb), visitor(), clock.now()
    try:
        writing(lambda session: do(session, job_id=job_id, by=by, now=now))
        flask.flash(_(DONE[verb]), "ok")
    except WrongStateError as exc:
        flask.flash(_("%(problem)s Nothing was changed.", problem=exc.message), "bad")
    return flask.redirect(flask.url_for(".show", job_id=job_id), 303)


def _persons(session: Session, chosen: Filter) -> Persons:
    if not chosen.person:
        return Persons()
    found = people.list_users(session, query=chosen.person, after="", limit=NAMESAKES_MAX)
    users = [user for user, _account in found]
    exact = people.find_user(session, username=name_key(chosen.person))
    if exact is not None or len(users) == 1:
        return Persons(exact or users[0])
    return Persons(namesakes=users) if users else Persons(nobody=chosen.person)


def _selection(chosen: Filter, meant: Persons) -> Selection:
    zone = settings_of_app().zone
    return chosen.selection(zone, user_id=meant.user.id if meant.user else None, nobody=meant.nobody)
