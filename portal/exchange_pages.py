"""The portal's pages of exchanges: choose, see what would happen, do it, and see how far each one is."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from portal import rules
from portal.access import signed_in
from portal.pages import services_of_app
from portal.purses import Purse
from portal.settings import ExchangeSection

SHOWN = 20
AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?", re.ASCII)
FORM_ID = re.compile(r"[A-Za-z0-9-]{16,64}", re.ASCII)

blueprint = Blueprint("exchanges", __name__, url_prefix="/exchange")


@dataclass(frozen=True)
class Asked:
    """What the form asks for; `problem` is a sentence for people, "" when it can be done."""

    pair: ExchangeSection
    typed: str
    amount: int = 0
    words: str = ""
    problem: str = ""


@blueprint.get("")
@signed_in
def show() -> str:
    """Ask what shall be moved, and show what was."""
    return _page(_purses())


@blueprint.post("")
@signed_in
def preview() -> str | tuple[str, int]:
    """Show what would happen."""
    purses = _purses()
    asked = _read(purses)
    if asked.problem:
        return _page(purses, asked), 422
    return flask.render_template("exchange_confirm.html", asked=asked, form_id=secrets.token_hex(16), names=_names())


@blueprint.post("/now")
@signed_in
def do() -> Response | tuple[str, int]:
    """Do it, as far as the instances answer."""
    purses = _purses()
    asked = _read(purses)
    form_id = request.form.get("form_id", "")
    if asked.problem or not FORM_ID.fullmatch(form_id):
        return _page(purses, asked), 422
    services_of_app().exchanges.begin(
        exchange_id=form_id,
        username=current_user.username,
        directory_id=current_user.directory_id,
        pair=asked.pair,
        amount=asked.amount,
        words=asked.words,
    )
    return flask.redirect("/exchange", 303)


def _purses() -> dict[str, Purse]:
    services = services_of_app()
    if not services.settings.exchanges:
        flask.abort(404)
    found = services.purses.of(username=current_user.username, directory_id=current_user.directory_id)
    return {purse.instance.id: purse for purse in found}


def _read(purses: dict[str, Purse]) -> Asked:
    pairs = services_of_app().settings.exchanges
    wanted, typed = request.form.get("pair", ""), request.form.get("amount", "").strip()
    pair = next((each for each in pairs if f"{each.source}-{each.target}" == wanted), pairs[0])
    source, target = purses[pair.source], purses[pair.target]
    if not (source.is_fresh and target.is_fresh and source.card and target.card):
        return Asked(
            pair, typed, problem="One of the two servers does not answer now. Nothing was moved; try again soon."
        )
    found = AMOUNT.fullmatch(typed)
    if found is None:
        return Asked(pair, typed, problem="Write the amount in figures, such as 2.00, with a point and not a comma.")
    amount = int(found[1]) * 1_000_000 + int((found[2] or "").ljust(6, "0"))
    received = pair.received(amount)
    if received <= 0:
        return Asked(pair, typed, problem="Nothing would arrive. Write a larger amount.")
    if amount > max(0, source.card.available_micro):
        have = rules.amount_like(source.card, max(0, source.card.available_micro))
        return Asked(pair, typed, problem=f"You have {have} to move.")
    names = _names()
    gives = f"{rules.amount_like(source.card, amount)} from {names[pair.source]}"
    words = f"{gives} became {rules.amount_like(target.card, received)} in {names[pair.target]}"
    return Asked(pair, typed, amount, words)


def _names() -> dict[str, str]:
    return {instance.id: instance.name for instance in services_of_app().settings.instances}


def _page(purses: dict[str, Purse], asked: Asked | None = None) -> str:
    services = services_of_app()
    rates = [
        (pair, rules.amount_like(source, 1_000_000), rules.amount_like(target, pair.received(1_000_000)))
        for pair in services.settings.exchanges
        if (source := purses[pair.source].card) and (target := purses[pair.target].card)
    ]
    return flask.render_template(
        "exchange.html",
        rates=rates,
        asked=asked,
        names=_names(),
        past=services.exchanges.records.of(current_user.directory_id, SHOWN),
        words=rules,
        now=services.clock(),
        zone=services.settings.zone,
    )
