"""Limits of print jobs: who may print what where, and in which words it is refused. Pure functions of values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.money import Unit
from app.people.rules import name_key
from app.printing.documents import Document
from app.printing.prices import PriceList
from app.printing.scope import EVERYWHERE, Place, Scope
from language import N_, _, _n, numbers

KINDS: Final = {
    "use": N_("May not print at all"),
    "pages": N_("At most so many pages a job"),
    "copies": N_("At most so many copies"),
    "cost": N_("At most so much a job"),
    "grey": N_("Only grey, no colour"),
    "two-sided": N_("Only two-sided"),
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
    """Why a job is refused. `unsure`: it may keep the limit, but what it holds is not known. `final`: nothing that its
    owner could change would help."""

    sentence: str
    unsure: bool = False
    final: bool = False


def refusals(limits: Iterable[Limit], asked: Asked, unit: Unit) -> list[Refusal]:
    """Return every reason for which a job is refused; the strictest of several limits of one kind."""
    fitting = [limit for limit in limits if limit.fits(asked.place, asked.groups)]
    found = []
    for kind in KINDS:
        of_kind = [limit for limit in fitting if limit.kind == kind]
        if of_kind:
            refusal = _judge(min(of_kind, key=lambda limit: limit.amount), asked, unit)
            found += [refusal] if refusal else []
    final = [refusal for refusal in found if refusal.final]
    return final[:1] or found  # how one may print there is no use to who may not


def may_use(limits: Iterable[Limit], place: Place, groups: Collection[str]) -> bool:
    """Whether a member of `groups` may print there at all."""
    return not any(limit.kind == "use" and limit.fits(place, groups) for limit in limits)


def in_words(limit: Limit, unit: Unit) -> str:
    """Return a limit as a sentence: "Students: at most 50 pages a job, on all printers"."""
    return _("%(who)s: %(what)s", who=who_in_words(limit), what=what_in_words(limit, unit))


def what_in_words(limit: Limit, unit: Unit) -> str:
    """Return what a limit says, and where: "at most 50 pages a job, on all printers"."""
    if limit.kind == "use":
        return _("may not print on %(printers)s", printers=limit.scope.words)
    if limit.kind == "pages":
        what = _n("at most %(num)s page a job", "at most %(num)s pages a job", limit.amount)
    elif limit.kind == "copies":
        what = _n("one copy only", "at most %(num)s copies", limit.amount)
    elif limit.kind == "cost":
        what = _("at most %(price)s a job", price=unit.price(limit.amount))
    else:
        what = _("only grey, no colour") if limit.kind == "grey" else _("only two-sided")
    return _("%(limit)s, on %(printers)s", limit=what, printers=limit.scope.words)


def who_in_words(limit: Limit) -> str:
    """Return "Everybody", "Students and Guests", "Everybody except Staff"."""
    if limit.who == "all":
        return _("Everybody")
    names = names_in_words(limit.groups)
    return names if limit.who == "in" else _("Everybody except %(groups)s", groups=names)


def names_in_words(names: Sequence[str]) -> str:
    """Return "Students, Guests and Staff"."""
    if len(names) < 2:
        return "".join(names)
    return _("%(names)s and %(last)s", names=", ".join(names[:-1]), last=names[-1])


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
        return Refusal(_not_yours(limit, asked.place), final=True)
    if limit.kind == "cost":
        if asked.cost <= amount:
            return None
        words = _(
            "It costs %(price)s, and a job may cost %(most)s here. Print fewer pages at once.",
            price=unit.price(asked.cost),
            most=unit.price(amount),
        )
        return Refusal(words)
    if asked.pages is None or (document is None and limit.kind != "pages"):
        return Refusal(_unknown(limit.kind), unsure=True)
    if limit.kind == "pages" and asked.pages > amount:
        words = _(
            "%(pages)s pages are more than the %(most)s that a job may have here. Print it in parts.",
            pages=numbers.count(asked.pages),
            most=numbers.count(amount),
        )
        return Refusal(words)
    if document is None:
        return None
    if limit.kind == "copies" and document.copies > amount:
        words = _(
            "%(copies)s copies are more than the %(most)s allowed here. Choose fewer copies.",
            copies=numbers.count(document.copies),
            most=numbers.count(amount),
        )
        return Refusal(words)
    if limit.kind == "grey":
        return _judge_colour(document, asked.pages)
    if limit.kind == "two-sided" and not document.duplex and document.pages_each > 1:
        return Refusal(_("This printer prints two-sided only. Choose two-sided and send it again."))
    return None


def _judge_colour(document: Document, pages: int) -> Refusal | None:
    coloured = sum(run.pages for run in document.runs if run.colour) * document.copies
    if coloured:
        words = _n(
            "Only grey may be printed here, and %(num)s page has colour. Choose black and white and send it again.",
            "Only grey may be printed here, and %(num)s pages have colour. Choose black and white and send it again.",
            coloured,
        )
        return Refusal(words)
    return Refusal(_unknown("grey"), unsure=True) if document.colour_pages(pages) is None else None


def _not_yours(limit: Limit, place: Place) -> str:
    if limit.who == "except":
        return _(
            "You may not print on %(printer)s: it is for %(groups)s. Choose another printer.",
            printer=place.words,
            groups=names_in_words(limit.groups),
        )
    return _("You may not print on %(printer)s. Choose another printer.", printer=place.words)


def _unknown(kind: str) -> str:
    if kind == "grey":
        return _(
            "Only grey may be printed here, and it could not be seen whether this job has colour. Choose black and "
            "white and send it again, or ask the help desk."
        )
    return _("The pages of this job could not be counted, and not every job may be printed here. Ask the help desk.")
