"""What is decided and what happens at the demo's print instance: prices, limits, prints, refunds, jobs that wait."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import reading, writing
from app.people.models import User
from app.printing import asking, charging, limits, price_json, printers, releases, rule_versions
from app.printing.documents import Document, Run
from app.printing.limits import Limit
from app.printing.models import PrintJob
from app.printing.prices import Adjustment, Line, PriceBook, PriceList
from app.printing.releases import Actor
from app.printing.scope import Scope
from app.refunds import service as refunds
from app.settings import Settings

if TYPE_CHECKING:
    from demo.activity import Scene

SERVER = "printserver1"
PRINTERS = {
    "Library-1": printers.Terms("Library, ground floor", "Library"),
    "Hall-2": printers.Terms("Hall, by the stairs"),
    "Studio-colour": printers.Terms("Colour printer of the art studio", "Studio", release=True, release_minutes=240),
    "Staff-room": printers.Terms("Staff room"),
}
RELEASING = "Studio-colour"
PAGES = (1, 2, 2, 3, 4, 6, 8, 12)
HABITS = {"alice": (1, 1, 2, 2), "bob": (2, 2, 3, 3), "carol": (0, 0, 1, 1)}
"""How many jobs somebody prints on a school day."""

TITLES = (
    "Biology lab report.pdf",
    "History essay, draft 2.docx",
    "Maths worksheet 9.pdf",
    "Timetable.pdf",
    "Art portfolio.pdf",
    "Chemistry notes.odt",
    "Seminar handout.pdf",
    "Application letter.docx",
    "Sheet music, second violin.pdf",
    "Geography: rivers.pptx",
)
BOOK = PriceBook(
    (
        PriceList(
            (
                *(Line(50_000), Line(200_000, colour=True)),
                *(Line(100_000, paper="a3"), Line(400_000, paper="a3", colour=True)),
            )
        ),
        PriceList((Line(60_000), Line(250_000, colour=True)), Scope(group="Studio"), base=50_000),
    ),
    (Adjustment("Staff", 50),),
)
LIMITS = (
    Limit("pages", 40, "in", ("Students",)),
    Limit("copies", 30),
    Limit("use", 0, "except", ("Staff", "Administrators"), Scope(server=SERVER, printer="Staff-room")),
)


def decide(scene: Scene) -> None:
    """Say what printing costs, what is refused, and what holds for each printer."""

    def work(session: Session) -> None:
        for name, terms in PRINTERS.items():
            printers.make(session, server=SERVER, name=name, terms=terms, now=scene.begin)
        kept = (
            ("prices", price_json.book_to_json(BOOK), "Colour is dearer, staff pay half"),
            ("limits", limits.to_json(LIMITS), "No more than 40 pages at once"),
        )
        for kind, body, note in kept:
            rule_versions.save(session, kind=kind, body=body, after=0, note=note, by=scene.by, now=scene.begin)

    writing(work)


def happen(scene: Scene) -> Iterator[tuple[datetime, Callable[[], object]]]:
    """Yield what is printed on school days, refunds of it, and jobs that were not printed; each with its moment."""
    chance = random.Random(20121114)
    number = 0
    zone = scene.settings.zone
    for day in range((scene.now - scene.begin).days + 1):
        date = (scene.begin + timedelta(days=day)).astimezone(zone).date()
        for name, jobs in HABITS.items():
            for _ in range(chance.choice(jobs) if date.weekday() < 5 else 0):
                number += 1
                at = datetime.combine(date, time(chance.randrange(8, 17), chance.randrange(60)), zone)
                document = _document(chance, in_colour=name == "alice")
                printer = chance.choice(("Library-1", "Library-1", "Hall-2"))
                seen = _seen(name, number, printer, chance.choice(TITLES), document)
                yield at, partial(_print, scene, scene.users[name], seen, at)
    yield from _mishaps(scene)


def wait_for_release(settings: Settings, user: User, now: datetime) -> None:
    """Have a job of `user` wait at the printer that releases jobs, where none of theirs does."""
    if releases.list_waiting(reading(), user_id=user.id):
        return
    document = Document((Run(2, False, "a4"), Run(1, True, "a4")))
    seen = _seen(user.username, int(now.timestamp()) % 100_000, RELEASING, "Poster for the autumn fair.pdf", document)
    writing(lambda session: asking.ask(session, seen=seen, user_id=user.id, settings=settings, now=now))


def _mishaps(scene: Scene) -> Iterator[tuple[datetime, Callable[[], object]]]:
    """Yield what did not go well in the last days: refunds asked for and decided, names and jobs that stood out."""
    days = scene.school_days(8)
    staples = Document((Run(4, False, "a4"),))
    for day, number, answer in ((days[1], 9001, "approve"), (days[3], 9002, "refuse"), (days[7], 9003, "")):
        at = day + timedelta(hours=10, minutes=12)
        seen = _seen("alice", number, "Library-1", TITLES[number % len(TITLES)], staples)
        yield at, partial(_print, scene, scene.users["alice"], seen, at)
        yield at + timedelta(minutes=20), partial(_ask_back, scene, seen, answer, at + timedelta(minutes=20))
    at = days[6] + timedelta(hours=14, minutes=3)
    stranger = _seen("n.grant", 9004, "Hall-2", "Visitors' programme.pdf", staples)
    yield at, partial(_print, scene, None, stranger, at)
    at = days[7] + timedelta(hours=11, minutes=47)
    broken = asking.JobSeen(SERVER, "Hall-2", "carol", 9005, "urn:uuid:demo-9005", "Seating plan.cdr", None)
    yield at, partial(_print, scene, scene.users["carol"], broken, at)
    at = days[7] + timedelta(hours=15, minutes=20)
    long = _seen("bob", 9006, "Library-1", "The whole textbook.pdf", Document((Run(180, False, "a4"),)))
    yield at, partial(_print, scene, scene.users["bob"], long, at)


def _document(chance: random.Random, *, in_colour: bool) -> Document:
    pages = chance.choice(PAGES)
    colour = 1 if in_colour and chance.random() < 0.2 else 0
    runs = [Run(pages, False, "a4")] + [Run(colour, True, "a4")] * colour
    return Document(tuple(runs), duplex=chance.random() < 0.5)


def _seen(name: str, number: int, printer: str, title: str, document: Document) -> asking.JobSeen:
    uuid = f"urn:uuid:demo-{number}"
    return asking.JobSeen(
        SERVER, printer, name, number, uuid, title, document.pages, document, host=f"pc-{number % 40}"
    )


def _print(scene: Scene, user: User | None, seen: asking.JobSeen, at: datetime) -> None:
    user_id = None if user is None else user.id

    def work(session: Session) -> None:
        answer = asking.ask(session, seen=seen, user_id=user_id, settings=scene.settings, now=at)
        if answer.decision == "print":
            done = at + timedelta(seconds=20)
            charging.capture(session, job_id=answer.job, run=answer.run, pages=seen.pages or 0, now=done)

    writing(work)


def _ask_back(scene: Scene, seen: asking.JobSeen, answer: str, at: datetime) -> None:
    """Ask for a refund of a job, where it was printed, and decide over it."""
    admin = scene.users["admin"]
    by = Actor(admin.id, "admin", scene.by, language=scene.settings.config.language)

    def work(session: Session) -> None:
        job = session.scalar(select(PrintJob).where(PrintJob.server == SERVER, PrintJob.job_uuid == seen.job_uuid))
        if job is None or job.state != "printed" or job.user_id is None:
            return  # the purse was empty
        reason = "The printer jammed, half of it is blank" if answer != "refuse" else "I printed the wrong file"
        asked = refunds.ask(session, job_id=job.id, user_id=job.user_id, reason=reason, now=at)
        later = at + timedelta(hours=2)
        if answer == "approve":
            refunds.approve(session, refund_id=asked.id, amount=None, answer="", by=by, now=later)
        elif answer:
            refunds.refuse(session, refund_id=asked.id, answer="What was printed stays charged.", by=by, now=later)

    writing(work)
