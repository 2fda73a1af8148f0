"""The administrators' pages of printers: all at a glance, what is wrong with their queues, and what holds for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask
from flask import Blueprint, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock
from app.api.access import admin, auditor
from app.db import reading, writing
from app.errors import InvalidInputError
from app.printing import job_words, limits, price_words, printers, reports, rule_versions, titles
from app.printing.models import Printer
from app.printing.printers import AWAY, Terms, place
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import _, _n

blueprint = Blueprint("printers", __name__, url_prefix="/admin/printers")

ID = "int(max=9223372036854775807)"
JOBS_SHOWN = 20
TEXT_LENGTH_MAX = 300


@dataclass(frozen=True)
class Row:
    """A printer in the list. `state`: shape and words; `warnings`: what is wrong with its queue, in sentences."""

    printer: Printer
    price: str
    state: tuple[str, str]
    warnings: list[str]
    last_used: datetime | None


@blueprint.get("")
@auditor
def list_printers() -> str:
    """List the printers, and what an administrator should see to."""
    session, now = reading(), clock.now()
    found = reports.warnings(session, now=now)
    rows = _rows(session, found)
    return flask.render_template(
        "printing/printers.html",
        rows=rows,
        warnings=[warning for warning in found if not warning.printer],
        charged=sum(row.printer.charged is True for row in rows),
        reported=sum(row.printer.charged is not None for row in rows),
        away=AWAY,
    )


@blueprint.get("/new")
@admin
def show_new() -> str:
    """Show the form of a printer that has not been heard of yet."""
    return _render_new({}, {})


@blueprint.post("/new")
@admin
def make() -> Response | tuple[str, int]:
    """Keep a printer before anything was heard of it."""
    typed = _typed()
    server, name = typed["server"], typed["name"]
    try:
        terms, problems = _terms(typed)
        if problems:
            raise InvalidInputError(fields=problems)
        printer = writing(
            lambda session: printers.make(session, server=server, name=name, terms=terms, now=clock.now())
        )
    except InvalidInputError as exc:
        return _render_new(typed, _fields(exc)), 422
    name = printer.title or printer.name
    flask.flash(_("“%(name)s” is in the list. Its settings hold from its first job on.", name=name), "ok")
    return flask.redirect(flask.url_for(".show", printer_id=printer.id), 303)


@blueprint.get(f"/<{ID}:printer_id>")
@auditor
def show(printer_id: int) -> str:
    """Show what holds for a printer, with its last jobs."""
    printer = printers.get(reading(), printer_id=printer_id)
    return _render(printer, _typed_of(printer), {})


@blueprint.post(f"/<{ID}:printer_id>")
@admin
def change(printer_id: int) -> Response | tuple[str, int]:
    """Say what holds for a printer."""
    typed = _typed()
    try:
        terms, problems = _terms(typed)
        if problems:
            raise InvalidInputError(fields=problems)
        printer = writing(
            lambda session: printers.change(session, printer=printers.get(session, printer_id=printer_id), terms=terms)
        )
    except InvalidInputError as exc:
        return _render(printers.get(reading(), printer_id=printer_id), typed, _fields(exc)), 422
    flask.flash(
        _n(
            "Saved. Print servers go by it within %(num)s second.",
            "Saved. Print servers go by it within %(num)s seconds.",
            printers.FRESH_S,
        ),
        "ok",
    )
    return flask.redirect(flask.url_for(".show", printer_id=printer.id), 303)


def _rows(session: Session, found: list[reports.Warning]) -> list[Row]:
    settings = settings_of_app()
    book, used = rule_versions.price_book(session, settings=settings), printers.last_used(session)
    rows = []
    for printer in printers.list_printers(session):
        wrong = [one.sentence for one in found if (one.server, one.printer) == (printer.server, printer.name)]
        price = price_words.list_in_words(book.list_for(place(printer)), settings.unit)
        at = used.get((printer.server, printer.name))
        rows.append(Row(printer, price, _state(printer, wrong, at), wrong, at))
    return rows


def _state(printer: Printer, wrong: list[str], last_used: datetime | None) -> tuple[str, str]:
    if wrong:
        return ("bad", _("Not charged")) if printer.charged is False else ("warn", _("Look here"))
    if printer.charged or last_used is not None:
        return "ok", _("Charging")
    return "off", _("Not seen yet")


def _typed() -> dict[str, str]:
    names = ("server", "name", "title", "group_name", "away", "release", "release_minutes")
    return {name: read_text(request.form, name, TEXT_LENGTH_MAX).strip() for name in names}


def _typed_of(printer: Printer) -> dict[str, str]:
    return {
        "title": printer.title,
        "group_name": printer.group_name,
        "away": printer.away,
        "release": "1" if printer.release else "",
        "release_minutes": str(printer.release_minutes),
    }


def _terms(typed: Mapping[str, str]) -> tuple[Terms, dict[str, str]]:
    """Return what was typed as terms, with what is wrong of it by field."""
    minutes = typed["release_minutes"] or "240"
    number = int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 7 else 0
    terms = Terms(typed["title"], typed["group_name"], typed["away"] or "hold", bool(typed["release"]), number)
    return terms, printers.check(terms)


def _fields(exc: InvalidInputError) -> dict[str, str]:
    found = exc.facts.get("fields")
    return dict(found) if isinstance(found, dict) else {}


def _render_new(typed: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    return flask.render_template(
        "printing/printer_new.html", typed=typed, wrong=wrong, away=AWAY, groups=printers.list_groups(reading())
    )


def _render(printer: Printer, typed: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    session, settings, where = reading(), settings_of_app(), place(printer)
    prices = rule_versions.price_book(session, settings=settings).list_for(where)
    held_to = [limit for limit in rule_versions.limits_of_jobs(session) if limit.scope.fits(where)]
    return flask.render_template(
        "printing/printer.html",
        printer=printer,
        typed=typed,
        wrong=wrong,
        away=AWAY,
        groups=printers.list_groups(session),
        price=price_words.list_in_words(prices, settings.unit),
        price_scope=prices.scope,
        limits=[limits.in_words(limit, settings.unit) for limit in held_to],
        counted=limits.needed(held_to, prices, where),
        warnings=[
            one.sentence
            for one in reports.warnings(session, now=clock.now())
            if (one.server, one.printer) == (printer.server, printer.name)
        ],
        jobs=printers.last_jobs(session, printer=printer, limit=JOBS_SHOWN),
        job_words=job_words,
        titles=titles,
        hidden=titles.privacy(session).hidden,
    )
