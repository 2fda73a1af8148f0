"""The pages of cards: redeem one; for administrators make batches, see what became of them, void what is left."""

from __future__ import annotations

from datetime import datetime, timedelta

import flask
from flask import Blueprint, Response
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.api.access import admin, auditor, signed_in
from app.cards import rules, service
from app.cards.forms import BatchForm, CardForm
from app.db import reading, writing
from app.errors import InvalidInputError, KeyReusedError, NotFoundError, TooManyAttemptsError, WrongStateError
from app.ledger import accounts
from app.money import parse_amount
from app.settings import settings_of_app
from app.web import sheets
from language import _, dates

ID = "int(max=9223372036854775807)"

blueprint = Blueprint("cards", __name__)


@blueprint.get("/card")
@signed_in
def show() -> str:
    """Ask for the code of a card."""
    return _ask(CardForm(formdata=None))


@blueprint.post("/card")
@signed_in
def redeem() -> AnyResponse | tuple[str, int]:
    """Put a card's amount into the purse of who is signed in."""
    form, user_id, now = CardForm(), current_user.id, clock.now()
    if not form.validate():
        return _ask(form), 422
    code, language = rules.read_code(form.code.data), settings_of_app().config.language
    try:
        service.check_tries(reading(), user_id=user_id, now=now)
        batch = writing(lambda session: service.redeem(session, user_id=user_id, code=code, now=now, language=language))
    except NotFoundError as exc:
        writing(lambda session: service.note_wrong(session, user_id=user_id, now=now))
        form.code.errors = [exc.message]
        return _ask(form), 404
    except WrongStateError as exc:
        form.code.errors = [exc.message]
        return _ask(form), 409
    except TooManyAttemptsError as exc:
        form.code.errors = [exc.message]
        return _ask(form), 429
    unit = settings_of_app().unit
    balance = accounts.get_account(reading(), user_id=user_id).available
    flask.flash(
        _(
            "%(amount)s is in your purse now: %(balance)s left.",
            amount=unit.text(batch.amount),
            balance=unit.text(balance),
        ),
        "ok",
    )
    return flask.redirect("/", 303)


@blueprint.get("/admin/cards")
@auditor
def list_batches() -> str:
    """List the batches of cards."""
    return flask.render_template("cards/list.html", batches=service.list_batches(reading()), last_day=_last_day)


@blueprint.get("/admin/cards/new")
@admin
def show_new() -> str:
    """Ask how many cards of which amount."""
    return flask.render_template("cards/new.html", form=BatchForm(formdata=None))


@blueprint.post("/admin/cards/new")
@admin
def make() -> tuple[str, int] | Response:
    """Make a batch, and show its codes this once."""
    form, now, by = BatchForm(), clock.now(), current_user.signature
    if not form.validate():
        return flask.render_template("cards/new.html", form=form), 422
    settings = settings_of_app()
    try:
        batch, codes = writing(
            lambda session: service.make_batch(
                session,
                form_id=form.form_id.data,
                name=form.name.data.strip(),
                amount=parse_amount(form.amount.data),
                count=int(form.count.data),
                expires_at=form.expires_at(settings.zone),
                by=by,
                now=now,
            )
        )
    except KeyReusedError as exc:
        form.name.errors = [exc.message]
        return flask.render_template("cards/new.html", form=form), 409
    shown = [rules.grouped(code) for code in codes]
    page = flask.render_template("cards/made.html", batch=batch, codes=shown, until=_last_day(batch.expires_at))
    response = flask.make_response(page)
    response.headers["Cache-Control"] = "no-store"  # the codes are money
    return response


@blueprint.post("/admin/cards/codes.csv")
@admin
def download_codes() -> Response:
    """Give the codes that the page before shows as a file; they are sent back from there, since nobody else knows."""
    rows = [line.split(" ") for line in flask.request.form.get("codes", "").splitlines() if line]
    amount, until = flask.request.form.get("amount", "")[:40], flask.request.form.get("until", "")[:40]
    table = [[_("number"), _("code"), _("amount"), _("valid until")], *([*row[:2], amount, until] for row in rows)]
    text = sheets.BOM + sheets.as_csv([sheets.guarded(cell) for cell in row] for row in table)
    response = Response(text, mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="cards.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post(f"/admin/cards/<{ID}:batch_id>/void")
@admin
def void(batch_id: int) -> AnyResponse:
    """Make the cards of a batch that nobody has redeemed worthless."""
    by, now = current_user.signature, clock.now()
    try:
        batch = writing(lambda session: service.void(session, batch_id=batch_id, by=by, now=now))
        flask.flash(_("The cards of “%(name)s” that nobody has redeemed are worthless now.", name=batch.name), "ok")
    except InvalidInputError as exc:
        flask.flash(exc.message, "bad")
    return flask.redirect(flask.url_for(".list_batches"), 303)


def _ask(form: CardForm) -> str:
    return flask.render_template("cards/redeem.html", form=form)


def _last_day(expires_at: datetime | None) -> str:
    """Return the last day on which a card counts, in words; "" for no end."""
    if expires_at is None:
        return ""
    day = (expires_at - timedelta(seconds=1)).astimezone(settings_of_app().zone)
    return dates.day(day, year=True)
