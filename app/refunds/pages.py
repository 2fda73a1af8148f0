"""The pages of refunds: the forms on a job's page, and the list of requests for who decides over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import Blueprint, request
from flask_login import current_user
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms import Field

from app import clock
from app.accounts.pages import my_allowance
from app.accounts.service import left_today
from app.api.access import admin, auditor, helper, signed_in
from app.db import reading, writing
from app.errors import DailyLimitError, InvalidInputError, WrongStateError
from app.money import parse_amount
from app.printing import job_pages
from app.printing.charges import Charged
from app.refunds import rules, service
from app.refunds.forms import ApproveForm, AskForm, GiveForm, RefuseForm
from app.refunds.models import Refund
from app.settings import settings_of_app
from app.web.addresses import read_number
from language import _

PAGE = 25
ID = job_pages.ID

blueprint = Blueprint("refunds", __name__)


@blueprint.app_context_processor
def _on_job() -> dict[str, Any]:
    """Let a job's page say what was asked for and decided; the database is only asked where it does."""
    return {
        "refunds_of": lambda job: service.of_job(reading(), job_id=job.id),
        "refund_forms": _forms,
        "refund_words": rules.STATE_WORDS,
        "refund_left_today": _left_today,
    }


@blueprint.post(f"/print-jobs/<{ID}:job_id>/refund")
@signed_in
def ask(job_id: int) -> Response | tuple[str, int]:
    """Ask for the charge of one's own job back."""
    job, form = job_pages.own_job(reading(), job_id=job_id), AskForm()
    if not form.validate():
        return job_pages.render_own(job, ask=form), 422
    reason, user_id, now = form.reason.data, current_user.id, clock.now()
    try:
        writing(lambda session: service.ask(session, job_id=job_id, user_id=user_id, reason=reason, now=now))
        flask.flash(_("Asked for. Somebody decides over it; the answer stands here."), "ok")
    except WrongStateError as exc:
        flask.flash(exc.message, "bad")
    return flask.redirect(flask.url_for("print_jobs.show_own", job_id=job_id), 303)


@blueprint.post(f"/print-jobs/<{ID}:job_id>/refund/withdraw")
@signed_in
def withdraw(job_id: int) -> Response:
    """Take one's own open request back."""
    user_id, now = current_user.id, clock.now()
    try:
        writing(lambda session: service.withdraw(session, job_id=job_id, user_id=user_id, now=now))
        flask.flash(_("Withdrawn. You may ask again."), "ok")
    except WrongStateError as exc:
        flask.flash(exc.message, "bad")
    return flask.redirect(flask.url_for("print_jobs.show_own", job_id=job_id), 303)


@blueprint.get("/admin/refunds")
@auditor
def list_refunds() -> str:
    """List the open requests, and below what was decided lately."""
    session = reading()
    after, before = read_number(request.args.get("after")), read_number(request.args.get("before"))
    waiting = service.list_open(session, after=after or 0, limit=PAGE + 1)
    decided = service.list_decided(session, before=before, limit=PAGE + 1)
    return flask.render_template(
        "refunds/list.html",
        waiting=waiting[:PAGE],
        more=waiting[PAGE - 1].refund.id if len(waiting) > PAGE else None,
        after=after,
        decided=decided[:PAGE],
        older=decided[PAGE - 1].refund.id if len(decided) > PAGE else None,
        before=before,
        count=service.count_open(session),
    )


@blueprint.post(f"/admin/refunds/<{ID}:refund_id>/approve")
@helper
def approve(refund_id: int) -> Response | tuple[str, int]:
    """Give back what was asked for, whole or in part; a helper within what they may in a day."""
    form, by, now = ApproveForm(), job_pages.visitor(), clock.now()
    within = my_allowance(now)

    def work(session: Session) -> Refund:
        amount, answer = parse_amount(form.amount.data), form.answer.data or ""
        return service.approve(
            session, refund_id=refund_id, amount=amount, answer=answer, by=by, now=now, within=within
        )

    return _decide(_job_of(refund_id), form, form.amount, work, approve=form)


@blueprint.post(f"/admin/refunds/<{ID}:refund_id>/refuse")
@helper
def refuse(refund_id: int) -> Response | tuple[str, int]:
    """Refuse, with words for who asked."""
    form, by, now = RefuseForm(), job_pages.visitor(), clock.now()

    def work(session: Session) -> Refund:
        return service.refuse(session, refund_id=refund_id, answer=form.words.data, by=by, now=now)

    return _decide(_job_of(refund_id), form, form.words, work, refuse=form)


@blueprint.post(f"/admin/print-jobs/<{ID}:job_id>/refund")
@admin
def give(job_id: int) -> Response | tuple[str, int]:
    """Give the charge of a job back unasked."""
    form, by, now = GiveForm(), job_pages.visitor(), clock.now()

    def work(session: Session) -> Refund:
        amount, why = parse_amount(form.amount.data), form.why.data
        return service.give(session, job_id=job_id, amount=amount, reason=why, by=by, now=now)

    return _decide(job_id, form, form.amount, work, give=form)


def _decide(
    job_id: int, form: FlaskForm, at: Field, work: Callable[[Session], Refund], **forms: FlaskForm
) -> Response | tuple[str, int]:
    """Carry a decision out, and go back to the job; what is wrong is said at the field `at`."""
    unit = settings_of_app().unit
    job = job_pages.any_job(reading(), job_id=job_id)
    if not form.validate():
        return job_pages.render_for_admin(job, **forms), 422
    try:
        refund = writing(work)
    except InvalidInputError as exc:
        at.errors = [exc.message]
    except DailyLimitError as exc:
        free, daily = (unit.price(int(str(exc.facts[name]))) for name in ("left_micro", "limit_micro"))
        at.errors = [
            _("You may adjust and refund %(daily)s a day; %(left)s of it is left today", daily=daily, left=free)
        ]
    except WrongStateError as exc:
        flask.flash(_("%(problem)s Nothing was changed.", problem=exc.message), "bad")
        return flask.redirect(flask.url_for("print_jobs.show", job_id=job_id), 303)
    else:
        if refund.state == "approved":
            flask.flash(_("Refunded %(amount)s.", amount=unit.price(refund.amount)), "ok")
        else:
            flask.flash(_("Refused; your words are kept."), "ok")
        return flask.redirect(flask.url_for("print_jobs.show", job_id=job_id), 303)
    return job_pages.render_for_admin(job_pages.any_job(reading(), job_id=job_id), **forms), 422


def _job_of(refund_id: int) -> int:
    return service.get(reading(), refund_id=refund_id).job_id


def _forms(sent: dict[str, FlaskForm], charged: Charged) -> dict[str, FlaskForm]:
    """The forms of a job's page: those that were sent, and new ones that begin with the whole charge."""
    unit = settings_of_app().unit
    forms: dict[str, Any] = {"ask": AskForm, "approve": ApproveForm, "refuse": RefuseForm, "give": GiveForm}
    made = {name: sent.get(name) or kind(formdata=None) for name, kind in forms.items()}
    for name in ("approve", "give"):
        if name not in sent:
            made[name].fill(charged.amount, unit)
    return made


def _left_today() -> int | None:
    """What of their day a helper has left, in millionths; None for who has no limit."""
    allowance = my_allowance(clock.now())
    return None if allowance is None else left_today(reading(), allowance=allowance)
