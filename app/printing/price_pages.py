"""The administrators' pages of prices: the lists that count, a list in its form, shares of groups, older versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import flask
from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.api.access import admin, auditor
from app.db import reading
from app.errors import NotFoundError, WrongStateError
from app.people import groups
from app.people.rules import name_key
from app.printing import price_forms, price_json, price_words, prices, printers, rule_versions, version_pages
from app.printing.documents import PAPERS, Document, Run
from app.printing.price_forms import ListForm, SharesForm
from app.printing.prices import Line, PriceBook, PriceList, Terms
from app.printing.scope import EVERYWHERE, Scope
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import N_, _

blueprint = Blueprint("print_prices", __name__, url_prefix="/admin/print-prices")

KIND: Final = "prices"
SCOPE_LENGTH_MAX: Final = 300
SAMPLES: Final = (
    (N_("1 grey A4 page"), Document((Run(1, False, "a4"),))),
    (N_("12 A4 pages, 3 in colour, two-sided"), Document((Run(9, False, "a4"), Run(3, True, "a4")), duplex=True)),
    (N_("20 grey A4 pages, 2 copies, two-sided"), Document((Run(20, False, "a4"),), copies=2, duplex=True)),
    (N_("1 colour A3 page"), Document((Run(1, True, "a3"),))),
)
"""Jobs by which a change of prices is shown."""


@dataclass(frozen=True)
class Shown:
    """A price list on the page: its lines as people read them, the printers that it holds for, and what to know."""

    prices: PriceList
    lines: list[Line]
    printers: list[str]
    ties: list[str]


@dataclass(frozen=True)
class Example:
    """What a job costs: now, with the list that was typed, and how that comes about. Amounts in millionths."""

    words: str
    now: int
    then: int
    reckoning: str


@blueprint.get("")
@auditor
def show() -> str:
    """Show the prices that count."""
    session = reading()
    book = rule_versions.price_book(session, settings=settings_of_app())
    return flask.render_template(
        "printing/prices.html",
        lists=_shown(book),
        others=_without_own(book),
        book=book,
        version=rule_versions.version_of(session, kind=KIND),
        history=rule_versions.history(session, kind=KIND),
        unknown=_unknown_groups(book),
        w=price_words,
    )


@blueprint.get("/list")
@admin
def show_list() -> str:
    """Show a price list in its form; one for printers that have none begins as theirs is now."""
    book, scope = _book(), _scope()
    found = next((one for one in book.lists if one.scope == scope), None)
    if found is None:
        found = replace(_present(book, scope), scope=scope)
    version = rule_versions.version_of(reading(), kind=KIND)
    return _render_list(price_forms.list_shown(found, settings_of_app().unit, version), book)


@blueprint.post("/list")
@admin
def change_list() -> Response | tuple[str, int]:
    """Keep a price list, or show it again with a preview, more rows, or what is wrong."""
    book, scope, unit = _book(), _scope(), settings_of_app().unit
    typed = price_forms.list_typed(request.form, scope=scope.key, more="more" in request.form)
    if "more" in request.form:
        return _render_list(typed, book), 200
    found = typed.read(unit)
    if found is None or "preview" in request.form:
        return _render_list(typed, book, previewed=found), 422 if found is None else 200

    def words() -> str:
        return _("For %(printers)s: %(prices)s", printers=scope.words, prices=price_words.list_in_words(found, unit))

    try:
        _keep(prices.with_lists(book, found), typed.after, words)
    except WrongStateError as exc:
        return _render_list(typed, book, previewed=found, conflict=exc.message), 409
    flask.flash(_("Prices saved. They hold for jobs that are sent from now on."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)


@blueprint.post("/list/remove")
@admin
def remove_list() -> Response:
    """Take a price list away: its printers follow the next wider one."""
    scope, after = _scope(), price_forms.version(request.form)
    version_pages.tried(
        lambda: _keep(prices.without_list(_book(), scope), after, lambda: _("Removed: %(what)s", what=scope.words))
    )
    return flask.redirect(flask.url_for(".show"), 303)


@blueprint.get("/groups")
@admin
def show_shares() -> str:
    """Show who pays less or more, in a form."""
    version = rule_versions.version_of(reading(), kind=KIND)
    return _render_shares(price_forms.shares_shown(_book(), version))


@blueprint.post("/groups")
@admin
def change_shares() -> Response | tuple[str, int]:
    """Keep who pays less or more."""
    typed = price_forms.shares_typed(request.form)
    if "more" in request.form:
        typed.rows += [("", "")] * price_forms.SPARE
        return _render_shares(typed), 200
    found = typed.read()
    if found is None:
        return _render_shares(typed), 422

    def words() -> str:
        shares = "; ".join(price_words.percent_in_words(one) for one in found)
        return _("Groups: %(shares)s", shares=shares) if found else _("Groups: everybody pays the same")

    try:
        _keep(replace(_book(), adjustments=found), typed.after, words)
    except WrongStateError as exc:
        typed.wrong["shares"] = exc.message
        return _render_shares(typed), 409
    flask.flash(_("Saved. It holds for jobs that are sent from now on."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)


@blueprint.get("/versions/<int(max=999999999):version>")
@auditor
def show_version(version: int) -> str:
    """Show an older version in words, before it is brought back."""
    session = reading()
    kept = rule_versions.get(session, kind=KIND, version=version)
    book = price_json.book_from_json(kept.body)
    return flask.render_template(
        "printing/prices_version.html",
        kept=kept,
        lists=_shown(book),
        book=book,
        version=rule_versions.version_of(session, kind=KIND),
        w=price_words,
    )


@blueprint.post("/versions/<int(max=999999999):version>")
@admin
def restore(version: int) -> Response:
    """Bring an older version back."""
    return version_pages.restore(kind=KIND, version=version, back_to=flask.url_for(".show"))


def _keep(book: PriceBook, after: int, note: Callable[[], str]) -> None:
    version_pages.keep(kind=KIND, body=price_json.book_to_json(book), after=after, note=note)


def _book() -> PriceBook:
    return rule_versions.price_book(reading(), settings=settings_of_app())


def _scope() -> Scope:
    """The printers that the address names. Raises NotFoundError."""
    try:
        return Scope.read(read_text(request.values, "for", SCOPE_LENGTH_MAX) or EVERYWHERE.key)
    except ValueError:
        raise NotFoundError(_("There are no such prices.")) from None


def _shown(book: PriceBook) -> list[Shown]:
    names: dict[Scope, list[str]] = {}
    for printer in printers.list_printers(reading()):
        names.setdefault(book.list_for(printers.place(printer)).scope, []).append(printer.title or printer.name)
    return [Shown(one, prices.in_order(one.lines), names.get(one.scope, []), _ties(one)) for one in book.lists]


def _present(book: PriceBook, scope: Scope) -> PriceList:
    """The list that counts now where one of that scope would."""
    own = next((one for one in book.lists if one.scope == scope), None)
    printer = printers.find(reading(), server=scope.server, name=scope.printer) if scope.printer else None
    return own or (book.list_for(printers.place(printer)) if printer else book.lists[0])


def _without_own(book: PriceBook) -> list[Scope]:
    """The groups of printers, and the printers, that have no list of their own."""
    session = reading()
    scopes = [Scope(group=group) for group in printers.list_groups(session)]
    scopes += [Scope(server=each.server, printer=each.name) for each in printers.list_printers(session)]
    return [scope for scope in scopes if scope not in {one.scope for one in book.lists}]


def _ties(found: PriceList) -> list[str]:
    unit = settings_of_app().unit
    return [
        _(
            "“%(one)s” and “%(two)s”",
            one=price_words.line_in_words(one, found.per, unit),
            two=price_words.line_in_words(two, found.per, unit),
        )
        for one, two in prices.ties(found)
    ]


def _unknown_groups(book: PriceBook) -> list[str]:
    known = {group.name_key for group, _ in groups.list_groups(reading())}
    return [one.group for one in book.adjustments if name_key(one.group) not in known]


def _render_list(typed: ListForm, book: PriceBook, *, previewed: PriceList | None = None, conflict: str = "") -> str:
    session, scope = reading(), Scope.read(typed.scope)
    version = rule_versions.version_of(session, kind=KIND)
    return flask.render_template(
        "printing/price_list.html",
        typed=typed,
        scope=scope,
        exists=any(one.scope == scope for one in book.lists),
        previewed=previewed,
        sentence=price_words.list_in_words(previewed, settings_of_app().unit) if previewed else "",
        ties=_ties(previewed) if previewed else [],
        examples=_examples(previewed, book) if previewed else [],
        conflict=conflict,
        version=version,
        papers=list(PAPERS.values()),
    )


def _examples(found: PriceList, book: PriceBook) -> list[Example]:
    unit, present = settings_of_app().unit, _present(book, found.scope)
    rows = []
    for words, job in SAMPLES:
        then = prices.quote(Terms(found), job, job.pages)
        now = prices.quote(Terms(present), job, job.pages)
        rows.append(Example(_(words), now.cost, then.cost, price_words.in_words(then, unit)))
    return rows


def _render_shares(typed: SharesForm) -> str:
    known = [group.name for group, _ in groups.list_groups(reading())]
    return flask.render_template("printing/price_groups.html", typed=typed, known=known)
