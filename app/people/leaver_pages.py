"""The administrators' pages of leavers: who left with how much, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app import clock, money
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError, WrongStateError
from app.people import leavers
from app.people.leavers import Choice, Totals
from app.people.models import Taking
from app.settings import settings_of_app
from app.web.addresses import read_day, read_number, read_text
from app.web.form_ids import is_form_id, new_form_id
from app.web.sheets import BOM, as_csv, guarded
from language import N_, _, _n

ID = "int(max=9223372036854775807)"
PAGE: Final = 50
TAKINGS: Final = 10
CSV_PART: Final = 5_000
QUERY_LENGTH_MAX: Final = 100
REASON_LENGTH_MAX: Final = 200
NAME_LENGTH_MAX: Final = 300
HEAD: Final = (
    N_("username"), N_("name"), N_("status"), N_("since"), N_("balance"), N_("held"), N_("can be taken back"),
    N_("kept"),
)  # fmt: skip
STATUS: Final = {"disabled": N_("disabled"), "gone": N_("gone")}

blueprint = Blueprint("leavers", __name__, url_prefix="/admin/people/leavers")


@blueprint.get("")
@auditor
def list_leavers() -> str:
    """List who left with a balance."""
    session, zone, choice = reading(), settings_of_app().zone, read_choice(request.args)
    after = read_text(request.args, "after", NAME_LENGTH_MAX)
    found = leavers.list_leavers(session, choice=choice, zone=zone, after=after, limit=PAGE + 1)
    return flask.render_template(
        "people/leavers.html",
        choice=choice,
        leavers=found[:PAGE],
        totals=leavers.count(session, choice=choice, zone=zone),
        after=after,
        more=found[PAGE - 1].user.username if len(found) > PAGE else "",
        takings=leavers.list_takings(session, limit=TAKINGS),
        address=address_of,
        fields=fields_of(choice),
    )


@blueprint.get("/leavers.csv")
@auditor
def download() -> Response:
    """Give the list as a file."""
    settings, choice = settings_of_app(), read_choice(request.args)
    response = flask.Response(flask.stream_with_context(_parts(choice)), mimetype="text/csv")
    day = clock.now().astimezone(settings.zone).date().isoformat()
    response.headers["Content-Disposition"] = f'attachment; filename="leavers-{settings.config.id}-{day}.csv"'
    return response


@blueprint.get("/decide")
@admin
def show_decide() -> str:
    """Show what taking back or keeping would do to the leavers who are chosen, and ask for the reason."""
    return _render_decide(_chosen(request.args), "keep" if request.args.get("what") == "keep" else "take")


@blueprint.post("/take")
@admin
def take() -> Response | tuple[str, int]:
    """Take back what is left, as the page before said."""
    choice, reason = _chosen(request.form), read_text(request.form, "reason", REASON_LENGTH_MAX).strip()
    if not reason:
        return _render_decide(choice, "take", error=_("Give a reason")), 422
    form_id, zone = _form_id(), settings_of_app().zone
    taking = writing(
        lambda session: leavers.begin(
            session, form_id=form_id, reason=reason, by=current_user.signature, now=clock.now()
        )
    )
    changed = _expected(leavers.count(reading(), choice=choice, zone=zone)) != request.form.get("expected")
    if not taking.taken and changed:
        return _render_decide(choice, "take", changed=True), 409
    try:
        _go_through(
            partial(leavers.take_chunk, taking_id=taking.id, choice=choice, zone=zone, now=clock.now()), begin=0
        )
    except WrongStateError as exc:
        flask.flash(_("%(why)s Nothing was changed.", why=exc.message), "bad")
        return _back()
    done = reading().get_one(Taking, taking.id)
    total = settings_of_app().unit.price(done.total)
    flask.flash(
        _n(
            "Taken back: %(total)s from %(num)s person.",
            "Taken back: %(total)s from %(num)s people.",
            done.taken,
            total=total,
        ),
        "ok",
    )
    return _back()


@blueprint.post("/keep")
@admin
def keep() -> Response | tuple[str, int]:
    """Note on the statements that the balances stay as they are."""
    choice, reason = _chosen(request.form), read_text(request.form, "reason", REASON_LENGTH_MAX).strip()
    if not reason:
        return _render_decide(choice, "keep", error=_("Give a reason")), 422
    settings = settings_of_app()
    step = partial(
        leavers.keep_chunk,
        choice=choice,
        zone=settings.zone,
        reason=reason,
        by=current_user.signature,
        form_id=_form_id(),
        unit=settings.unit,
        now=clock.now(),
    )
    _go_through(step, begin="")
    flask.flash(_("Kept as they are. A line on each statement says so, with your reason."), "ok")
    return _back()


@blueprint.post(f"/takings/<{ID}:taking_id>/undo")
@admin
def undo(taking_id: int) -> Response:
    """Give back all that a taking took."""
    _go_through(partial(leavers.undo_chunk, taking_id=taking_id, by=current_user.signature, now=clock.now()), begin="")
    flask.flash(_("Given back, by a line of its own on each statement."), "ok")
    return _back()


def read_choice(arguments: Mapping[str, str]) -> Choice:
    """Return which leavers an address or a form names; what makes no sense counts as not said."""
    status = arguments.get("status", "")
    return Choice(
        status=status if status in ("gone", "disabled") else "",
        since=read_day(arguments.get("since", "")),
        until=read_day(arguments.get("until", "")),
        undecided=bool(arguments.get("undecided")),
        query=read_text(arguments, "q", QUERY_LENGTH_MAX).strip(),
    )


def fields_of(choice: Choice) -> list[tuple[str, str]]:
    """Return a choice as the fields of a form, but for single people."""
    days = {"since": choice.since, "until": choice.until}
    fields = {name: day.isoformat() for name, day in days.items() if day is not None}
    said = {"status": choice.status, "undecided": "1" if choice.undecided else "", "q": choice.query} | fields
    return [(name, value) for name, value in said.items() if value]


def address_of(endpoint: str, choice: Choice, **more: Any) -> str:
    """Return the address of a page about these leavers."""
    return flask.url_for(f"leavers.{endpoint}", **(dict(fields_of(choice)) | more))


def _chosen(arguments: MultiDict[str, str]) -> Choice:
    """The leavers who were ticked; all that the filter finds where the form says so."""
    choice = read_choice(arguments)
    if arguments.get("all"):
        return choice
    ids = [read_number(text) for text in arguments.getlist("user")]
    return Choice(ids=tuple(one for one in ids if one is not None))


def _render_decide(choice: Choice, what: str, *, error: str = "", changed: bool = False) -> str:
    totals = leavers.count(reading(), choice=choice, zone=settings_of_app().zone)
    sent = request.form.get("form_id", "")
    return flask.render_template(
        "people/leavers_decide.html",
        what=what,
        choice=choice,
        totals=totals,
        fields=fields_of(choice) if choice.ids is None else [("user", str(one)) for one in choice.ids],
        expected=_expected(totals),
        form_id=new_form_id() if changed or not sent else sent,
        reason=read_text(request.form, "reason", REASON_LENGTH_MAX),
        error=error,
        changed=changed,
    )


def _go_through(step: Callable[..., Any], *, begin: int | str) -> None:
    """Take the steps, a transaction each, until one says that there is no further: what is interrupted can go on."""
    after: Any = begin
    while after is not None:
        after = writing(partial(step, after=after))


def _expected(totals: Totals) -> str:
    """What the page said would be taken; the form carries it, so that nothing else is done."""
    return f"{totals.takeable}:{totals.left}"


def _parts(choice: Choice) -> Iterator[str]:
    settings = settings_of_app()
    decimals, after = settings.unit.decimals, ""
    yield BOM + as_csv([[_(column) for column in HEAD]])
    while found := leavers.list_leavers(reading(), choice=choice, zone=settings.zone, after=after, limit=CSV_PART):
        yield as_csv(
            (
                guarded(one.user.username),
                guarded(one.user.display_name),
                _(STATUS[one.user.status]),
                one.user.status_since.astimezone(settings.zone).date().isoformat() if one.user.status_since else "",
                money.plain(one.account.balance, decimals),
                money.plain(one.account.reserved, decimals),
                money.plain(max(0, one.account.available), decimals),
                _("yes") if one.kept else "",
            )
            for one in found
        )
        after = found[-1].user.username


def _form_id() -> str:
    form_id = request.form.get("form_id", "")
    if not is_form_id(form_id):
        raise InvalidInputError(_("The form came without its number. Nothing was changed. Go back and try again."))
    return form_id


def _back() -> Response:
    return flask.redirect(flask.url_for(".list_leavers"), 303)
