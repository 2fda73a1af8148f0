"""Relinking: somebody whose identifier in the directory changed gets their old purse back, never by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError, WrongStateError
from app.ledger import service as ledger
from app.ledger.models import Account
from app.people import aliases, service
from app.people.models import Device, LoginSession, Membership, User, UserName
from app.settings import settings_of_app
from language import N_, _, speaking

RELINKED = "relinked:"
"""What the identifier of somebody begins with whose row was joined to another: no directory has such a one."""

DIRECTORY_ID_LENGTH_MAX = 256


@dataclass(frozen=True)
class Known:
    """What a person is compared by. `name` is the user name, as it was before somebody else got it."""

    id: int
    name: str
    display_name: str
    email: str
    created_at: datetime


@dataclass(frozen=True)
class Pair:
    """Somebody who is gone and somebody who came later and may be the same. `exact`: nobody else fits either.

    `why` is what they share, in words that are translated where they are shown.
    """

    gone: Known
    here: Known
    why: str
    exact: bool


@dataclass(frozen=True)
class Join:
    """What relinking a pair does: `moved` millionths go to the old purse. `obstacle` says why it cannot be, or ""."""

    old: User
    new: User
    old_balance: int
    moved: int
    obstacle: str


def find_pairs(session: Session) -> list[Pair]:
    """Return everybody who is gone with everybody who came later under the same name or e-mail, by name."""
    gone = _known(session, gone=True)
    return pair_up(gone, _known(session, gone=False)) if gone else []


def pair_up(gone: Iterable[Known], here: Iterable[Known]) -> list[Pair]:
    """Return the pairs of people who share a user name or an e-mail, where the second came later.

    A pair is exact when both share user name and e-mail (or user name and full name, where neither has an e-mail), and
    neither fits another as well. A user name alone says little: it is given to somebody else after a while.
    """
    by_name: defaultdict[str, list[Known]] = defaultdict(list)
    by_email: defaultdict[str, list[Known]] = defaultdict(list)
    for one in here:
        by_name[one.name].append(one)
        if one.email:
            by_email[one.email.casefold()].append(one)
    found: list[tuple[Known, Known, str, bool]] = []
    for old in gone:
        candidates = {one.id: one for one in by_name[old.name] + (by_email[old.email.casefold()] if old.email else [])}
        found += [(old, new, *_likeness(old, new)) for new in candidates.values() if new.created_at > old.created_at]
    of_old, of_new = _counted(old.id for old, *_rest in found), _counted(new.id for _old, new, *_rest in found)
    pairs = [Pair(old, new, why, full and of_old[old.id] == of_new[new.id] == 1) for old, new, why, full in found]
    return sorted(pairs, key=lambda pair: (pair.gone.name, pair.gone.id, pair.here.id))


def look_at(session: Session, *, old_id: int, new_id: int) -> Join:
    """Return what relinking would do now; nothing is changed. Raises NotFoundError, WrongStateError (see `relink`)."""
    old, new = _people(session, old_id, new_id)
    accounts = {account.user_id: account for account in session.scalars(_accounts(old_id, new_id))}
    return Join(old, new, accounts[old_id].balance, accounts[new_id].balance, _obstacle(accounts[new_id]))


def relink(session: Session, *, old_id: int, new_id: int, by: str, now: datetime) -> Join:
    """Give the old row the identifier, name and groups of the new one, and empty the new purse into the old.

    Two entries of the source "transfer" move what the new purse has, or owes. Aliases, former names and devices follow;
    the new row stays, empty and gone. It cannot be undone. Raises NotFoundError, and WrongStateError when the first is
    not gone, the second not here, or something is held on the new purse.
    """
    old, new = _people(session, old_id, new_id, lock=True)
    locked = session.scalars(_accounts(old_id, new_id).with_for_update().execution_options(populate_existing=True))
    accounts = {account.user_id: account for account in locked}
    done = Join(old, new, accounts[old_id].balance, accounts[new_id].balance, _obstacle(accounts[new_id]))
    if done.obstacle:
        raise WrongStateError(done.obstacle, user_id=new_id)
    _move(session, accounts[new_id], accounts[old_id], done, by, now)
    before, identifier, username = _name_of(old.id, old.username), new.directory_id, new.username
    new.directory_id = f"{RELINKED}{new.id}:{identifier}"[:DIRECTORY_ID_LENGTH_MAX]
    new.username = service.parked(username, new.id)
    session.flush()  # before the old row takes both: each is unique
    old.directory_id, old.username, old.display_name, old.email = identifier, username, new.display_name, new.email
    old.role, old.status, old.status_since, old.refreshed_at = new.role, new.status, new.status_since, new.refreshed_at
    new.role, new.status, new.status_since = "", "gone", now
    session.flush()
    _take_along(session, old_id, new_id, now)
    if before != username:
        aliases.keep_former(session, user_id=old_id, before=before, now=now)
    for user in (old, new):
        session.refresh(user)
    return done


def _known(session: Session, *, gone: bool) -> list[Known]:
    columns = User.id, User.username, User.display_name, User.email, User.created_at
    chosen = select(*columns).where(
        User.origin == "directory",
        ~User.directory_id.startswith(RELINKED, autoescape=True),
        User.status == "gone" if gone else User.status != "gone",
    )
    return [Known(row[0], _name_of(row[0], row[1]), *row[2:]) for row in session.execute(chosen.order_by(User.id))]


def _name_of(user_id: int, username: str) -> str:
    """The user name, also of somebody who lost it to another: then it stands here with a number behind it."""
    return username.removesuffix(f"#{user_id}")


def _likeness(old: Known, new: Known) -> tuple[str, bool]:
    name, email = old.name == new.name, bool(old.email) and old.email.casefold() == new.email.casefold()
    full_name = bool(old.display_name) and old.display_name.casefold() == new.display_name.casefold()
    if name and email:
        return N_("same user name and e-mail"), True
    if email:
        return N_("same e-mail, another user name"), False
    if full_name and not old.email and not new.email:
        return N_("same user name and full name"), True
    return N_("same user name and full name") if full_name else N_("same user name, another full name"), False


def _counted(ids: Iterable[int]) -> defaultdict[int, int]:
    counts: defaultdict[int, int] = defaultdict(int)
    for one in ids:
        counts[one] += 1
    return counts


def _people(session: Session, old_id: int, new_id: int, *, lock: bool = False) -> tuple[User, User]:
    query = select(User).where(User.id.in_((old_id, new_id))).order_by(User.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = {user.id: user for user in session.scalars(query)}
    if len(found) != 2:
        raise NotFoundError(_("There is no such pair of people."), old_id=old_id, new_id=new_id)
    old, new = found[old_id], found[new_id]
    if old.status != "gone" or old.directory_id.startswith(RELINKED):
        raise WrongStateError(
            _(
                "%(name)s (%(username)s) is not gone: there is nothing to relink.",
                name=old.display_name,
                username=old.username,
            )
        )
    if new.status == "gone" or new.origin != "directory" or old.origin != "directory":
        raise WrongStateError(
            _("%(name)s (%(username)s) is not in the directory now.", name=new.display_name, username=new.username)
        )
    return old, new


def _accounts(*user_ids: int) -> Select[Account]:
    return select(Account).where(Account.user_id.in_(user_ids)).order_by(Account.id)


def _obstacle(new: Account) -> str:
    return _("Something is held on the new purse for a job. Try again when that has ended.") if new.reserved else ""


def _move(session: Session, new: Account, old: Account, done: Join, by: str, now: datetime) -> None:
    key = f"relink:{done.new.id}:{done.old.id}"
    with speaking(settings_of_app().config.language):
        detail = _("relinked by %(name)s", name=by)
        movements: Sequence[tuple[Account, int, str]] = (
            (new, -done.moved, _("Moved to the purse of before (%(username)s)", username=done.old.username)),
            (old, done.moved, _("Found again in the directory as %(username)s", username=done.new.username)),
        )
    for account, amount, title in movements:
        ledger.post(
            session,
            account_id=account.id,
            amount=amount,
            source="transfer",
            key=f"{key}:{'to' if account is old else 'from'}",
            now=now,
            title=title,
            detail=detail,
            measured=True,
        )


def _take_along(session: Session, old_id: int, new_id: int, now: datetime) -> None:
    """Let groups, other names and devices follow; browsers that are signed in as the new row are signed out."""
    own = {"synchronize_session": False}
    session.execute(delete(Membership).where(Membership.user_id == old_id), execution_options=own)
    for table in (Membership, UserName, Device):
        move = update(table).where(table.user_id == new_id).values(user_id=old_id)
        session.execute(move, execution_options=own)
    aliases.give_up(session, username=session.get_one(User, old_id).username)
    ended = update(LoginSession).where(LoginSession.user_id == new_id, LoginSession.ended_at.is_(None))
    session.execute(ended.values(ended_at=now), execution_options=own)
