"""Unknown names put together from the rooms of the Internet and of printing, and whose they turn out to be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import reading, writing
from app.errors import NotFoundError
from app.internet import rates
from app.internet import unmatched as internet
from app.people import aliases
from app.people.models import User
from app.people.rules import name_key
from app.printing import unmatched as printing
from app.settings import Settings
from language import _, speaking


@dataclass
class UnknownName:
    """One name that nobody had, however it was written, and what stands under it. Amounts in millionths.

    `sent`: as the machines wrote it. `internet_cost` is at today's price, `print_cost` at that of the time. `refused`:
    jobs that were not printed, `pages`: printed ones that nobody paid for. `holder`: whose name it is by now.
    """

    key: str
    sent: list[str] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0
    requests: int = 0
    internet_cost: int = 0
    refused: int = 0
    pages: int = 0
    print_cost: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    holder: User | None = None

    @property
    def handle(self) -> str:
        """What the name is called in addresses: any letter may stand in a name that a machine sent."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:20]

    @property
    def cost(self) -> int:
        """What assigning it charges, in millionths; rounding may move it by less than one."""
        return self.internet_cost + self.print_cost

    @property
    def has_charges(self) -> bool:
        """Whether something was used that nobody paid for."""
        return bool(self.rows or self.pages)

    def add(self, sent: str, machine: str, first_at: datetime, last_at: datetime) -> None:
        """Note where and when the name came from."""
        self.sent += [sent] if sent not in self.sent else []
        self.machines += [machine] if machine not in self.machines else []
        self.first_at = min(self.first_at or first_at, first_at)
        self.last_at = max(self.last_at or last_at, last_at)


@dataclass(frozen=True)
class Booked:
    """What assigning a name did: rows of usage and print jobs that were dealt with, millionths charged in all."""

    rows: int
    jobs: int
    charged: int


def list_names(session: Session, *, settings: Settings, now: datetime) -> list[UnknownName]:
    """Return every name with something kept or refused under it, the latest first."""
    found: dict[str, UnknownName] = {}
    for kept in internet.list_kept(session, plan=rates.load(session, settings)):
        name = found.setdefault(name_key(kept.username), UnknownName(name_key(kept.username)))
        name.add(kept.username, kept.source, kept.first_at, kept.last_at)
        name.rows += kept.rows
        name.size_bytes += kept.size_bytes
        name.internet_cost += kept.cost
        name.requests += kept.requests
    for seen in printing.list_seen(session, now=now):
        name = found.setdefault(name_key(seen.username), UnknownName(name_key(seen.username)))
        name.add(seen.username, seen.server, seen.first_at, seen.last_at)
        name.refused += seen.refused
        name.pages += seen.pages
        name.print_cost += seen.cost
    _find_holders(session, found.values(), settings)
    return sorted(found.values(), key=lambda name: (name.last_at or now, name.key), reverse=True)


def get(session: Session, *, handle: str, settings: Settings, now: datetime) -> UnknownName:
    """Return the name that addresses call `handle`. Raises NotFoundError when nothing stands under it any more."""
    for name in list_names(session, settings=settings, now=now):
        if name.handle == handle:
            return name
    raise NotFoundError(_("Nothing stands under this name any more: it was assigned or dismissed."))


def count(session: Session, *, settings: Settings, now: datetime) -> int:
    """Return how many names there are."""
    sent = {name_key(kept.username) for kept in internet.list_kept(session, plan=rates.load(session, settings))}
    return len(sent | {name_key(seen.username) for seen in printing.list_seen(session, now=now)})


def assign(name: UnknownName, *, user_id: int, settings: Settings, by: str, now: datetime) -> Booked:
    """Make the name an alias of a person and charge them what stands under it, each thing once.

    A transaction for the alias, then one for each chunk: what is interrupted goes on when it is asked for again. A name
    that has become theirs meanwhile needs no alias. Raises NotFoundError, and InvalidInputError for another's name.
    """
    domains = settings.config.directory.domains
    if name.holder is None or name.holder.id != user_id:
        writing(lambda session: aliases.add(session, user_id=user_id, name=name.key, domains=domains, by=by, now=now))
    plan = rates.load(reading(), settings)

    def book_usage(session: Session) -> tuple[int, int]:
        with speaking(settings.config.language):  # what stands in the books
            done = internet.assign_chunk(session, names=name.sent, user_id=user_id, plan=plan, by=by, now=now)
        return done.rows, done.charged

    rows, charged = _in_chunks(book_usage)
    jobs, printed = _in_chunks(
        lambda session: printing.assign_chunk(
            session, names=name.sent, user_id=user_id, now=now, language=settings.config.language
        )
    )
    return Booked(rows, jobs, charged + printed)


def dismiss(name: UnknownName, *, reason: str, by: str, now: datetime) -> int:
    """Charge nobody for what stands under the name; it stays with the reason. Return how many things these are."""

    def work(session: Session) -> int:
        rows = internet.dismiss(session, names=name.sent, reason=reason, by=by, now=now)
        return rows + printing.dismiss(session, names=name.sent, reason=reason, by=by)

    return writing(work)


def _in_chunks(work: Callable[[Session], tuple[int, int]]) -> tuple[int, int]:
    """Do the work, a transaction a chunk, until there is none left; return (things done, millionths charged)."""
    things = charged = 0
    while True:
        done, amount = writing(work)
        if not done:
            return things, charged
        things += done
        charged += amount


def _find_holders(session: Session, names: Iterable[UnknownName], settings: Settings) -> None:
    waiting = {name.key: name for name in names}
    holders = aliases.find_many(session, typed=list(waiting), domains=settings.config.directory.domains)
    for key, holder in holders.items():
        waiting[key].holder = holder.user
