"""What a job would cost somebody on a printer, how that comes about, and what would stand in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from app.ledger import accounts
from app.money import times_half_even
from app.people.models import User
from app.printing import asking, limits, price_words, prices, printers, rule_versions
from app.printing.documents import Document, Page, Run
from app.printing.models import Printer
from app.printing.prices import PriceList, Quote, Terms
from app.printing.scope import Place
from app.settings import Settings
from language import _

PAGES_MAX: Final = 100_000
COPIES_MAX: Final = 1_000
USUAL: Final = Page(colour=False, paper="a4")


@dataclass(frozen=True)
class Answer:
    """What a job would cost. `words`: how that comes about; `refused`: why it would not print, in sentences.

    `left`: what its owner may still spend, in millionths, None without a limit; `enough`: whether that pays for it.
    """

    quote: Quote
    words: str
    refused: Sequence[str]
    left: int | None
    enough: bool


def document(*, pages: int, colour: int, copies: int, paper: str, duplex: bool) -> Document:
    """Return a document of `pages` pages a copy, the first `colour` of them in colour."""
    coloured = min(colour, pages)
    runs = (Run(coloured, True, paper), Run(pages - coloured, False, paper))
    return Document(tuple(run for run in runs if run.pages), copies, duplex)


def reckon(session: Session, *, job: Document, printer: Printer | None, user: User, settings: Settings) -> Answer:
    """Return what a job would cost a user on a printer now; None: one that follows what holds for all.

    Nothing is held.
    """
    groups, where = asking.groups_of(session, user.id), _place(printer)
    book = rule_versions.price_book(session, settings=settings)
    terms = Terms(book.list_for(where), book.adjustment_for(groups))
    found = prices.quote(terms, job, job.pages)
    asked = limits.Asked(where, groups, job.pages, job, found.cost)
    refusals = limits.refusals(rule_versions.limits_of_jobs(session), asked, settings.unit)
    account = accounts.get_account(session, user_id=user.id)
    left = None if account.floor is None else max(account.available - account.floor, 0)
    return Answer(
        quote=found,
        words=price_words.in_words(found, settings.unit),
        refused=[refusal.sentence for refusal in refusals],
        left=left,
        enough=left is None or found.cost <= left,
    )


def prices_of(session: Session, *, printer: Printer | None, settings: Settings) -> PriceList:
    """Return the price list of a printer; None: the one for all."""
    return rule_versions.price_book(session, settings=settings).list_for(_place(printer))


def usual_page(session: Session, *, user_id: int, settings: Settings) -> int:
    """Return what one more grey A4 page, one-sided, costs a user where no printer has prices of its own."""
    book = rule_versions.price_book(session, settings=settings)
    usual = next(one for one in book.lists if not one.scope.rank)
    if usual.free:
        return 0
    percent = book.adjustment_for(asking.groups_of(session, user_id)).percent if book.adjustments else 100
    return times_half_even(usual.price(USUAL, duplex=False), percent, 100)


def printers_for(session: Session, *, user_id: int) -> list[Printer]:
    """Return the printers that a user may print on."""
    held_to, groups = rule_versions.limits_of_jobs(session), asking.groups_of(session, user_id)
    return [
        printer
        for printer in printers.list_printers(session)
        if limits.may_use(held_to, printers.place(printer), groups)
    ]


def _place(printer: Printer | None) -> Place:
    return printers.place(printer) if printer else Place("", "", title=_("this printer"))
