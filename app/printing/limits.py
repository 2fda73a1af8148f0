"""Limits of print jobs: who may print what where, and in which words it is refused. Pure functions of values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from app.money import Unit
from app.people.rules import name_key
from app.printing.documents import Document
from app.printing.prices import PriceList
from app.printing.scope import EVERYWHERE, Place, Scope

KINDS: Final = {
    "use": "may not print there",
    "pages": "at most so many pages a job",
    "copies": "at most so many copies",
    "cost": "at most so much a job",
    "grey": "only grey, no colour",
    "two-sided": "only two-sided",
}
"""What a limit says; the words are those of the form. "pages", "copies" and "cost" have an amount."""

WITH_AMOUNT: Final = ("pages", "copies", "cost")
WHO: Final = ("all", "in", "except")
LIMITS_MAX: Final = 200


@dataclass(frozen=True)
class Limit:
    """One rule. `who`: "all" people, those "in" one of `groups`, or all "except" these. `amount`: pages, copies, or
    millionths."""

    kind: str
    amount: int = 0
    who: str = "all"
    groups: tuple[str, ...] = ()
    scope: Scope = EVERYWHERE

    def fits(self, place: Place, groups: Collection[str]) -> bool:
        """Whether it holds for a member of `groups` (compared as names are) on a printer."""
        if not self.scope.fits(place):
            return False
        keys = {name_key(group) for group in groups}
        named = any(name_key(group) in keys for group in self.groups)
        return self.who == "all" or named == (self.who == "in")


@dataclass(frozen=True)
class Asked:
    """A job that wants to print. `pages` None: not counted; `cost` in millionths."""

    place: Place
    groups: Collection[str]
    pages: int | None
    document: Document | None
    cost: int


@dataclass(frozen=True)
class Refusal:
    """Why a job is refused. `unsure`: it may keep the limit, but what it holds is not known."""

    sentence: str
    unsure: bool = False


def refusals(limits: Iterable[Limit], asked: Asked, unit: Unit) -> list[Refusal]:
    """Return every reason for which a job is refused; the strictest of several limits of one kind."""
    fitting = [limit for limit in limits if limit.fits(asked.place, asked.groups)]
    found = []
    for kind in KINDS:
        of_kind = [limit for limit in fitting if limit.kind == kind]
        if of_kind:
            refusal = _judge(min(of_kind, key=lambda limit: limit.amount), asked, unit)
            found += [refusal] if refusal else []
    if found and found[0].sentence.startswith("You may not"):
        return found[:1]  # how one may print there is no use to who may not
    return found


def may_use(limits: Iterable[Limit], place: Place, groups: Collection[str]) -> bool:
    """Whether a member of `groups` may print there at all."""
    return not any(limit.kind == "use" and limit.fits(place, groups) for limit in limits)


def in_words(limit: Limit, unit: Unit) -> str:
    """Return a limit as a sentence: "Students: at most 50 pages a job, on all printers"."""
    what = {
        "use": f"may not print on {limit.scope.words}",
        "pages": f"at most {limit.amount:,} page{'' if limit.amount == 1 else 's'} a job",
        "copies": "one copy only" if limit.amount == 1 else f"at most {limit.amount:,} copies",
        "cost": f"at most {unit.price(limit.amount)} a job",
        "grey": "only grey, no colour",
        "two-sided": "only two-sided",
    }[limit.kind]
    return f"{who_in_words(limit)}: {what}" + ("" if limit.kind == "use" else f", on {limit.scope.words}")


def who_in_words(limit: Limit) -> str:
    """Return "Everybody", "Students and Guests", "Everybody except Staff"."""
    if limit.who == "all":
        return "Everybody"
    names = " and ".join([", ".join(limit.groups[:-1]), limit.groups[-1]] if limit.groups[1:] else limit.groups)
    return names if limit.who == "in" else f"Everybody except {names}"


def needed(limits: Iterable[Limit], prices: PriceList, place: Place) -> str:
    """Return what must be counted of jobs on a printer before they print: "none", "pages" or "colour"."""
    kinds = {limit.kind for limit in limits if limit.scope.fits(place)}
    if prices.needs_colour or "grey" in kinds:
        return "colour"
    return "pages" if prices.needs_pages or kinds & {"pages", "copies", "two-sided"} else "none"


def to_json(limits: Iterable[Limit]) -> str:
    """Return limits as they are kept."""
    rows = [[one.kind, one.amount, one.who, list(one.groups), one.scope.to_list()] for one in limits]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str) -> tuple[Limit, ...]:
    """Return what `to_json` wrote."""
    return tuple(
        Limit(kind, amount, who, tuple(groups), Scope.from_list(scope))
        for kind, amount, who, groups, scope in json.loads(text)
    )


def _judge(limit: Limit, asked: Asked, unit: Unit) -> Refusal | None:
    """Return why a job does not keep a limit, None when it does."""
    document, amount = asked.document, limit.amount
    if limit.kind == "use":
        return Refusal(_not_yours(limit, asked.place))
    if limit.kind == "cost":
        if asked.cost <= amount:
            return None
        most = f"It costs {unit.price(asked.cost)}, and a job may cost {unit.price(amount)} here"
        return Refusal(f"{most}. Print fewer pages at once.")
    if asked.pages is None or (document is None and limit.kind != "pages"):
        return Refusal(_unknown(limit.kind), unsure=True)
    if limit.kind == "pages" and asked.pages > amount:
        many = f"{asked.pages:,} pages are more than the {amount:,} that a job may have here"
        return Refusal(f"{many}. Print it in parts.")
    if document is None:
        return None
    if limit.kind == "copies" and document.copies > amount:
        return Refusal(f"{document.copies:,} copies are more than the {amount:,} allowed here. Choose fewer copies.")
    if limit.kind == "grey":
        return _judge_colour(document, asked.pages)
    if limit.kind == "two-sided" and not document.duplex and document.pages_each > 1:
        return Refusal("This printer prints two-sided only. Choose two-sided and send it again.")
    return None


def _judge_colour(document: Document, pages: int) -> Refusal | None:
    coloured = sum(run.pages for run in document.runs if run.colour) * document.copies
    if coloured:
        has = "1 page has" if coloured == 1 else f"{coloured:,} pages have"
        return Refusal(f"Only grey may be printed here, and {has} colour. Choose black and white and send it again.")
    return Refusal(_unknown("grey"), unsure=True) if document.colour_pages(pages) is None else None


def _not_yours(limit: Limit, place: Place) -> str:
    if limit.who == "except":
        return f"You may not print on {place.words}: it is for {' and '.join(limit.groups)}. Choose another printer."
    return f"You may not print on {place.words}. Choose another printer."


def _unknown(kind: str) -> str:
    if kind == "grey":
        return (
            "Only grey may be printed here, and it could not be seen whether this job has colour. Choose black and "
            "white and send it again, or ask the help desk."
        )
    return "The pages of this job could not be counted, and not every job may be printed here. Ask the help desk."
