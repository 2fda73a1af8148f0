"""The portal's pages of exchanges: choose, see what would happen, do it, and see how far each one is."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import flask
from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from language import _, _n, numbers, speaking
from portal import rules
from portal.access import signed_in
from portal.cards import Card
from portal.exchange_records import Exchange
from portal.pages import services_of_app
from portal.purses import Purse
from portal.settings import ExchangeSection

SHOWN = 20
AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?", re.ASCII)
FORM_ID = re.compile(r"[A-Za-z0-9-]{16,64}", re.ASCII)

blueprint = Blueprint("exchanges", __name__, url_prefix="/exchange")


@dataclass(frozen=True)
class Asked:
    """What the form asks for; `problem` is a sentence for people, "" when it can be done.

    `words`: what would be moved, for who reads now; `kept`: the same in the portal's language, for the record and for
    the statements.
    """

    pair: ExchangeSection
    typed: str
    amount: int = 0
    words: str = ""
    kept: str = ""
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
        words=asked.kept,
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
        silent = _("One of the two servers does not answer now. Nothing was moved; try again soon.")
        return Asked(pair, typed, problem=silent)
    try:
        amount = _amount(typed, source.card)
    except ValueError as error:
        return Asked(pair, typed, problem=str(error))
    received = pair.received(amount)
    if received <= 0:
        return Asked(pair, typed, problem=_("Nothing would arrive. Write a larger amount."))
    most = max(0, source.card.available_micro)
    if amount > most:
        return Asked(pair, typed, problem=_("You have %(amount)s to move.", amount=source.card.amount(most)))
    moving = Moving(source, amount, target, received)
    with speaking(services_of_app().settings.language):
        kept = moving.as_done()
    return Asked(pair, typed, amount, moving.as_planned(), kept)


def _amount(typed: str, card: Card) -> int:
    """Read an amount of the card's unit as millionths. Raises ValueError with a sentence for people."""
    try:
        found = AMOUNT.fullmatch(numbers.read(typed))
    except ValueError as error:
        raise ValueError(f"{error}.") from None
    if found is None:
        raise ValueError(_("Write the amount in figures, such as 2.00, with a point and not a comma."))
    decimals = (found[2] or "").rstrip("0")
    if len(decimals) > card.decimals:
        raise ValueError(
            _n(
                "Use at most %(num)s figure after the point.",
                "Use at most %(num)s figures after the point.",
                card.decimals,
            )
        )
    return int(found[1]) * 1_000_000 + int(decimals.ljust(6, "0"))


def _names() -> dict[str, str]:
    return {instance.id: instance.name for instance in services_of_app().settings.instances}


def _page(purses: dict[str, Purse], asked: Asked | None = None) -> str:
    services = services_of_app()
    rates = [
        (pair, source.amount(1_000_000), target.amount(pair.received(1_000_000)))
        for pair in services.settings.exchanges
        if (source := purses[pair.source].card) and (target := purses[pair.target].card)
    ]
    past = services.exchanges.records.of(current_user.directory_id, SHOWN)
    return flask.render_template(
        "exchange.html",
        rates=rates,
        asked=asked,
        names=_names(),
        past=[(each, _what(each, purses)) for each in past],
        words=rules,
        now=services.clock(),
        zone=services.settings.zone,
    )


def _what(past: Exchange, purses: dict[str, Purse]) -> str:
    """What was moved, for who reads now; as it was kept where a purse's unit is not known now."""
    source, target = purses.get(past.source), purses.get(past.target)
    if not (source and target and source.card and target.card):
        return past.words
    return Moving(source, past.amount, target, past.received).as_done()


@dataclass(frozen=True)
class Moving:
    """What leaves a purse and what arrives in another, in millionths of their units. Both cards are known."""

    source: Purse
    amount: int
    target: Purse
    received: int

    def as_planned(self) -> str:
        """The sentence before it is done."""
        return _("%(amount)s from %(source)s becomes %(received)s in %(target)s.", **self._values())

    def as_done(self) -> str:
        """The words for it afterwards."""
        return _("%(amount)s from %(source)s became %(received)s in %(target)s", **self._values())

    def _values(self) -> dict[str, str]:
        gives, takes = self.source.card, self.target.card
        return {
            "amount": gives.amount(self.amount) if gives else "",
            "source": self.source.instance.name,
            "received": takes.amount(self.received) if takes else "",
            "target": self.target.instance.name,
        }
