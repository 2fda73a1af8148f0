"""The story behind one line of a statement: what was held, charged, given back and reversed, and about what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.internet import rules as internet
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.models import Hold
from app.ledger.statement import Line
from app.money import MINUS, Unit
from app.printing import charges, charging, price_words
from app.printing import rules as printing
from app.printing.models import PrintJob
from language import _, numbers


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
    """What a line opens into. `facts`: (name, text); `overrun` in millionths; the lines that the line is tied to."""

    about: str
    steps: list[Step]
    facts: list[tuple[str, str]]
    overrun: int
    reverses: Line | None
    reversed_by: Line | None


def tell(session: Session, *, account_id: int, line: Line, unit: Unit) -> Story:
    """Return the story of a line of this account."""
    parts = _parts(session, account_id, line)
    job = _job(session, line)
    if line.hold_id is not None and line.reverses_id is None:
        steps = _steps_of_hold(ledger.get_hold(session, hold_id=line.hold_id), job, parts, unit)
    else:
        steps = _steps(line)
    reverses = _line(session, account_id, line.reverses_id)
    reversed_by = _line(session, account_id, line.reversed_by_id)
    if reversed_by is not None:
        steps.append(
            Step(reversed_by.booked_at, _("Reversed"), reversed_by.amount, moves=True, small=reversed_by.detail)
        )
    return Story(
        about=_("The job") if job else _("The line"),
        steps=steps,
        facts=_facts(line, job, unit),
        overrun=sum(part.overrun for part in parts),
        reverses=reverses,
        reversed_by=reversed_by,
    )


def _parts(session: Session, account_id: int, line: Line) -> list[Line]:
    if line.hold_id is None:
        return [line]
    return statement.lines_of_hold(session, account_id=account_id, hold_id=line.hold_id)


def _job(session: Session, line: Line) -> PrintJob | None:
    if line.source != "print" or line.reverses_id is not None:
        return None
    return charges.job_of_entry(session, entry_id=line.entry_id)


def _line(session: Session, account_id: int, entry_id: int | None) -> Line | None:
    return statement.line(session, account_id=account_id, entry_id=entry_id) if entry_id is not None else None


def _steps_of_hold(placed: Hold, job: PrintJob | None, parts: list[Line], unit: Unit) -> list[Step]:
    counted = job.pages_counted if job else None
    price = _reckoning(job, counted, unit) if job and counted else ""
    held = _("Held before use")
    if counted:
        held = _("Held for %(pages)s, before printing", pages=printing.pages_in_words(counted))
    steps = [Step(placed.created_at, held, placed.amount, small=price)]
    if placed.state == "expired" and placed.ended_at is not None:
        steps.append(Step(placed.ended_at, _("The hold ran out of time"), placed.amount, small=_("free to use again")))
    for part in parts:
        if part.is_beyond_hold:
            what, small = _("Charged beyond the hold"), _("more was printed than was counted before")
        else:
            what, small = _("Charged for what was used"), _overrun(part, unit)
            if part.quantity is not None:
                what = _("Charged for %(pages)s", pages=printing.pages_in_words(part.quantity))
            printed = job.pages_printed if job else None
            if job and printed and printed != counted:
                small = "; ".join(filter(None, (_reckoning(job, printed, unit), small)))
        steps.append(Step(part.booked_at, what, part.amount, moves=True, small=small))
    rest = placed.amount - (placed.captured or 0)
    if placed.state == "captured" and rest > 0 and placed.ended_at is not None:
        small = _("free to use again, never charged")
        steps.append(Step(placed.ended_at, _("Rest of the hold released"), rest, small=small))
    return steps


def _steps(line: Line) -> list[Step]:
    if line.reverses_id is not None:
        what = _("Reversed")
    elif line.source == "allocation":
        what = _("Credited by schedule") if line.amount >= 0 else _("Reset by schedule")
    elif line.source == "internet":
        what = _("Used")
    else:
        what = _("Added") if line.amount >= 0 else _("Taken")
    steps = [Step(line.at, what, line.amount, moves=True, small=line.detail)]
    if abs((line.booked_at - line.at).total_seconds()) >= 1:
        steps.append(Step(line.booked_at, _("Booked"), small=_("when the report of it arrived")))
    return steps


def _facts(line: Line, job: PrintJob | None, unit: Unit) -> list[tuple[str, str]]:
    facts = []
    if job is not None:
        facts.append((_("Document"), job.title or _("without a title")))
        facts += [(_("Printer"), job.printer), (_("Sent by"), job.username)]
        if job.pages_counted is not None:
            facts.append((_("Counted"), printing.pages_in_words(job.pages_counted)))
        if job.pages_printed is not None:
            pages = printing.pages_in_words(job.pages_printed)
            if job.estimated:
                pages = _("%(pages)s (estimated: the printer does not say)", pages=pages)
            facts.append((_("Printed"), pages))
            facts.append((_("Price"), _reckoning(job, job.pages_printed, unit)))
        number = _("%(number)s, run %(run)s", number=job.job_number, run=job.run)
        facts += [(_("Print server"), job.server), (_("Job"), number)]
    else:
        facts.append((_("What"), line.title))
        facts += [(_("Details"), line.detail)] if line.detail else []
    if line.source == "internet" and line.quantity is not None:
        size, number = internet.size_in_words(abs(line.quantity)), numbers.count(abs(line.quantity))
        facts.append((_("Data"), _("%(size)s (%(number)s bytes)", size=size, number=number)))
    exact = f"{MINUS if line.amount < 0 else '+'}{unit.price(line.amount)}"
    facts += [(_("Exactly"), exact)] if exact != unit.change(line.amount) else []
    before, after = unit.text(line.balance - line.amount), unit.text(line.balance)
    facts.append((_("Balance"), _("%(before)s before, %(after)s after", before=before, after=after)))
    facts.append((_("Entry"), str(line.entry_id)))
    return facts


def _reckoning(job: PrintJob, pages: int, unit: Unit) -> str:
    """How a price comes about, at the prices that the job was held at."""
    return price_words.in_words(charging.quote_of(job, pages), unit)


def _overrun(line: Line, unit: Unit) -> str:
    if not line.overrun:
        return ""
    return _("%(amount)s of it was more than there was", amount=unit.price(line.overrun))
