"""The administrators' pages of limits: all in sentences, one in its form with a preview, and older versions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import flask
from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.api.access import admin, auditor
from app.db import reading
from app.errors import NotFoundError, WrongStateError
from app.money import Unit, plain
from app.people import groups
from app.people.rules import name_key
from app.printing import limits, price_forms, printers, rule_versions, rules, version_pages
from app.printing.limits import Limit
from app.printing.scope import EVERYWHERE, Scope
from app.settings import settings_of_app
from app.web.addresses import read_text
from language import _, current, numbers

blueprint = Blueprint("print_limits", __name__, url_prefix="/admin/print-limits")

KIND: Final = "limits"
GROUPS_LENGTH_MAX: Final = 2_000
NUMBER: Final = "int(max=9999)"


@dataclass
class LimitForm:
    """A limit as it was typed. `after`: the version that it was made from."""

    kind: str = "pages"
    amount: str = ""
    who: str = "all"
    groups: str = ""
    scope: str = EVERYWHERE.key
    after: int = 0
    wrong: dict[str, str] = field(default_factory=dict)

    def read(self, unit: Unit) -> Limit | None:
        """Return the limit, None where something is wrong."""
        self.wrong = {}
        names = tuple(name.strip() for name in self.groups.split(",") if name.strip()) if self.who != "all" else ()
        if self.who not in limits.WHO:
            self.wrong["who"] = _("Choose one of the list")
        elif self.who != "all" and not names:
            self.wrong["groups"] = _("Name at least one group")
        if self.kind not in limits.KINDS:
            self.wrong["kind"] = _("Choose one of the list")
        amount = self._read_amount(unit)
        try:
            scope = Scope.read(self.scope)
        except ValueError as exc:
            self.wrong["scope"] = str(exc)
            return None
        return None if self.wrong else Limit(self.kind, amount, self.who, names, scope)

    def _read_amount(self, unit: Unit) -> int:
        if self.kind == "cost":
            return price_forms.read_amount(self.wrong, "amount", self.amount, unit) or 0
        if self.kind not in limits.WITH_AMOUNT:
            return 0
        text = self.amount.replace(current().grouping, "")
        if not re.fullmatch("[0-9]{1,7}", text, re.ASCII) or not 1 <= int(text) <= rules.PAGES_MAX:
            self.wrong["amount"] = _("Write how many, from 1 to %(most)s", most=numbers.count(rules.PAGES_MAX))
            return 0
        return int(text)


@blueprint.get("")
@auditor
def show() -> str:
    """Show the limits that count."""
    session, unit = reading(), settings_of_app().unit
    held_to = rule_versions.limits_of_jobs(session)
    return flask.render_template(
        "printing/limits.html",
        rows=_rows(held_to, unit),
        version=rule_versions.version_of(session, kind=KIND),
        history=rule_versions.history(session, kind=KIND),
        unknown=_unknown_groups(held_to),
    )


@blueprint.get("/new")
@admin
def show_new() -> str:
    """Show the form of a new limit."""
    return _render(LimitForm(after=rule_versions.version_of(reading(), kind=KIND)), None)


@blueprint.post("/new")
@admin
def make() -> Response | tuple[str, int]:
    """Keep a new limit, or show it again with a preview or what is wrong."""
    return _keep(None)


@blueprint.get(f"/<{NUMBER}:number>")
@admin
def show_one(number: int) -> str:
    """Show a limit in its form."""
    session = reading()
    limit = _limit(number)
    amount = plain(limit.amount, settings_of_app().unit.decimals) if limit.kind == "cost" else str(limit.amount or "")
    version = rule_versions.version_of(session, kind=KIND)
    form = LimitForm(limit.kind, amount, limit.who, ", ".join(limit.groups), limit.scope.key, version)
    return _render(form, number)


@blueprint.post(f"/<{NUMBER}:number>")
@admin
def change(number: int) -> Response | tuple[str, int]:
    """Change a limit, or show it again with a preview or what is wrong."""
    return _keep(number)


@blueprint.post(f"/<{NUMBER}:number>/remove")
@admin
def remove(number: int) -> Response:
    """Take a limit away."""
    gone, unit = _limit(number), settings_of_app().unit
    left = [limit for index, limit in enumerate(_limits()) if index != number]
    after = price_forms.version(request.form)

    def words() -> str:
        return _("Removed: %(what)s", what=limits.in_words(gone, unit))

    if version_pages.tried(lambda: version_pages.keep(kind=KIND, body=limits.to_json(left), after=after, note=words)):
        flask.flash(f"{words()}.", "ok")
    return flask.redirect(flask.url_for(".show"), 303)


@blueprint.get("/versions/<int(max=999999999):version>")
@auditor
def show_version(version: int) -> str:
    """Show an older version in words, before it is brought back."""
    session = reading()
    kept = rule_versions.get(session, kind=KIND, version=version)
    return flask.render_template(
        "printing/limits_version.html",
        kept=kept,
        rows=_rows(limits.from_json(kept.body), settings_of_app().unit),
        version=rule_versions.version_of(session, kind=KIND),
    )


@blueprint.post("/versions/<int(max=999999999):version>")
@admin
def restore(version: int) -> Response:
    """Bring an older version back."""
    return version_pages.restore(kind=KIND, version=version, back_to=flask.url_for(".show"))


def _keep(number: int | None) -> Response | tuple[str, int]:
    form, unit = _typed(request.form), settings_of_app().unit
    limit = form.read(unit)
    if limit is None or "preview" in request.form:
        return _render(form, number, limit), 422 if limit is None else 200
    present = list(_limits())
    if number is None:
        present.append(limit)
    elif number < len(present):
        present[number] = limit
    if len(present) > limits.LIMITS_MAX:
        form.wrong["kind"] = _("There are %(most)s limits already: remove one first", most=limits.LIMITS_MAX)
        return _render(form, number), 422
    try:
        version_pages.keep(
            kind=KIND, body=limits.to_json(present), after=form.after, note=lambda: limits.in_words(limit, unit)
        )
    except WrongStateError as exc:
        form.wrong["kind"] = exc.message
        return _render(form, number, limit), 409
    flask.flash(_("Limit saved. It holds for jobs that are sent from now on."), "ok")
    return flask.redirect(flask.url_for(".show"), 303)


def _typed(sent: Mapping[str, str]) -> LimitForm:
    return LimitForm(
        kind=read_text(sent, "kind", 20),
        amount=read_text(sent, "amount", price_forms.AMOUNT_LENGTH_MAX).strip(),
        who=read_text(sent, "who", 10),
        groups=read_text(sent, "groups", GROUPS_LENGTH_MAX),
        scope=read_text(sent, "scope", 300),
        after=price_forms.version(sent),
    )


def _limits() -> tuple[Limit, ...]:
    return rule_versions.limits_of_jobs(reading())


def _limit(number: int) -> Limit:
    """The limit of that number. Raises NotFoundError."""
    held_to = _limits()
    if number >= len(held_to):
        raise NotFoundError(_("There is no such limit."))
    return held_to[number]


def _rows(held_to: Sequence[Limit], unit: Unit) -> list[tuple[int, Limit, str, str]]:
    """Return (number, limit, whom it is about, what it says)."""
    return [
        (number, limit, limits.who_in_words(limit), limits.what_in_words(limit, unit))
        for number, limit in enumerate(held_to)
    ]


def _unknown_groups(held_to: Sequence[Limit]) -> list[str]:
    known = {group.name_key for group, _ in groups.list_groups(reading())}
    return sorted({name for limit in held_to for name in limit.groups if name_key(name) not in known})


def _render(form: LimitForm, number: int | None, previewed: Limit | None = None) -> str:
    session = reading()
    scopes = [EVERYWHERE, *(Scope(group=group) for group in printers.list_groups(session))]
    scopes += [Scope(server=each.server, printer=each.name) for each in printers.list_printers(session)]
    return flask.render_template(
        "printing/limit.html",
        form=form,
        number=number,
        sentence=limits.in_words(previewed, settings_of_app().unit) if previewed else "",
        kinds=limits.KINDS,
        scopes=[(scope.key, scope.words) for scope in scopes],
        known=[group.name for group, _ in groups.list_groups(session)],
        version=rule_versions.version_of(session, kind=KIND),
    )
