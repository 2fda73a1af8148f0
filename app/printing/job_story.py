"""The story of one print job: asked, held, released, printed, charged, given back; and how its price came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger.models import Hold
from app.money import Unit
from app.printing import charges, documents, job_words, price_json, price_words, prices
from app.printing.charges import Charge, Charged
from app.printing.models import PrintJob


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
    steps = [Step(job.created_at, "Sent to print", small=_from(job))]
    steps += _steps_of_hold(placed, job) if placed is not None else []
    if job.released_at is not None:
        steps.append(Step(job.released_at, "Released", small=f"by {job.released_by}"))
    elif job.released_by and job.waits_for in ("count", "directory"):
        steps.append(Step(job.updated_at, "Sent on", small=f"by {job.released_by}"))
    steps += [_charged(charge, job) for charge in charged.charges]
    if job.state == "printed" and not charged.charges:
        steps.append(Step(job.updated_at, f"Printed {_pages(job.pages_printed)}", small=job.reason or "charged nobody"))
    if job.state in ("cancelled", "released"):
        what = "Not printed" if job.state == "cancelled" else "Ended without paper"
        steps.append(Step(job.updated_at, what, small=job.reason))
    for charge in charged.charges:
        if charge.given_back_at is not None:
            what = "Refunded" if charge.given_back == charge.amount else "Refunded in part"
            steps.append(Step(charge.given_back_at, what, charge.given_back, moves=True))
    return Story(sorted(steps, key=lambda step: step.at), _facts(job), _price(job, unit), charged)


def _from(job: PrintJob) -> str:
    return f"as {job.username}" + (f", from {job.host}" if job.host else "")


def _steps_of_hold(placed: Hold, job: PrintJob) -> list[Step]:
    held = Step(placed.created_at, "Price held", placed.amount, small=job_words.makeup(job) if placed.amount else "")
    if placed.ended_at is None or placed.state == "captured":
        rest = placed.amount - (placed.captured or 0)
        if placed.state == "captured" and rest > 0 and placed.ended_at is not None:
            return [held, Step(placed.ended_at, "Rest of what was held is free again", rest, small="never charged")]
        return [held]
    what = "The hold ran out of time" if placed.state == "expired" else "What was held is free again"
    return [held, Step(placed.ended_at, what, placed.amount, small="never charged")]


def _charged(charge: Charge, job: PrintJob) -> Step:
    if charge.beyond:
        return Step(charge.at, "Charged beyond the hold", -charge.amount, moves=True, small="more was printed")
    what = f"Charged for {_pages(charge.pages if charge.pages is not None else job.pages_printed)}"
    small = "estimated: the printer did not say" if job.estimated else ""
    return Step(charge.at, what, -charge.amount, moves=True, small=small)


def _pages(pages: int | None) -> str:
    return "what was printed" if pages is None else job_words.count(pages, "page")


def _facts(job: PrintJob) -> list[tuple[str, str]]:
    facts = [("Printer", job.printer)]
    if job.pages_counted is not None:
        facts.append(("Counted", job_words.count(job.pages_counted, "page")))
    if job.pages_printed is not None:
        facts.append(("Printed", job_words.count(job.pages_printed, "page") + (", estimated" if job.estimated else "")))
    if job.colour_pages is not None:
        facts.append(("In colour", job_words.count(job.colour_pages, "page") if job.colour_pages else "none"))
    facts.append(("Copies", f"{job.copies:,}"))
    if job.sheets is not None:
        facts.append(("Sheets", f"{job.sheets:,}"))
    facts.append(("Sides", "two-sided" if job.duplex else "one-sided"))
    if job.paper:
        facts.append(("Paper", documents.paper_in_words(job.paper)))
    facts += [("Print server", job.server), ("Number there", f"{job.job_number}, run {job.run}")]
    return facts


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
        return [("This printer is free", unit.price(0))]
    rows = [(price_words.part_in_words(part, found, unit), unit.price(part.count * part.price)) for part in found.parts]
    if terms.prices.base and found.parts:
        rows.append(("For the job", unit.price(terms.prices.base)))
    if found.cost != found.full:
        rows.append((price_words.percent_in_words(terms.adjustment), unit.change(found.cost - found.full)))
    return [*rows, ("Together", unit.price(found.cost))]
