"""Verbs of printers: known when first heard of or made by hand, what holds for them, and what must be counted there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InvalidInputError, NotFoundError
from app.printing import limits, rule_versions
from app.printing.models import Printer, PrintJob
from app.printing.scope import Place
from app.settings import Settings
from language import N_, _, numbers

AWAY: Final = {
    "hold": N_("Jobs wait until it is back"),
    "print": N_("Jobs are printed, and charged afterwards"),
    "refuse": N_("Jobs are refused"),
}
"""What a print server does while the instance does not answer."""

FRESH_S: Final = 30
"""So long a print server may go by what it was told of a printer."""

RELEASE_MINUTES_MAX: Final = 60 * 24 * 14


@dataclass(frozen=True)
class Rule:
    """What a print server must know of a printer before it asks for a job. `count`: "none", "pages" or "colour"."""

    count: str
    away: str
    fresh_s: int = FRESH_S


@dataclass(frozen=True)
class Terms:
    """What an administrator says of a printer."""

    title: str = ""
    group_name: str = ""
    away: str = "hold"
    release: bool = False
    release_minutes: int = 240


def get_printer(session: Session, *, server: str, name: str, now: datetime) -> Printer:
    """Return the printer that a print server calls so; a new one if nothing was heard of it before."""
    known = find(session, server=server, name=name)
    if known is not None:
        return known
    printer = Printer(server=server, name=name, created_at=now)
    session.add(printer)
    session.flush()
    return printer


def find(session: Session, *, server: str, name: str) -> Printer | None:
    """Return the printer that a print server calls so."""
    return session.scalar(select(Printer).where(Printer.server == server, Printer.name == name))


def get(session: Session, *, printer_id: int) -> Printer:
    """Return one printer. Raises NotFoundError."""
    printer = session.get(Printer, printer_id)
    if printer is None:
        raise NotFoundError(_("There is no such printer."))
    return printer


def place(printer: Printer) -> Place:
    """Return a printer as prices and limits see it."""
    return Place(printer.server, printer.name, printer.group_name, printer.title)


def rule(session: Session, *, printer: Printer, settings: Settings) -> Rule:
    """Return what a print server must know of a printer."""
    where = place(printer)
    prices = rule_versions.price_book(session, settings=settings).list_for(where)
    return Rule(limits.needed(rule_versions.limits_of_jobs(session), prices, where), printer.away)


def list_printers(session: Session) -> list[Printer]:
    """Return all printers, by print server and name."""
    return list(session.scalars(select(Printer).order_by(Printer.server, Printer.name)))


def list_groups(session: Session) -> list[str]:
    """Return the groups that printers are in."""
    query = select(Printer.group_name).where(Printer.group_name != "").distinct().order_by(Printer.group_name)
    return list(session.scalars(query))


def last_jobs(session: Session, *, printer: Printer, limit: int) -> list[PrintJob]:
    """Return the last jobs of a printer, the newest first."""
    return list(
        session.scalars(
            select(PrintJob)
            .where(PrintJob.server == printer.server, PrintJob.printer == printer.name)
            .order_by(PrintJob.created_at.desc(), PrintJob.id.desc())
            .limit(limit)
        )
    )


def last_used(session: Session) -> dict[tuple[str, str], datetime]:
    """Return when each printer, by (server, name), last had a job."""
    last = (
        select(PrintJob.created_at)
        .where(PrintJob.server == Printer.server, PrintJob.printer == Printer.name)
        .order_by(PrintJob.created_at.desc())
        .limit(1)
        .correlate(Printer)
        .scalar_subquery()
    )
    rows = session.execute(select(Printer.server, Printer.name, last).where(last.is_not(None)))
    return {(server, name): at for server, name, at in rows}


def make(session: Session, *, server: str, name: str, terms: Terms, now: datetime) -> Printer:
    """Keep a printer before anything was heard of it. Raises InvalidInputError: it is known already, or wrong."""
    problems = check(terms)
    if not server.strip() or ":" in server or len(server) > 80:
        problems["server"] = _("Name the print server as its file says, without a colon")
    if not name.strip() or "/" in name or len(name) > 128:
        problems["name"] = _("Give the name of the queue, as CUPS has it")
    if not problems and find(session, server=server, name=name) is not None:
        problems["name"] = _("This printer is in the list already")
    if problems:
        raise InvalidInputError(". ".join(problems.values()) + ".", fields=problems)
    return change(session, printer=get_printer(session, server=server, name=name, now=now), terms=terms)


def change(session: Session, *, printer: Printer, terms: Terms) -> Printer:
    """Say what holds for a printer. Raises InvalidInputError."""
    problems = check(terms)
    if problems:
        raise InvalidInputError(". ".join(problems.values()) + ".", fields=problems)
    printer.title, printer.group_name = terms.title, terms.group_name
    printer.away, printer.release, printer.release_minutes = terms.away, terms.release, terms.release_minutes
    session.flush()
    return printer


def check(terms: Terms) -> dict[str, str]:
    """Return what is wrong with what somebody says of a printer, by field."""
    problems = {}
    for field, text, longest in (("title", terms.title, 200), ("group_name", terms.group_name, 80)):
        if len(text) > longest or not text.isprintable():
            problems[field] = _("Use at most %(most)s characters on one line", most=longest)
    if terms.away not in AWAY:
        problems["away"] = _("Choose one of the list")
    if not 1 <= terms.release_minutes <= RELEASE_MINUTES_MAX:
        problems["release_minutes"] = _(
            "Write minutes, from 1 to %(most)s (two weeks)", most=numbers.count(RELEASE_MINUTES_MAX)
        )
    return problems


def in_group(printers: Sequence[Printer], group: str) -> list[Printer]:
    """Return the printers of a group."""
    return [printer for printer in printers if printer.group_name.casefold() == group.casefold()]
