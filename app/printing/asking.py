"""Before a job prints: whose it is, whether it may print, what it costs; and its price is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InsufficientBalanceError, KeyReusedError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Hold
from app.money import Unit
from app.people.models import Group, Membership, User
from app.people.rules import name_key
from app.printing import documents, job_words, limits, price_json, prices, printers, rule_versions, rules, told
from app.printing.documents import Document
from app.printing.models import Printer, PrintJob
from app.printing.prices import Terms
from app.settings import Settings
from language import _, _n

RELEASE_PATH: Final = "/print-jobs/waiting"
"""Where people release their jobs; said to them as an address of this instance."""

DECISIONS: Final = {"cancelled": "cancel", "waiting": "hold", "held": "print"}


@dataclass(frozen=True)
class JobSeen:
    """A job as a print server describes it. `pages`: impressions counted, copies included; None: not countable, and
    `doubt` says why. `document`: what was counted, where the print server tells it."""

    server: str
    printer: str
    user: str
    job_id: int
    job_uuid: str
    title: str
    pages: int | None
    document: Document | None = None
    host: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Answer:
    """What the print server shall do with a job: "print", "cancel" or "hold". `price` in millionths; `waits_for`:
    "release", "count" or "directory" of a job that is held."""

    decision: str
    reason: str
    job: int
    run: int
    price: int
    waits_for: str = ""


def ask(
    session: Session,
    *,
    seen: JobSeen,
    user_id: int | None,
    settings: Settings,
    now: datetime,
    looked_up: bool = True,
) -> Answer:
    """Decide over a job before it prints, and hold its price.

    Asking again before the run is finished is the same run, for the pages that are named now, at the price that it was
    held at; after a capture it is a new one. Raises KeyReusedError when another user asks for the same run. `user_id`
    None: the directory knows nobody of that name or, when not `looked_up`, did not answer: then only this job waits.
    In monitor mode nothing is refused; a job for a printer that releases waits all the same. Reasons are written, and
    kept, in the language spoken now: to a print server that is the instance's own.
    """
    printer = printers.get_printer(session, server=seen.server, name=seen.printer, now=now)
    job = run_of(session, seen, now)
    if job.order == "cancel":
        return Answer("cancel", job_words.reason(job) or _("This job was cancelled."), job.id, job.run, 0)
    # An administrator lets it print uncounted; on a printer that releases, its owner has released it since.
    uncounted = job.waits_for == "count" or (job.waits_for == "release" and job.pages_counted is None)
    sent_on = uncounted and job.order == "resume"
    job.order = ""
    placed = session.get(Hold, job.hold_id, populate_existing=True) if job.hold_id is not None else None
    is_open = placed is not None and placed.state == "open"
    same = is_open and _is_same(job, seen) and job.printer == seen.printer
    if same and (job.state == "held" or (job.waits_for == "release" and job.released_at is None)):
        return _answer(job, job.reason, job.cost)
    if placed is not None:
        if is_open:
            ledger.release(session, hold_id=placed.id, now=now)
        job.attempt += 1
    note(job, seen, user_id=user_id, now=now)
    groups = groups_of(session, user_id)
    terms = price_json.terms_from_json(job.terms) if same else terms_for(session, printer, groups, settings)
    cost = price(job, terms, seen.pages)
    if settings.enforces:
        refused = _refuse_person(session, job, looked_up)
        if refused is None:
            refused = _refuse_job(session, job, seen, printer, groups, cost, sent_on, settings)
        if refused is not None:
            return refused
    if user_id is None:
        return _let_print(session, job)
    waits = printer.release and job.released_at is None
    try:
        minutes = printer.release_minutes if waits else 0
        _hold(session, job, user_id=user_id, cost=cost, wait_minutes=minutes, now=now, settings=settings)
    except InsufficientBalanceError as exc:
        available, floor = (int(str(exc.facts[name])) for name in ("available_micro", "floor_micro"))
        reason = _too_short(seen.pages or 0, cost, available - floor, settings.unit)
        return _refuse(job, "cancelled", reason, cost=cost)
    if waits:
        job.state, job.waits_for, job.cost = "waiting", "release", cost
        job.reason = _where_to_release(printer, cost, settings)
        session.flush()
        return _answer(job, job.reason, cost)
    return _let_print(session, job)


def run_of(session: Session, seen: JobSeen, now: datetime, *, print_key: str = "") -> PrintJob:
    """Return the run of a job that is not finished, locked; a new one after a capture.

    Raises KeyReusedError: its present run is somebody else's. With `print_key` it has printed already: then the run is
    never refused.
    """
    last = session.scalar(
        select(PrintJob)
        .where(PrintJob.server == seen.server, PrintJob.job_uuid == seen.job_uuid)
        .order_by(PrintJob.run.desc())
        .limit(1)
        .with_for_update()
    )
    if last is not None and last.state != "printed":
        if name_key(last.username) == name_key(seen.user):
            return last
        if not print_key:
            raise KeyReusedError("This job was asked for by somebody else.", job=last.id, run=last.run)
    job = PrintJob(
        server=seen.server,
        job_uuid=seen.job_uuid,
        run=last.run + 1 if last else 1,
        job_number=seen.job_id,
        printer=seen.printer,
        username=seen.user,
        title=seen.title,
        state="waiting",
        reason="",
        waits_for="",
        order="",
        cost=0,
        attempt=1,
        created_at=now,
        updated_at=now,
    )
    session.add(job)
    session.flush()
    return job


def note(job: PrintJob, seen: JobSeen, *, user_id: int | None, now: datetime) -> None:
    """Take down what is asked for now; what was decided before counts no more."""
    document = seen.document
    job.hold_id, job.user_id, job.printer, job.host = None, user_id, seen.printer, seen.host
    job.pages_counted, job.document = seen.pages, documents.to_json(document)
    job.copies, job.duplex = (document.copies, document.duplex) if document else (1, False)
    job.paper = document.paper[: documents.PAPER_LENGTH_MAX] if document else ""
    note_paper(job, seen.pages)
    job.waits_for, job.reason, job.cost, job.expires_at, job.updated_at = "", "", 0, None, now


def note_paper(job: PrintJob, pages: int | None) -> None:
    """Take down how many sheets and pages in colour `pages` pages of the job are, as far as it is known."""
    document = documents.from_json(job.document)
    if document is None or pages is None:
        job.sheets = job.colour_pages = None
    else:
        job.sheets, job.colour_pages = document.sheets(pages), document.colour_pages(pages)


def price(job: PrintJob, terms: Terms, pages: int | None) -> int:
    """Keep the terms with the job, and return what `pages` pages of it cost, in millionths.

    Of pages that nobody has counted only the base price is known.
    """
    job.terms = price_json.terms_to_json(terms)
    if pages is None:
        return prices.quote(terms, None, 1).cost if not terms.prices.needs_pages else 0
    return prices.quote(terms, documents.from_json(job.document), pages).cost


def terms_for(session: Session, printer: Printer, groups: frozenset[str], settings: Settings) -> Terms:
    """Return by what a member of `groups` is charged on a printer now."""
    book = rule_versions.price_book(session, settings=settings)
    return Terms(book.list_for(printers.place(printer)), book.adjustment_for(groups))


def groups_of(session: Session, user_id: int | None) -> frozenset[str]:
    """Return the keys of the groups that somebody is in; nobody is in none."""
    if user_id is None:
        return frozenset()
    query = select(Group.name_key).join(Membership, Membership.group_id == Group.id)
    return frozenset(session.scalars(query.where(Membership.user_id == user_id)))


def _is_same(job: PrintJob, seen: JobSeen) -> bool:
    return (job.pages_counted, job.document) == (seen.pages, documents.to_json(seen.document))


def _refuse_person(session: Session, job: PrintJob, looked_up: bool) -> Answer | None:
    if not looked_up:
        reason = _("The network's directory does not answer: it is not known whose job this is.")
        return _refuse(job, "waiting", reason, waits_for="directory")
    if job.user_id is None:
        reason = _("No purse is known for the name %(name)s. Nothing was charged.", name=job.username)
        return _refuse(job, "cancelled", reason)
    if not session.get_one(User, job.user_id).is_active:
        reason = _("The network account %(name)s is disabled. Nothing was charged.", name=job.username)
        return _refuse(job, "cancelled", reason)
    return None


def _refuse_job(
    session: Session,
    job: PrintJob,
    seen: JobSeen,
    printer: Printer,
    groups: frozenset[str],
    cost: int,
    sent_on: bool,
    settings: Settings,
) -> Answer | None:
    """Refuse a job that keeps a limit not, or of which too little is known; None when it may print."""
    where = printers.place(printer)
    held_to = rule_versions.limits_of_jobs(session)
    asked = limits.Asked(where, groups, seen.pages, seen.document, cost)
    found = limits.refusals(held_to, asked, settings.unit)
    sure = [refusal.sentence for refusal in found if not refusal.unsure]
    if sure:
        reason = _("Not printed: %(why)s Nothing was charged.", why=" ".join(sure))
        return _refuse(job, "cancelled", reason, cost=cost)
    unsure = [refusal.sentence for refusal in found]
    terms = price_json.terms_from_json(job.terms)
    if seen.pages is None and (terms.prices.needs_pages or (unsure and seen.doubt)):
        unsure = [_uncounted(seen.doubt)]
    if unsure and not sent_on:
        return _refuse(job, "waiting", unsure[0], waits_for="count")
    return None


def _hold(
    session: Session, job: PrintJob, *, user_id: int, cost: int, wait_minutes: int, now: datetime, settings: Settings
) -> None:
    """Hold a price: until the job must be released, else for as long as printing may take."""
    job.expires_at = now + timedelta(minutes=wait_minutes) if wait_minutes else None
    placed = ledger.hold(
        session,
        account_id=accounts.get_account(session, user_id=user_id).id,
        amount=cost,
        source="print",
        key=f"print:{job.server}:{job.job_uuid}:{job.run}:hold:{job.attempt}",
        now=now,
        expires_at=job.expires_at or now + rules.HOLD_LIFE,
        enforce=settings.enforces,
    )
    job.hold_id, job.cost = placed.id, cost


def _let_print(session: Session, job: PrintJob) -> Answer:
    job.state, job.reason, job.waits_for = "held", "", ""
    session.flush()
    return _answer(job, "", job.cost)


def _refuse(job: PrintJob, state: str, reason: str, *, waits_for: str = "", cost: int = 0) -> Answer:
    job.state, job.reason, job.waits_for = state, reason, waits_for
    return _answer(job, reason, cost)


def _answer(job: PrintJob, reason: str, cost: int) -> Answer:
    return Answer(DECISIONS[job.state], reason, job.id, job.run, cost, job.waits_for)


def _too_short(pages: int, cost: int, available: int, unit: Unit) -> str:
    return _(
        "Not printed: %(pages)s cost %(price)s, and %(left)s is left. Nothing was charged.",
        pages=rules.pages_in_words(pages),
        price=unit.price(cost),
        left=unit.text(available),
    )


def _uncounted(doubt: str) -> str:
    if not doubt:
        return _("The pages of this job could not be counted. Ask the help desk.")
    return _("The pages of this job could not be counted (%(why)s). Ask the help desk.", why=told.in_words(doubt))


def _where_to_release(printer: Printer, cost: int, settings: Settings) -> str:
    address = f"{settings.config.public_url}{RELEASE_PATH}"
    hours, minutes = divmod(printer.release_minutes, 60)
    if minutes:
        where = _n(
            "This job waits until you release it, within %(num)s minute, at %(address)s.",
            "This job waits until you release it, within %(num)s minutes, at %(address)s.",
            printer.release_minutes,
            address=address,
        )
    else:
        where = _n(
            "This job waits until you release it, within %(num)s hour, at %(address)s.",
            "This job waits until you release it, within %(num)s hours, at %(address)s.",
            hours,
            address=address,
        )
    words = [where]
    words += [_("%(price)s is kept for it.", price=settings.unit.price(cost))] if cost else []
    return " ".join(words)
