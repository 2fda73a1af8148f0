"""Verbs about people. The directory is asked by the doors, outside any transaction; here its answer is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import NotAllowedError, NotFoundError
from app.ledger import accounts
from app.ledger.models import Account
from app.people import aliases, rules
from app.people.models import Device, Group, LoginSession, Membership, User
from app.settings import settings_of_app
from directory.interface import Person, is_plausible_username
from language import _


class FirstSeen(Protocol):
    """What another room does in the transaction in which people become known."""

    def __call__(self, session: Session, *, user_ids: Sequence[int], now: datetime) -> None: ...


_first_seen: list[FirstSeen] = []

NAME_LENGTH_MAX = 256
EMAIL_LENGTH_MAX = 320
PARKED_LENGTH_MAX = 230
"""What is kept of a name that somebody else has now; a number stands behind it, and both fit into the column."""


def when_first_seen(do: FirstSeen) -> None:
    """Have `do` called for everybody who becomes known, with their groups and purse. Asking again changes nothing."""
    if do not in _first_seen:
        _first_seen.append(do)


def remember(
    session: Session,
    *,
    person: Person,
    admin_groups: Sequence[str],
    now: datetime,
    helper_groups: Sequence[str] = (),
    auditor_groups: Sequence[str] = (),
) -> User:
    """Keep what the directory says of a person, and open their purse. Keyed by the directory's own identifier.

    Somebody else who still has the name here has lost it in the directory: they keep purse and history under a name
    that nobody can sign in with, since a recycled name is another person. Who is disabled loses sessions and devices.
    What a column does not take of their groups and texts is left out: a long name must not keep anybody out. Raises
    NotAllowedError for the name of a local person, who keeps it, and for one that is no user name.
    """
    user = session.scalar(select(User).where(User.directory_id == person.directory_id).with_for_update())
    username = rules.name_key(person.username)
    if not is_plausible_username(username):
        raise NotAllowedError(_("The directory gives this person a user name that cannot be used here."))
    before = user.username if user is not None else username
    if user is None or before != username:
        _free(session, username=username, of=person.directory_id)
    new = user is None
    if user is None:
        user = User(directory_id=person.directory_id, username=username, created_at=now, status="active", groups=[])
        session.add(user)
    user.username = username
    user.display_name = rules.printable(person.display_name, NAME_LENGTH_MAX) or username
    user.email = rules.printable(person.email, EMAIL_LENGTH_MAX)
    user.refreshed_at = now
    user.role = rules.role_of(
        person.groups, admin_groups=admin_groups, helper_groups=helper_groups, auditor_groups=auditor_groups
    )
    user.groups = [group_named(session, name=name) for name in _usable(person.groups)]
    status = "disabled" if person.disabled else "active"
    if user.status != status:
        user.status, user.status_since = status, now
    session.flush()
    if before != username and before != parked(before.rsplit("#", 1)[0], user.id):
        aliases.keep_former(session, user_id=user.id, before=before, now=now)
    if person.disabled:
        end_access(session, user_ids=[user.id], now=now)
    accounts.open_account(session, user_id=user.id, name=username, now=now)
    if new:
        welcome(session, user_ids=[user.id], now=now)
    return user


def parked(username: str, user_id: int) -> str:
    """Return the name of somebody who has none at present: the one they had, with a number that is theirs alone."""
    return f"{username[:PARKED_LENGTH_MAX]}#{user_id}"


def welcome(session: Session, *, user_ids: Sequence[int], now: datetime) -> None:
    """Have the other rooms do what they do for people who become known; their purses are there already."""
    for do in _first_seen:
        do(session, user_ids=user_ids, now=now)


def end_access(session: Session, *, user_ids: Sequence[int] | Select[int], now: datetime) -> None:
    """End all sessions of these people, and the tokens of the clients on their desktops."""
    for row, ended in ((LoginSession, LoginSession.ended_at), (Device, Device.revoked_at)):
        session.execute(
            update(row)
            .where(row.user_id.in_(user_ids), ended.is_(None))
            .values({ended: now})
            .execution_options(synchronize_session=False)
        )


def _free(session: Session, *, username: str, of: str) -> None:
    """Take a name away from whom the directory no longer gives it to; it is the person `of` who has it there now."""
    holder = session.scalar(select(User).where(User.username == username))
    if holder is not None and holder.origin == "local":
        raise NotAllowedError(_("Your user name belongs to a guest here, so you cannot be let in. Ask the help desk."))
    if holder is not None and holder.directory_id != of:
        holder.username = parked(username, holder.id)
        session.flush()
    aliases.give_up(session, username=username)


def _usable(groups: Sequence[str]) -> list[str]:
    """The names that a group can have here; one of two that differ in case alone."""
    cleaned = (rules.printable(name, NAME_LENGTH_MAX + 1) for name in groups)
    by_key = {rules.name_key(name): name for name in cleaned if len(name) <= NAME_LENGTH_MAX}
    return [name for key, name in by_key.items() if 0 < len(key) <= NAME_LENGTH_MAX]


def group_named(session: Session, *, name: str) -> Group:
    """Return the group of that name, compared without case; made where it is new."""
    group = find_group(session, name=name)
    if group is None:
        group = Group(name=name.strip(), name_key=rules.name_key(name))
        session.add(group)
        session.flush()
    return group


def find_group(session: Session, *, name: str) -> Group | None:
    """Return the group of that name, compared without case, or None."""
    return session.scalar(select(Group).where(Group.name_key == rules.name_key(name)))


def find_user(session: Session, *, username: str) -> User | None:
    r"""Return whose name that is, or None: also an alias, a former name, and "DOMAIN\name" or "name@realm" of ours."""
    holder = aliases.find(session, typed=username, domains=settings_of_app().config.directory.domains)
    return holder.user if holder else None


def get_user(session: Session, *, user_id: int) -> User:
    """Return the user. Raises NotFoundError."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFoundError(_("There is no such person here."), user_id=user_id)
    return user


def list_users(session: Session, *, query: str, after: str, limit: int, status: str = "") -> list[tuple[User, Account]]:
    """Return users with their accounts, by name, after the name `after`; `query` searches names and groups.

    `status`: only those who are "active", "disabled" or "gone".
    """
    statement = (
        select(User, Account)
        .join(Account, Account.user_id == User.id)
        .where(User.username > after, *matching(query), *_with_status(status))
        .order_by(User.username)
        .limit(limit)
    )
    return [(user, account) for user, account in session.execute(statement)]


def count_users(session: Session, *, query: str, status: str = "") -> int:
    """Return how many users `list_users` would list for `query` and `status`, page by page."""
    counted = select(func.count()).select_from(User).where(*matching(query), *_with_status(status))
    return int(session.scalar(counted) or 0)


def _with_status(status: str) -> list[ColumnElement[bool]]:
    return [User.status == status] if status else []


def matching(query: str) -> list[ColumnElement[bool]]:
    """Return what a user fulfils whose name, user name or group has `query` in it; nothing for an empty one."""
    if not query:
        return []
    pattern = rules.name_key(query)
    in_group = (
        select(Membership.user_id)
        .join(Group, Group.id == Membership.group_id)
        .where(Group.name_key.contains(pattern, autoescape=True))
    )
    return [
        or_(
            User.username.contains(pattern, autoescape=True),
            func.lower(User.display_name).contains(pattern, autoescape=True),
            # SQLite's lower() knows ASCII only: a name with other letters is found as it was typed.
            User.display_name.contains(query.strip(), autoescape=True),
            User.id.in_(in_group),
        )
    ]
