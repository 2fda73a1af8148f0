"""The story of one print job: asked, held, released, printed, charged, given back; and how its price came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger.models import Hold
from app.money import Unit
from app.printing import charges, documents, job_words, price_json, price_words, prices, rules
from app.printing.charges import Charge, Charged
from app.printing.models import PrintJob
from language import _, _n, numbers


@dataclass(frozen=True)
class Step:
    """One thing that happened. `amount` in millionths: a change of the balance when `moves`, else a plain sum."""

    at: datetime
    what: str
    amount: int | None = None
    moves: bool = False
    small: str = ""


@dataclass(frozen=True)
class Story:
    """What happened to a job. `facts`: (name, text); `price`: rows of (what, amount in words), the total last."""

    steps: list[Step]
    facts: list[tuple[str, str]]
    price: list[tuple[str, str]]
    charged: Charged = field(default_factory=Charged)


def tell(session: Session, *, job: PrintJob, unit: Unit) -> Story:
    """Return the story of a job."""
    charged = charges.of_job(session, job=job)
    placed = session.get(Hold, job.hold_id) if job.hold_id is not None else None
    steps = [Step(job.created_at, _("Sent to print"), small=_from(job))]
    steps += _steps_of_hold(placed, job) if placed is not None else []
    if job.released_at is not None:
        steps.append(Step(job.released_at, _("Released"), small=_("by %(name)s", name=job.released_by)))
    elif job.released_by and job.waits_for in ("count", "directory"):
        steps.append(Step(job.updated_at, _("Sent on"), small=_("by %(name)s", name=job.released_by)))
    steps += [_charged(charge, job) for charge in charged.charges]
    if job.state == "printed" and not charged.charges:
        small = job_words.reason(job) or _("charged nobody")
        steps.append(Step(job.updated_at, _printed(job.pages_printed or 0), small=small))
    if job.state in ("cancelled", "released"):
        what = _("Not printed") if job.state == "cancelled" else _("Ended without paper")
        steps.append(Step(job.updated_at, what, small=job_words.reason(job)))
    for charge in charged.charges:
        if charge.given_back_at is not None:
            what = _("Refunded") if charge.given_back == charge.amount else _("Refunded in part")
            steps.append(Step(charge.given_back_at, what, charge.given_back, moves=True))
    return Story(sorted(steps, key=lambda step: step.at), _facts(job), _price(job, unit), charged)


def _from(job: PrintJob) -> str:
    if job.host:
        return _("as %(name)s, from %(computer)s", name=job.username, computer=job.host)
    return _("as %(name)s", name=job.username)


def _steps_of_hold(placed: Hold, job: PrintJob) -> list[Step]:
    held = Step(placed.created_at, _("Price held"), placed.amount, small=job_words.makeup(job) if placed.amount else "")
    if placed.ended_at is None or placed.state == "captured":
        rest = placed.amount - (placed.captured or 0)
        if placed.state == "captured" and rest > 0 and placed.ended_at is not None:
            what = _("Rest of what was held is free again")
            return [held, Step(placed.ended_at, what, rest, small=_("never charged"))]
        return [held]
    what = _("The hold ran out of time") if placed.state == "expired" else _("What was held is free again")
    return [held, Step(placed.ended_at, what, placed.amount, small=_("never charged"))]


def _charged(charge: Charge, job: PrintJob) -> Step:
    if charge.beyond:
        what, small = _("Charged beyond the hold"), _("more was printed")
        return Step(charge.at, what, -charge.amount, moves=True, small=small)
    pages = charge.pages if charge.pages is not None else job.pages_printed
    if pages is None:
        what = _("Charged for what was printed")
    else:
        what = _n("Charged for %(num)s page", "Charged for %(num)s pages", pages)
    small = _("estimated: the printer did not say") if job.estimated else ""
    return Step(charge.at, what, -charge.amount, moves=True, small=small)


def _printed(pages: int) -> str:
    return _n("Printed %(num)s page", "Printed %(num)s pages", pages)


def _facts(job: PrintJob) -> list[tuple[str, str]]:
    facts = [(_("Printer"), job.printer)]
    if job.pages_counted is not None:
        facts.append((_("Counted"), rules.pages_in_words(job.pages_counted)))
    if job.pages_printed is not None:
        printed = rules.pages_in_words(job.pages_printed)
        facts.append((_("Printed"), _("%(pages)s, estimated", pages=printed) if job.estimated else printed))
    if job.colour_pages is not None:
        coloured = rules.pages_in_words(job.colour_pages) if job.colour_pages else _("none")
        facts.append((_("In colour"), coloured))
    facts.append((_("Copies"), numbers.count(job.copies)))
    if job.sheets is not None:
        facts.append((_("Sheets"), numbers.count(job.sheets)))
    facts.append((_("Sides"), _("two-sided") if job.duplex else _("one-sided")))
    if job.paper:
        facts.append((_("Paper"), documents.paper_in_words(job.paper)))
    number = _("%(number)s, run %(run)s", number=job.job_number, run=job.run)
    return [*facts, (_("Print server"), job.server), (_("Number there"), number)]


def _price(job: PrintJob, unit: Unit) -> list[tuple[str, str]]:
    """How the price came about, by the terms that were kept with the job; nothing where none were."""
    pages = job_words.pages(job)
    if not job.terms or pages is None:
        return []
    try:
        terms, document = price_json.terms_from_json(job.terms), documents.from_json(job.document)
    except (ValueError, KeyError, TypeError):
        return []
    found = prices.quote(terms, document, pages)
    if terms.prices.free:
        return [(_("This printer is free"), unit.price(0))]
    rows = [(price_words.part_in_words(part, found, unit), unit.price(part.count * part.price)) for part in found.parts]
    if terms.prices.base and found.parts:
        rows.append((_("For the job"), unit.price(terms.prices.base)))
    if found.cost != found.full:
        rows.append((price_words.percent_in_words(terms.adjustment), unit.change(found.cost - found.full)))
    return [*rows, (_("Together"), unit.price(found.cost))]
