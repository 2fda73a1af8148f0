"""The administrators' page of one account, a person's or a shared one: adjust, limit, reverse, and its statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import flask
from flask import Blueprint, request
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.accounts import discretion, download, past, rules, service
from app.accounts.forms import AdjustForm, LimitForm, NameForm, ReverseForm
from app.accounts.rules import Allowance
from app.api.access import admin, auditor, helper
from app.db import reading, writing, writing_at_once
from app.errors import DailyLimitError, InsufficientBalanceError, KeyReusedError, NotFoundError, WrongStateError
from app.ledger import accounts, statement
from app.ledger.models import Account
from app.ledger.statement import EVERYTHING, Line
from app.people import service as people
from app.people.models import User
from app.settings import settings_of_app
from app.web.addresses import read_number
from language import N_, _

LINES = 25
ID = "int(max=9223372036854775807)"
USED_UP = N_("This form was already booked as something else; look at the lines, then send it again")

blueprint = Blueprint("accounts", __name__, url_prefix="/admin")


@dataclass(frozen=True)
class Holder:
    """Whose account a page is about: a person's, or a shared one, which is nobody's."""

    account: Account
    person: User | None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.person.display_name if self.person else self.account.name

    @property
    def place(self) -> dict[str, int]:
        """What the addresses of its pages are built from."""
        return {"user_id": self.person.id} if self.person else {"account_id": self.account.id}


@dataclass(frozen=True)
class Adjusting:
    """Whether the visitor may adjust this account; a helper's limit, and what of it is left today, in millionths."""

    may: bool = False
    limit: int | None = None
    left: int = 0


@dataclass
class Forms:
    """The forms of the page; the one that was sent is filled in, the others are new."""

    adjust: AdjustForm | None = None
    limit: LimitForm | None = None
    reversal: ReverseForm | None = None
    rename: NameForm | None = None


@blueprint.get(f"/people/<{ID}:user_id>")
@blueprint.get(f"/accounts/<{ID}:account_id>")
@auditor
def show(**place: int) -> str:
    """Show an account, what may be done with it, and its lines."""
    return render(find_holder(reading(), **place), Forms())


@blueprint.post(f"/people/<{ID}:user_id>/adjust")
@helper
def adjust(user_id: int) -> Response | tuple[str, int]:
    """Add to a person's account or take from it; a helper within what they may in a day."""
    return _adjust(find_holder(reading(), user_id=user_id))


@blueprint.post(f"/accounts/<{ID}:account_id>/adjust")
@admin
def adjust_shared(account_id: int) -> Response | tuple[str, int]:
    """Add to a shared account or take from it."""
    return _adjust(find_holder(reading(), account_id=account_id))


def _adjust(holder: Holder) -> Response | tuple[str, int]:
    form, unit, now = AdjustForm(), settings_of_app().unit, clock.now()
    within = my_allowance(now)
    if not form.validate():
        return render(holder, Forms(adjust=form)), 422
    write = writing_at_once if within is None else writing
    try:
        entry = write(
            lambda session: service.adjust(
                session,
                account_id=holder.account.id,
                amount=form.signed_amount,
                reason=form.reason.data.strip(),
                by=current_user.signature,
                form_id=form.form_id.data,
                now=now,
                within=within,
            )
        )
    except DailyLimitError as exc:
        free, daily = (unit.price(int(str(exc.facts[name]))) for name in ("left_micro", "limit_micro"))
        form.amount.errors = [_("You may adjust %(daily)s a day; %(free)s of it is left today", daily=daily, free=free)]
        return render(holder, Forms(adjust=form)), 422
    except InsufficientBalanceError as exc:
        available, floor = (int(str(exc.facts[name])) for name in ("available_micro", "floor_micro"))
        left = unit.text(max(0, available - floor))
        form.amount.errors = [_("The purse has %(left)s to spend; take at most that", left=left)]
        return render(holder, Forms(adjust=form)), 422
    except KeyReusedError:
        form.renew()
        form.amount.errors = [_(USED_UP)]
        return render(holder, Forms(adjust=form)), 409
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
        return back(holder)
    amounts = {"amount": unit.change(entry.amount), "balance": unit.text(entry.balance_after)}
    if entry.created_at == now:
        done = _("Booked %(amount)s. The balance is %(balance)s.", **amounts)
    else:
        done = _(
            "Nothing more was booked; this form had already booked %(amount)s. The balance is %(balance)s.", **amounts
        )
    flask.flash(done, "ok")
    return back(holder)


@blueprint.post(f"/people/<{ID}:user_id>/limit")
@blueprint.post(f"/accounts/<{ID}:account_id>/limit")
@admin
def set_limit(**place: int) -> Response | tuple[str, int]:
    """Let the account follow the limit for everybody, or give it one of its own."""
    form, unit = LimitForm(), settings_of_app().unit
    holder = find_holder(reading(), **place)
    if not form.validate():
        return render(holder, Forms(limit=form)), 422
    try:
        changed = writing(
            lambda session: service.set_limit(
                session,
                account_id=holder.account.id,
                limit=form.chosen,
                by=current_user.signature,
                form_id=form.form_id.data,
                unit=unit,
                now=clock.now(),
            )
        )
    except KeyReusedError:
        form.renew()
        form.limit.errors = [_("This form already set another limit; look at the lines, then send it again")]
        return render(holder, Forms(limit=form)), 409
    account = find_holder(reading(), **place).account
    words = rules.limit_in_words(account.floor, unit)
    flask.flash(
        _("Limit saved: %(limit)s.", limit=words) if changed else _("Nothing was changed: %(limit)s.", limit=words),
        "ok",
    )
    return back(holder)


@blueprint.post(f"/people/<{ID}:user_id>/entries/<{ID}:entry_id>/reverse")
@blueprint.post(f"/accounts/<{ID}:account_id>/entries/<{ID}:entry_id>/reverse")
@admin
def reverse(entry_id: int, **place: int) -> Response | tuple[str, int]:
    """Undo one line by an entry that points at it, once."""
    form, unit = ReverseForm(), settings_of_app().unit
    holder = find_holder(reading(), **place)
    if not form.validate():
        return render(holder, Forms(reversal=form), entry_id), 422
    try:
        entry = writing(
            lambda session: service.reverse(
                session,
                account_id=holder.account.id,
                entry_id=entry_id,
                reason=form.reason.data.strip(),
                by=current_user.signature,
                now=clock.now(),
            )
        )
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
        return back(holder, entry_id)
    amount, balance = unit.change(entry.amount), unit.text(entry.balance_after)
    flask.flash(_("Reversed: %(amount)s. The balance is %(balance)s.", amount=amount, balance=balance), "ok")
    return back(holder)


@blueprint.get(f"/people/<{ID}:user_id>/statement.csv")
@blueprint.get(f"/accounts/<{ID}:account_id>/statement.csv")
@auditor
def download_statement(**place: int) -> Response:
    """Give every line of the account as a file."""
    settings, account = settings_of_app(), find_holder(reading(), **place).account
    name = f"statement-{settings.config.id}-account-{account.id}"
    return download.respond(
        account_id=account.id, selection=EVERYTHING, name=name, settings=settings, now=clock.now(), own=False
    )


def find_holder(session: Session, *, user_id: int | None = None, account_id: int | None = None) -> Holder:
    """Return whose account the address names. Raises NotFoundError."""
    if user_id is not None:
        person = people.get_user(session, user_id=user_id)
        return Holder(accounts.get_account(session, user_id=user_id), person)
    return Holder(accounts.get_shared(session, account_id=account_id or 0), None)


def render(holder: Holder, forms: Forms, open_id: int | None = None) -> str:
    """Return the page; a form that is given stands in it as it was sent. `open_id`: the line that is opened."""
    session, settings, account = reading(), settings_of_app(), holder.account
    opened = _opened(session, account, open_id)
    before = read_number(request.args.get("before"))
    if before is None and opened is not None:
        newer = statement.count_lines(session, account_id=account.id, from_sequence=opened.sequence)
        before = opened.sequence + 1 if newer > LINES else None
    lines = statement.lines(session, account_id=account.id, limit=LINES, before_sequence=before)
    lines = discretion.as_others_read(session, lines=lines)
    today = clock.now().astimezone(settings.zone).date()
    return flask.render_template(
        "accounts/person.html" if holder.person else "accounts/shared.html",
        holder=holder,
        account=account,
        holds=statement.open_holds(session, account_id=account.id),
        spendable=rules.spendable(available=account.available, floor=account.floor),
        limit_words=rules.limit_in_words(account.floor, settings.unit),
        default_words=rules.limit_in_words(accounts.default_floor(session), settings.unit),
        past=past.look_back(session, account_id=account.id, arguments=request.args, zone=settings.zone, today=today),
        today=today,
        lines=lines,
        before=before,
        older=lines[-1].sequence if lines and lines[-1].sequence > 1 else None,
        opened=opened,
        forms=_complete(forms, account),
        adjusting=_adjusting(session, holder),
        source_words=rules.SOURCE_WORDS,
    )


def back(holder: Holder, open_id: int | None = None) -> Response:
    """Return the way back to the page after a form was sent. `open_id`: the line that is opened there."""
    parameters: dict[str, Any] = {"open": open_id, **holder.place}
    return flask.redirect(flask.url_for("accounts.show", **parameters), 303)


def my_allowance(now: datetime) -> Allowance | None:
    """Return what the visitor may adjust on the day of `now`; None for an administrator: without a limit."""
    if current_user.may("admin"):
        return None
    settings = settings_of_app()
    return Allowance(current_user.id, settings.config.helper_daily_limit, rules.day_begins(now, settings.zone))


def _adjusting(session: Session, holder: Holder) -> Adjusting:
    """What the visitor may do with the form that adjusts."""
    allowance = my_allowance(clock.now())
    if allowance is None:
        return Adjusting(may=True)
    mine = holder.person is not None and holder.person.id != current_user.id and current_user.may("helper")
    return Adjusting(mine, allowance.limit, service.left_today(session, allowance=allowance)) if mine else Adjusting()


def _complete(forms: Forms, account: Account) -> Forms:
    limit, rename = forms.limit, forms.rename
    if limit is None:
        limit = LimitForm(formdata=None)
        limit.fill(rules.limit_of(account.floor, is_own=account.floor_is_own), settings_of_app().unit)
    if rename is None:
        rename = NameForm(formdata=None, data={"name": account.name})
    return Forms(forms.adjust or AdjustForm(formdata=None), limit, forms.reversal or ReverseForm(formdata=None), rename)


def _opened(session: Session, account: Account, open_id: int | None) -> Line | None:
    if open_id is None and not request.args.get("open"):
        return None
    entry_id = open_id or read_number(request.args["open"])
    line = statement.line(session, account_id=account.id, entry_id=entry_id) if entry_id is not None else None
    if line is None:
        raise NotFoundError(_("There is no such line on this statement."))
    return line
