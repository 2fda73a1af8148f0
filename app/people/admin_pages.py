"""The administrators' pages of people: the list, one person, and what an administrator may change in a purse."""

from __future__ import annotations

import re

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin
from app.db import reading, writing
from app.errors import InsufficientBalanceError, KeyReusedError, NotFoundError, WrongStateError
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.models import Account
from app.ledger.statement import Line
from app.people import service
from app.people.forms import AdjustForm, ReverseForm
from app.settings import settings_of_app

PAGE = 50
LINES = 25
QUERY_LENGTH_MAX = 100
ID = "int(max=9223372036854775807)"

blueprint = Blueprint("people_admin", __name__, url_prefix="/admin/people")


@blueprint.get("")
@admin
def list_people() -> str:
    """List the people who have a purse, by user name, or those who match a search."""
    session = reading()
    query = _typed("q").strip()[:QUERY_LENGTH_MAX]
    after = _typed("after")[:256]
    found = service.list_users(session, query=query, after=after, limit=PAGE + 1)
    return flask.render_template(
        "people/list.html",
        people=found[:PAGE],
        query=query,
        after=after,
        more=found[PAGE - 1][0].username if len(found) > PAGE else "",
        total=service.count_users(session, query=""),
        matching=service.count_users(session, query=query),
    )


@blueprint.get(f"/<{ID}:user_id>")
@admin
def show_person(user_id: int) -> str:
    """Show one person's purse, groups and lines."""
    return _page(user_id, AdjustForm(formdata=None), ReverseForm(formdata=None))


@blueprint.post(f"/<{ID}:user_id>/adjust")
@admin
def adjust_balance(user_id: int) -> Response | tuple[str, int]:
    """Add to the purse or take from it."""
    form, unit, now = AdjustForm(), settings_of_app().unit, clock.now()
    if not form.validate():
        return _page(user_id, form, ReverseForm(formdata=None)), 422
    try:
        entry = writing(
            lambda session: service.adjust(
                session,
                user_id=user_id,
                amount=form.signed_amount,
                reason=form.reason.data.strip(),
                by=_me(),
                form_id=form.form_id.data,
                now=now,
            )
        )
    except InsufficientBalanceError as exc:
        available = unit.text(int(str(exc.facts["available_micro"])))
        form.amount.errors = [f"The purse has {available} to spend; take at most that"]
        return _page(user_id, form, ReverseForm(formdata=None)), 422
    except KeyReusedError:
        form.renew()
        form.amount.errors = ["This form was already booked as something else; look at the lines, then send it again"]
        return _page(user_id, form, ReverseForm(formdata=None)), 409
    done = "Booked" if entry.created_at == now else "Nothing more was booked; this form had already booked"
    flask.flash(f"{done} {unit.change(entry.amount)}. The balance is {unit.text(entry.balance_after)}.", "ok")
    return flask.redirect(flask.url_for(".show_person", user_id=user_id), 303)


@blueprint.post(f"/<{ID}:user_id>/entries/<{ID}:entry_id>/reverse")
@admin
def reverse_entry(user_id: int, entry_id: int) -> Response | tuple[str, int]:
    """Undo one line by an entry that points at it, once."""
    form, unit = ReverseForm(), settings_of_app().unit
    if not form.validate():
        return _page(user_id, AdjustForm(formdata=None), form, entry_id), 422
    try:
        entry = writing(
            lambda session: service.reverse(
                session,
                user_id=user_id,
                entry_id=entry_id,
                reason=form.reason.data.strip(),
                by=_me(),
                now=clock.now(),
            )
        )
    except WrongStateError as exc:
        flask.flash(f"{exc.message} Nothing was changed.", "bad")
        return flask.redirect(flask.url_for(".show_person", user_id=user_id, open=entry_id), 303)
    flask.flash(f"Reversed: {unit.change(entry.amount)}. The balance is {unit.text(entry.balance_after)}.", "ok")
    return flask.redirect(flask.url_for(".show_person", user_id=user_id), 303)


def _page(user_id: int, form: AdjustForm, reversal: ReverseForm, open_id: int | None = None) -> str:
    session = reading()
    user = service.get_user(session, user_id=user_id)
    account = ledger.get_account(session, user_id=user_id)
    opened = _opened(session, account, open_id)
    before = _number(request.args.get("before"))
    if before is None and opened is not None:
        newer = statement.count_lines(session, account_id=account.id, from_sequence=opened.sequence)
        before = opened.sequence + 1 if newer > LINES else None
    lines = statement.lines(session, account_id=account.id, limit=LINES, before_sequence=before)
    return flask.render_template(
        "people/person.html",
        person=user,
        account=account,
        holds=statement.open_holds(session, account_id=account.id),
        lines=lines,
        before=before,
        older=lines[-1].sequence if lines and lines[-1].sequence > 1 else None,
        opened=opened,
        form=form,
        reversal=reversal,
    )


def _opened(session: Session, account: Account, open_id: int | None) -> Line | None:
    if open_id is None and not request.args.get("open"):
        return None
    entry_id = open_id or _number(request.args["open"])
    line = statement.line(session, account_id=account.id, entry_id=entry_id) if entry_id is not None else None
    if line is None:
        raise NotFoundError("There is no such line on this statement.")
    return line


def _typed(name: str) -> str:
    """A parameter of the address without what nobody can type: PostgreSQL refuses a text with a NUL in it."""
    return "".join(char for char in request.args.get(name, "") if char.isprintable())


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else None


def _me() -> str:
    return f"{current_user.display_name} ({current_user.username})"
