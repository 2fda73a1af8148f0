"""The books on the health page: what the last verifications found, with the way to each account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger.differences import Difference, from_json
from app.ledger.models import Account, Entry, Verification
from app.ledger.tasks import NOT_ENDED
from app.money import Unit
from app.people.models import User

SHOWN_MAX: Final = 20
HISTORY: Final = 10


@dataclass(frozen=True)
class Found:
    """A difference in words, whose account it is about, and its page: `href` is empty where there is none."""

    name: str
    text: str
    entry_id: int | None
    href: str = ""


@dataclass(frozen=True)
class Books:
    """The last verifications, the newest first; what the newest found; and how many differences more it has."""

    verifications: list[Verification]
    found: list[Found]
    more: int


def look_at(session: Session, unit: Unit) -> Books:
    """Return what the page shows of the last verifications."""
    last = list(session.scalars(select(Verification).order_by(Verification.id.desc()).limit(HISTORY)))
    differences = from_json(last[0].differences)[:SHOWN_MAX] if last else []
    found = [_found(session, difference, unit) for difference in differences]
    return Books(last, found, last[0].difference_count - len(found) if last else 0)


def in_short(verification: Verification, unit: Unit) -> list[str]:
    """Return the first three differences of a verification, in words."""
    return [difference.words(unit.exact) for difference in from_json(verification.differences)[:3]]


def did_not_end(verification: Verification) -> bool:
    """Whether it stopped before it knew anything."""
    return any(difference.what == NOT_ENDED for difference in from_json(verification.differences))


def _found(session: Session, difference: Difference, unit: Unit) -> Found:
    text, entry_id = difference.sentence(unit.exact), difference.entry_id
    name = "Books" if difference.account_id is None else f"Account {difference.account_id}"
    row = session.execute(
        select(Account.user_id, Account.name, User.display_name)
        .outerjoin(User, User.id == Account.user_id)
        .where(Account.id == difference.account_id)
    ).first()
    if row is None:
        return Found(name, text, entry_id)
    user_id, account_name, person_name = row
    owner = {"user_id": user_id} if user_id is not None else {"account_id": difference.account_id}
    there = session.scalar(
        select(Entry.id).where(Entry.id == difference.entry_id, Entry.account_id == difference.account_id)
    )
    return Found(
        person_name or account_name or name, text, entry_id, flask.url_for("accounts.show", **owner, open=there)
    )
