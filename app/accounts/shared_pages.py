"""The administrators' pages of shared accounts, and of the limit for everybody."""

from __future__ import annotations

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.accounts import rules, service
from app.accounts.forms import DefaultLimitForm, NameForm, NewForm
from app.accounts.pages import ID, Forms, back, find_holder, render
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError, WrongStateError
from app.ledger import accounts
from app.ledger.models import Account
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import _, _n

PAGE = 50
QUERY_LENGTH_MAX = 100

blueprint = Blueprint("shared_accounts", __name__, url_prefix="/admin/accounts")


@blueprint.get("")
@auditor
def list_accounts() -> str:
    """List the shared accounts by name, or those that match a search."""
    session, unit = reading(), settings_of_app().unit
    query = read_text(request.args, "q", QUERY_LENGTH_MAX).strip()
    after = read_text(request.args, "after", 256)
    found = service.list_shared(session, query=query, after=after, limit=PAGE + 1)
    return flask.render_template(
        "accounts/list.html",
        rows=[(account, rules.limit_in_words(account.floor, unit)) for account in found[:PAGE]],
        query=query,
        after=after,
        more=found[PAGE - 1].name if len(found) > PAGE else "",
        total=service.count_shared(session, query=""),
        matching=service.count_shared(session, query=query),
        default_words=rules.limit_in_words(accounts.default_floor(session), unit),
    )


@blueprint.get("/new")
@admin
def show_new() -> str:
    """Show the form of a new shared account."""
    return _render_new(NewForm(formdata=None))


@blueprint.post("/new")
@admin
def make() -> Response | tuple[str, int]:
    """Make a shared account."""
    form, unit = NewForm(), settings_of_app().unit
    if not form.validate():
        return _render_new(form), 422
    try:
        account = writing(
            lambda session: service.make(
                session, name=form.name.data, limit=form.chosen, by=current_user.signature, unit=unit, now=clock.now()
            )
        )
    except InvalidInputError as exc:
        form.name.errors = [exc.message]
        return _render_new(form), 422
    flask.flash(_("“%(name)s” was made.", name=account.name), "ok")
    return flask.redirect(flask.url_for("accounts.show", account_id=account.id), 303)


@blueprint.get("/limit")
@auditor
def show_default_limit() -> str:
    """Show how far everybody may go down who has no limit of their own."""
    form = DefaultLimitForm(formdata=None)
    form.fill(rules.limit_of(accounts.default_floor(reading())), settings_of_app().unit)
    return _render_default_limit(form)


@blueprint.post("/limit")
@admin
def set_default_limit() -> Response | tuple[str, int]:
    """Set how far everybody may go down who has no limit of their own."""
    form, unit = DefaultLimitForm(), settings_of_app().unit
    if not form.validate():
        return _render_default_limit(form), 422
    floor = form.chosen.floor
    moved = writing(lambda session: accounts.set_default_floor(session, floor=floor, now=clock.now()))
    saved = _n(
        "Limit for everybody saved: %(limit)s. It counts for %(num)s account.",
        "Limit for everybody saved: %(limit)s. It counts for %(num)s accounts.",
        moved,
        limit=rules.limit_in_words(floor, unit),
    )
    flask.flash(saved, "ok")
    return flask.redirect(flask.url_for(".show_default_limit"), 303)


@blueprint.post(f"/<{ID}:account_id>/name")
@admin
def rename(account_id: int) -> Response | tuple[str, int]:
    """Give a shared account another name."""
    form, holder = NameForm(), find_holder(reading(), account_id=account_id)
    if not form.validate():
        return render(holder, Forms(rename=form)), 422
    try:
        account = writing(
            lambda session: service.rename(
                session, account_id=account_id, name=form.name.data, by=current_user.signature, now=clock.now()
            )
        )
    except InvalidInputError as exc:
        form.name.errors = [exc.message]
        return render(holder, Forms(rename=form)), 422
    flask.flash(_("It is called “%(name)s”.", name=account.name), "ok")
    return back(holder)


@blueprint.post(f"/<{ID}:account_id>/close")
@admin
def close(account_id: int) -> Response:
    """Close a shared account."""
    holder = find_holder(reading(), account_id=account_id)
    try:
        writing(
            lambda session: service.close(session, account_id=account_id, by=current_user.signature, now=clock.now())
        )
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
    else:
        flask.flash(_("The account is closed. It can be opened again."), "ok")
    return back(holder)


@blueprint.post(f"/<{ID}:account_id>/reopen")
@admin
def reopen(account_id: int) -> Response:
    """Open a closed account again."""
    account: Account = writing(
        lambda session: service.reopen(session, account_id=account_id, by=current_user.signature, now=clock.now())
    )
    flask.flash(_("“%(name)s” is open.", name=account.name), "ok")
    return back(find_holder(reading(), account_id=account_id))


def _render_new(form: NewForm) -> str:
    default = rules.limit_in_words(accounts.default_floor(reading()), settings_of_app().unit)
    return flask.render_template("accounts/new.html", form=form, default_words=default)


def _render_default_limit(form: DefaultLimitForm) -> str:
    session = reading()
    return flask.render_template(
        "accounts/default_limit.html",
        form=form,
        now_words=rules.limit_in_words(accounts.default_floor(session), settings_of_app().unit),
        own=service.count_own_limits(session),
    )
