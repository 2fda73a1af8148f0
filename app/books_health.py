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
from language import N_, _

SHOWN_MAX: Final = 20
HISTORY: Final = 10

PHRASES: Final = (
    N_("a trigger that is not ours"),
    N_("amount of the entry"),
    N_("amount of the entry was changed"),
    N_("amount of the reversal"),
    N_("balance after the entry"),
    N_("balance of the account"),
    N_("captured hold without its entry"),
    N_("content of the entry"),
    N_("doubled entry"),
    N_("empty key"),
    N_("end of a hold"),
    N_("entries are missing"),
    N_("entries of a captured hold"),
    N_("entries of a hold that is released"),
    N_("entries of a hold that is still open"),
    N_("entries of a run"),
    N_("entry was changed"),
    N_("entry was deleted"),
    N_("entry was put into the past"),
    N_("entry without an account"),
    N_("hold is missing"),
    N_("hold of another account"),
    N_("hold without an account"),
    N_("key used twice"),
    N_("limit of the account"),
    N_("note is missing"),
    N_("number of entries of a source"),
    N_("overrun larger than the charge"),
    N_("overrun of a guarded entry"),
    N_("place of the entry"),
    N_("place taken twice"),
    N_("reserved amount"),
    N_("reversal of a reversal"),
    N_("reversal of another account's entry"),
    N_("reversed entry is missing"),
    N_("reversed twice"),
    N_("sequence of the account"),
    N_("several entries of the past were changed"),
    N_("source of the hold"),
    N_("source of the reversal"),
    N_("sum of all balances"),
    N_("the database no longer refuses a second entry under one key"),
    N_("the database no longer refuses a second hold under one key"),
    N_("the database no longer refuses a second reversal of one entry"),
    N_("the database no longer refuses to change entries"),
    N_("the database no longer refuses two entries at one place of an account"),
    N_("the kept history does not fit its seal"),
    N_("the verification did not come to its end"),
    N_("total of a run"),
    N_("total of a source"),
    N_("unknown kind"),
    N_("unknown source"),
)
"""What a verification finds is kept, compared and logged in English; here it is marked for translation."""


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
    found = []
    for difference in from_json(verification.differences)[:3]:
        account, entry, what = difference.account_id, difference.entry_id, sentence(difference, unit)
        if account is None and entry is None:
            found.append(_("books: %(what)s", what=what))
        elif entry is None:
            found.append(_("account %(account)s: %(what)s", account=account, what=what))
        elif account is None:
            found.append(_("entry %(entry)s: %(what)s", entry=entry, what=what))
        else:
            found.append(_("account %(account)s, entry %(entry)s: %(what)s", account=account, entry=entry, what=what))
    return found


def sentence(difference: Difference, unit: Unit) -> str:
    """Return what differs, as `Difference.sentence` does, in the language spoken.

    What stands in brackets is kept as the verification wrote it, for whoever looks into the database.
    """
    what = f"{_(difference.what)} ({difference.text})" if difference.text else _(difference.what)
    if difference.expected is None and difference.found is None:
        return what
    expected, found = (_value(value, difference, unit) for value in (difference.expected, difference.found))
    return _("%(what)s: expected %(expected)s, found %(found)s", what=what, expected=expected, found=found)


def _value(value: int | str | None, difference: Difference, unit: Unit) -> str:
    if value is None:
        return _("nothing")
    return unit.exact(value) if difference.micro and isinstance(value, int) else str(value)


def did_not_end(verification: Verification) -> bool:
    """Whether it stopped before it knew anything."""
    return any(difference.what == NOT_ENDED for difference in from_json(verification.differences))


def _found(session: Session, difference: Difference, unit: Unit) -> Found:
    text, entry_id = sentence(difference, unit), difference.entry_id
    name = _("Books")
    if difference.account_id is not None:
        name = _("Account %(number)s", number=difference.account_id)
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
