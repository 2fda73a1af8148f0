"""Leavers: people who are not active any more, and what is left in their purses: report it, keep it, take it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, and_, case, cast, func, literal, select
from sqlalchemy.orm import Session

from app.errors import NotFoundError, WrongStateError
from app.ledger.batch import Posting, post_many
from app.ledger.bulk import reverse_many, take_many
from app.ledger.models import Account, Entry
from app.money import Unit
from app.people import service
from app.people.models import Taking, User
from app.settings import settings_of_app
from language import _, speaking

CHUNK = 5_000
"""People a transaction: whoever charges waits for one at most."""

KEPT = "leaver-kept:"
LEFT = Account.balance - Account.reserved


@dataclass(frozen=True)
class Choice:
    """Which leavers: `status` "gone", "disabled" or "" for both; who left between two days, both included; `query`.

    `undecided`: without those whose balance was kept since they left. `ids`: only these, None for all.
    """

    status: str = ""
    since: date | None = None
    until: date | None = None
    undecided: bool = False
    query: str = ""
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Leaver:
    """Somebody who left, and their purse; `kept`: somebody decided since that it stays as it is."""

    user: User
    account: Account
    kept: bool


@dataclass(frozen=True)
class Totals:
    """How many leavers have a balance, and how much in all; how many something can be taken from, and how much.

    `owing`: those who are below zero. Amounts in millionths.
    """

    people: int
    balance: int
    takeable: int
    left: int
    owing: int


def list_leavers(session: Session, *, choice: Choice, zone: ZoneInfo, after: str, limit: int) -> list[Leaver]:
    """Return leavers who have a balance, by user name, after the name `after`."""
    found = (
        select(User, Account, _kept())
        .join(Account, Account.user_id == User.id)
        .where(User.username > after, *_chosen(choice, zone))
        .order_by(User.username)
        .limit(limit)
    )
    return [Leaver(user, account, bool(kept)) for user, account, kept in session.execute(found)]


def count(session: Session, *, choice: Choice, zone: ZoneInfo) -> Totals:
    """Return the totals of the leavers whom `list_leavers` lists, page by page."""
    row = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(Account.balance), 0),
            func.count(case((LEFT > 0, 1))),
            func.coalesce(func.sum(case((LEFT > 0, LEFT))), 0),
            func.count(case((Account.balance < 0, 1))),
        )
        .select_from(User)
        .join(Account, Account.user_id == User.id)
        .where(*_chosen(choice, zone))
    ).one()
    return Totals(row[0], int(row[1]), row[2], int(row[3]), row[4])


def begin(session: Session, *, form_id: str, reason: str, by: str, now: datetime) -> Taking:
    """Make the record of a taking; the form `form_id` makes one, however often it is sent."""
    taking = session.scalar(select(Taking).where(Taking.form_id == form_id))
    if taking is None:
        taking = Taking(form_id=form_id, reason=reason, by=by, at=now, taken=0, total=0, reversed_count=0)
        session.add(taking)
        session.flush()
    return taking


def take_chunk(
    session: Session, *, taking_id: int, choice: Choice, zone: ZoneInfo, after: int, now: datetime, limit: int = CHUNK
) -> int | None:
    """Take back what is left from the next `limit` leavers above the user id `after`; return the last one's id.

    None when there are no more. A purse ends at 0, or at what is held on it; who owes is left alone. Nobody is taken
    from twice by one taking. Raises NotFoundError, WrongStateError for a taking that was undone.
    """
    taking = _locked(session, taking_id)
    if taking.reversed_by:
        raise WrongStateError(_("This taking was undone. Begin another."), taking_id=taking_id)
    chosen = select(User.id).join(Account, Account.user_id == User.id).where(*_chosen(choice, zone), LEFT > 0)
    found = chosen.where(User.id > after).order_by(User.id).limit(limit).subquery()
    last = session.scalar(select(func.max(found.c.id)))
    if last is None:
        return None
    ids = chosen.where(User.id > after, User.id <= last)
    with speaking(settings_of_app().config.language):
        title = _("Taken back after leaving")
        detail = _("%(reason)s, by %(name)s", reason=taking.reason, name=taking.by)
    done = take_many(
        session,
        where=(Account.user_id.in_(ids),),
        keep=0,
        key_prefix=taking.key_prefix,
        now=now,
        title=title,
        detail=detail,
    )
    taking.taken += done.count
    taking.total -= done.total
    session.flush()
    return int(last)


def undo_chunk(
    session: Session, *, taking_id: int, after: str, by: str, now: datetime, limit: int = CHUNK
) -> str | None:
    """Give back up to `limit` of what a taking took, each thing once; return where to go on, None at the end.

    Raises NotFoundError.
    """
    taking = _locked(session, taking_id)
    with speaking(settings_of_app().config.language):
        title = _("Given back: taken back after leaving")
    done = reverse_many(
        session,
        key_prefix=taking.key_prefix,
        after_key=after,
        limit=limit,
        reversal_prefix="reversal:",
        now=now,
        title=title,
    )
    taking.reversed_count += done.count
    taking.reversed_by = taking.reversed_by or by
    if done.last_key is None:
        taking.reversed_at = taking.reversed_at or now
    session.flush()
    return done.last_key


def keep_chunk(
    session: Session,
    *,
    choice: Choice,
    zone: ZoneInfo,
    reason: str,
    by: str,
    form_id: str,
    unit: Unit,
    after: str,
    now: datetime,
) -> str | None:
    """Write on the statements of the next leavers that their balance is kept; return the last one's user name.

    None when there are no more. No balance moves.
    """
    found = list_leavers(session, choice=choice, zone=zone, after=after, limit=CHUNK)
    with speaking(settings_of_app().config.language):
        detail = _("%(reason)s, by %(name)s", reason=reason, name=by)
        postings = [
            Posting(
                account_id=leaver.account.id,
                amount=0,
                source="adjustment",
                key=f"{KEPT}{leaver.user.id}:{form_id}",
                title=_("Left with %(amount)s: kept", amount=unit.text(leaver.account.balance)),
                detail=detail,
            )
            for leaver in found
        ]
    post_many(session, postings=postings, now=now)
    return found[-1].user.username if found else None


def list_takings(session: Session, *, limit: int) -> list[Taking]:
    """Return the last takings that took something, the newest first."""
    return list(session.scalars(select(Taking).where(Taking.taken > 0).order_by(Taking.id.desc()).limit(limit)))


def _chosen(choice: Choice, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    conditions = [
        User.status == choice.status if choice.status else User.status.in_(("gone", "disabled")),
        (Account.balance != 0) | (Account.reserved != 0),
        *service.matching(choice.query),
    ]
    if choice.since is not None:
        conditions.append(User.status_since >= _start(choice.since, zone))
    if choice.until is not None:
        conditions.append(User.status_since < _start(choice.until + timedelta(days=1), zone))
    if choice.undecided:
        conditions.append(~_kept())
    if choice.ids is not None:
        conditions.append(User.id.in_(choice.ids))
    return conditions


def _kept() -> ColumnElement[bool]:
    """Whether somebody decided, since they left, that the balance stays."""
    mine = literal(KEPT, String) + cast(User.id, String)
    # From ":" to ";", its neighbour: one range of the index.
    key = and_(Entry.key > mine + literal(":", String), Entry.key < mine + literal(";", String))
    since = (User.status_since.is_(None)) | (Entry.created_at >= User.status_since)
    return select(Entry.id).where(key, since).correlate(User).exists()


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone)


def _locked(session: Session, taking_id: int) -> Taking:
    taking = session.get(Taking, taking_id, with_for_update=True, populate_existing=True)
    if taking is None:
        raise NotFoundError(_("There is no such taking."), taking_id=taking_id)
    return taking
