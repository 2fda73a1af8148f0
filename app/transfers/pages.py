"""The pages of transfers: ask, show what would be done, do it."""

from __future__ import annotations

from datetime import datetime, time

import flask
from flask import Blueprint
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.api.access import signed_in
from app.db import reading, writing
from app.errors import InsufficientBalanceError, InvalidInputError, NotFoundError
from app.ledger import accounts
from app.money import parse_amount
from app.people import service as people
from app.people.models import User
from app.settings import settings_of_app
from app.transfers import service
from app.transfers.forms import TransferForm
from language import N_, _

NOBODY = N_("Nobody of this name has a purse here")

blueprint = Blueprint("transfers", __name__)


@blueprint.get("/give")
@signed_in
def show() -> str:
    """Ask to whom how much shall be given."""
    _must_be_allowed()
    return _ask(TransferForm(formdata=None))


@blueprint.post("/give")
@signed_in
def preview() -> str | tuple[str, int]:
    """Show what would be done."""
    _must_be_allowed()
    form = TransferForm()
    taker = _taker(form) if form.validate() else None
    if taker is None:
        return _ask(form), 422
    amount = parse_amount(form.amount.data)
    account = accounts.get_account(reading(), user_id=current_user.id)
    if amount > max(0, account.available):
        form.amount.errors = [_too_much(account.available)]
        return _ask(form), 422
    return flask.render_template(
        "transfers/confirm.html", form=form, taker=taker, amount=amount, left=account.available - amount
    )


@blueprint.post("/give/now")
@signed_in
def give() -> Response | tuple[str, int]:
    """Give it."""
    _must_be_allowed()
    form, now, settings, user_id = TransferForm(), clock.now(), settings_of_app(), current_user.id
    taker = _taker(form) if form.validate() else None
    if taker is None:
        return _ask(form), 422
    amount, comment = parse_amount(form.amount.data), (form.comment.data or "").strip()
    began = datetime.combine(now.astimezone(settings.zone).date(), time(), settings.zone)
    try:
        writing(
            lambda session: service.transfer(
                session,
                from_user_id=user_id,
                to_user_id=taker.id,
                amount=amount,
                comment=comment,
                form_id=form.form_id.data,
                most_per_day=settings.config.transfers.most_per_day or None,
                day_began=began,
                now=now,
                language=settings.config.language,
            )
        )
    except InsufficientBalanceError as exc:
        form.amount.errors = [_too_much(int(str(exc.facts["available_micro"])))]
        return _ask(form), 409
    except InvalidInputError as exc:
        form.amount.errors = [exc.message]
        return _ask(form), 422
    flask.flash(
        _(
            "%(amount)s is in the purse of %(name)s now.",
            amount=settings.unit.price(amount),
            name=taker.display_name,
        ),
        "ok",
    )
    return flask.redirect("/", 303)


def _must_be_allowed() -> None:
    if not settings_of_app().config.transfers.allowed:
        raise NotFoundError(_("Nothing can be given to others here."))


def _taker(form: TransferForm) -> User | None:
    """Whom the form names; None, with an error at the field, for nobody who can be given anything."""
    user = people.find_user(reading(), username=form.to.data.strip())
    if user is None or not user.is_active:
        form.to.errors = [_(NOBODY)]
        return None
    if user.id == current_user.id:
        form.to.errors = [_("That is your own purse")]
        return None
    return user


def _too_much(available: int) -> str:
    return _("You have %(amount)s to give", amount=settings_of_app().unit.text(max(0, available)))


def _ask(form: TransferForm) -> str:
    account = accounts.get_account(reading(), user_id=current_user.id)
    return flask.render_template("transfers/ask.html", form=form, available=max(0, account.available))
